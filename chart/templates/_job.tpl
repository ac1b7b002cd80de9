{{/* A Job's spec at indent 2. A hook runs once: a migration that failed half-way is not for another try. The service's context */}}
{{- define "sametag.job" -}}
{{- $job := omit (.service.job | default dict) "" }}
{{- if not (or (hasKey $job "backoffLimit") (hasKey $job "backoffLimitPerIndex")) }}{{ $_ := set $job "backoffLimit" (ternary 0 2 .hook) }}{{ end }}
  {{- include "sametag.plain" $job | nindent 2 }}
  template:
    {{- template "sametag.pod" . }}
{{- end }}
