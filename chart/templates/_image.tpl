{{/* The one image of every service: repository:tag, with @digest where there is one. $ */}}
{{- define "sametag.image" -}}
{{- $image := .Values.image }}
{{- if not $image.repository }}{{ fail "image.repository is needed: the image that holds every service" }}{{ end }}
{{- if not (or $image.tag $image.digest) }}{{ fail "image.tag is needed: the one tag that every service runs (--set-string image.tag=…)" }}{{ end }}
{{- if and $image.tag (not (kindIs "string" $image.tag)) }}
{{- fail (printf "image.tag must be a text, got the number %s: quote it, or use --set-string" (toJson $image.tag)) }}
{{- end }}
{{- include "sametag.repository" (dict "root" . "repository" $image.repository) }}
{{- with $image.tag }}:{{ . }}{{ end }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* A repository, on global.imageRegistry where that is set: it replaces the registry, if the repository names one. */}}
{{- define "sametag.repository" -}}
{{- $registry := (.root.Values.global | default dict).imageRegistry }}
{{- if not $registry }}{{ .repository }}
{{- else }}
{{- $host := splitList "/" .repository | first }}
{{- if and (contains "/" .repository) (or (contains "." $host) (contains ":" $host) (eq $host "localhost")) }}
{{- $registry }}/{{ .repository | trimPrefix (print $host "/") }}
{{- else }}
{{- $registry }}/{{ .repository }}
{{- end }}
{{- end }}
{{- end }}
