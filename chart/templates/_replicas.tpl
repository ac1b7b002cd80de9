{{/*
The number of replicas at indent 2; nothing where an autoscaler has it. The service's context
A number that Helm has set and then leaves out is reset to 1 by the API server. So the number that runs is repeated: by
client-side apply always, by server-side apply as long as it is Helm's own. `helm template` never asks a cluster.
*/}}
{{- define "sametag.replicas" }}
{{- if not .scaled }}
{{- if hasKey .service "replicas" }}
  replicas: {{ int .service.replicas }}
{{- end }}
{{- else }}
{{- with lookup "apps/v1" .kind .root.Release.Namespace .fullname }}
{{- $applied := false }}
{{- $owned := false }}
{{- range .metadata.managedFields }}
{{- if eq .manager "helm" }}
{{- if eq .operation "Apply" }}{{ $applied = true }}{{ end }}
{{- if hasKey (index (.fieldsV1 | default dict) "f:spec" | default dict) "f:replicas" }}{{ $owned = true }}{{ end }}
{{- end }}
{{- end }}
{{- if or $owned (not $applied) }}
  replicas: {{ int .spec.replicas }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
