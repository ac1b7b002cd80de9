{{/*
The number of replicas at indent 2; nothing where an autoscaler has it. dict "of" the service's context "kept" a number or nothing
*/}}
{{- define "sametag.replicas" }}
{{- if .kept }}
  replicas: {{ .kept }}
{{- else if and (not .of.scaled) (hasKey .of.service "replicas") }}
  replicas: {{ int .of.service.replicas }}
{{- end }}
{{- end }}

{{/*
The number of replicas that run, where an autoscaler has them and the manifest must repeat it; else nothing. A number
that Helm has set and then leaves out is reset to 1 by the API server. By server-side apply it is repeated as long as it
is Helm's own. By client-side apply, which compares with the last manifest, from the revision on that brings the
autoscaler: an annotation remembers it. A release that began with its autoscaler never has a number, so that a rollback
cannot take one away. `helm template` never asks a cluster. The service's context
*/}}
{{- define "sametag.kept" -}}
{{- if .scaled }}
{{- $scaler := list "autoscaling/v2" "HorizontalPodAutoscaler" }}
{{- if hasKey .service "keda" }}{{ $scaler = list "keda.sh/v1alpha1" "ScaledObject" }}{{ end }}
{{- with lookup "apps/v1" .kind .root.Release.Namespace .fullname }}
{{- $applied := false }}
{{- $keep := false }}
{{- range .metadata.managedFields }}
{{- if eq .manager "helm" }}
{{- if eq .operation "Apply" }}{{ $applied = true }}{{ end }}
{{- if hasKey (index (.fieldsV1 | default dict) "f:spec" | default dict) "f:replicas" }}{{ $keep = true }}{{ end }}
{{- end }}
{{- end }}
{{- if not $applied }}
{{- $keep = or (hasKey (.metadata.annotations | default dict) "sametag/replicas")
    (not (lookup (first $scaler) (last $scaler) $.root.Release.Namespace $.fullname)) }}
{{- end }}
{{- if $keep }}{{ int .spec.replicas }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
