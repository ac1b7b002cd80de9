{{/* The rules of the whole release that must hold where the schema is bypassed. $ */}}
{{- define "sametag.checks" -}}
{{- range $key := list "tag" "image" }}
{{- if hasKey $.Sametag.defaults $key }}
{{- fail (printf "defaults.%s is not allowed: every service runs the one image.tag" $key) }}
{{- end }}
{{- end }}
{{- $names := keys (.Values.services | default dict) }}
{{- /* All names at once: a pattern is compiled each time. */}}
{{- if not (regexMatch "^([a-z]([a-z0-9-]*[a-z0-9])?,)*$" (print (join "," $names) (ternary "," "" (gt (len $names) 0)))) }}
{{- range $names }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" .) }}
{{- fail (printf "services.%s: the name must be lower-case letters, digits and '-', starting with a letter" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if lt (len .Sametag.prefix) 5 }}
{{- range $names }}
{{- if contains (print "," $.Sametag.prefix . ",") ",true,false,yes,no,on,off,y,n,null," }}
{{- fail (printf "services.%s: YAML does not read the name %s%s as a string: rename it, or set another namePrefix" . $.Sametag.prefix .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if not (regexMatch "^([a-z][a-z0-9-]*)?$" .Sametag.prefix) }}
{{- fail (printf "namePrefix must be lower-case letters, digits and '-', starting with a letter, got %q" .Sametag.prefix) }}
{{- end }}
{{- end }}

{{/* The rules of one service, and those that a schema cannot say. The service's context */}}
{{- define "sametag.check" -}}
{{- $service := .service }}
{{- $path := print "services." .name }}
{{- if or (hasKey $service "tag") (hasKey $service "image") }}
{{- fail (printf "%s must not have a tag or image: every service runs the one image.tag" $path) }}
{{- end }}
{{- if not (or $service.command .root.Sametag.image.hasEntrypoint) }}
{{- fail (printf "%s.command is required: set image.hasEntrypoint if the image has an ENTRYPOINT" $path) }}
{{- end }}
{{- if gt (len .fullname) 52 }}
{{- /* The others' pods and Jobs get a suffix. */}}
{{- $longest := ternary 63 52 (or (eq .kind "Deployment") (eq .kind "DaemonSet")) }}
{{- if gt (len .fullname) $longest }}
{{- fail (printf "%s: the name of its %s, %s, is longer than %d characters: shorten it or namePrefix" $path .kind .fullname $longest) }}
{{- end }}
{{- end }}
{{- template "sametag.rules" . }}
{{- end }}
