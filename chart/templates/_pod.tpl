{{/*
The pod template at indent 0, the same for every kind of workload, its keys in the order of the Kubernetes type.
The service's context
*/}}
{{- define "sametag.pod" -}}
{{- $service := .service -}}
metadata:
  labels:
    {{- include "sametag.podlabels" .root | nindent 4 }}
    {{- .selector | nindent 4 }}
    {{- with $service.labels }}
    {{- include "sametag.strings" . | trim | nindent 4 }}
    {{- end }}
    {{- with $service.podLabels }}
    {{- include "sametag.strings" . | trim | nindent 4 }}
    {{- end }}
  {{- with $service.podAnnotations }}
  annotations:
    {{- include "sametag.strings" . | trim | nindent 4 }}
  {{- end }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.podSecurityContext }}
  securityContext:
    {{- include "sametag.yaml" (dict "root" $.root "value" .) | nindent 4 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ int $service.terminationGracePeriodSeconds }}
  containers:
    - {{ include "sametag.container" . | indent 6 | trim }}
  {{- if $service.writablePaths }}
  volumes:
    {{- include "sametag.volumes" . | trim | nindent 4 }}
  {{- end }}
{{- end }}
