{{/*
A Job's spec at indent 2. A hook holds up Helm, so it has a deadline below Helm's timeout. The service's context
*/}}
{{- define "sametag.job" -}}
{{- $job := omit (.service.job | default dict) "" }}
{{- if not (hasKey $job "backoffLimit") }}{{ $_ := set $job "backoffLimit" 2 }}{{ end }}
{{- if and .hook (not (hasKey $job "activeDeadlineSeconds")) }}
{{- $_ := set $job "activeDeadlineSeconds" 240 }}
{{- end }}
  {{- toYaml $job | nindent 2 }}
  template:
    {{- template "sametag.pod" . }}
{{- end }}
