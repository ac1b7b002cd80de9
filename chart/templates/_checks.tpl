{{/* The rules of the whole release that must hold where the schema is bypassed. $ */}}
{{- define "sametag.checks" -}}
{{- range $key := list "tag" "image" }}
{{- if hasKey ($.Values.defaults | default dict) $key }}
{{- fail (printf "defaults.%s is not allowed: every service runs the one image.tag" $key) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The rules of one service, likewise. The service's context */}}
{{- define "sametag.check" -}}
{{- $path := print "services." .name }}
{{- range $key := list "tag" "image" }}
{{- if hasKey $.service $key }}{{ fail (printf "%s.%s is not allowed: every service runs the one image.tag" $path $key) }}{{ end }}
{{- end }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" .name) }}
{{- fail (printf "%s: the name must be lower-case letters, digits and '-', starting with a letter" $path) }}
{{- end }}
{{- if gt (len .fullname) 63 }}
{{- fail (printf "%s: its name in the cluster, %s, is longer than 63 characters: shorten it, or set namePrefix" $path .fullname) }}
{{- end }}
{{- if not (or .service.command .root.Values.image.hasEntrypoint) }}
{{- fail (printf "%s needs command: the image has no ENTRYPOINT (set image.hasEntrypoint: true if it has one)" $path) }}
{{- end }}
{{- end }}
