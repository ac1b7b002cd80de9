{{/* The one image of every service: repository:tag, with @digest where there is one. $ */}}
{{- define "sametag.image" -}}
{{- $image := .Sametag.image }}
{{- if not $image.repository }}{{ fail "image.repository is required" }}{{ end }}
{{- if not (or $image.tag $image.digest) }}
{{- fail "image.tag is required: set it with --set-string image.tag=…" }}
{{- end }}
{{- if not (kindIs "string" ($image.tag | default "")) }}
{{- fail (printf "image.tag must be a string, got the number %s: put quotes around it, or use --set-string" (toJson $image.tag)) }}
{{- end }}
{{- if and $image.digest (hasPrefix "sha256-" ($image.tag | default "")) (ne (replace "-" ":" $image.tag) $image.digest) }}
{{- fail (printf "image.tag is %s, but image.digest is %s, which takes precedence" $image.tag $image.digest) }}
{{- end }}
{{- template "sametag.repository" (dict "root" . "repository" $image.repository) }}
{{- with $image.tag }}:{{ . }}{{ end }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Part "TAG@sha256:…" in the tag into tag and digest, as the two settings have them. The values' `image`, which changes */}}
{{- define "sametag.pinned" -}}
{{- if and (kindIs "string" .tag) (contains "@" (.tag | default "" | toString)) }}
{{- $parts := splitn "@" 2 .tag }}
{{- if and .digest (ne .digest $parts._1) }}
{{- fail "image.tag has a different digest than image.digest: remove one of them" }}
{{- end }}
{{- $_ := set . "digest" $parts._1 }}
{{- $_ := set . "tag" $parts._0 }}
{{- end }}
{{- end }}

{{/*
A repository on global.imageRegistry, if that is set: it replaces the registry in the repository, if there is one. dict "root" $ "repository" "registry.example.com/app"
*/}}
{{- define "sametag.repository" -}}
{{- $registry := (.root.Values.global | default dict).imageRegistry }}
{{- if not $registry }}{{ .repository }}
{{- else }}
{{- $host := splitList "/" .repository | first }}
{{- $named := and (contains "/" .repository) (or (contains "." $host) (contains ":" $host) (eq $host "localhost")) }}
{{- $registry }}/{{ ternary (trimPrefix (print $host "/") .repository) .repository $named }}
{{- end }}
{{- end }}
