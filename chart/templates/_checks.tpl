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
{{- fail (printf "services.%s: YAML takes the name %s%s for another thing: choose another, or another namePrefix" . $.Sametag.prefix .) }}
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
{{- fail (printf "%s has a tag or image of its own, which is not allowed: every service runs the one image.tag" $path) }}
{{- end }}
{{- if not (or $service.command .root.Sametag.image.hasEntrypoint) }}
{{- fail (printf "%s needs command: the image has no ENTRYPOINT (image.hasEntrypoint: true says that it has)" $path) }}
{{- end }}
{{- if gt (len .fullname) 52 }}
{{- /* The others' pods and Jobs get a suffix. */}}
{{- $longest := ternary 63 52 (or (eq .kind "Deployment") (eq .kind "DaemonSet")) }}
{{- if gt (len .fullname) $longest }}
{{- fail (printf "%s: the name of its %s, %s, is longer than %d characters: shorten it, or namePrefix" $path .kind .fullname $longest) }}
{{- end }}
{{- end }}
{{- if ne .kind "Deployment" }}
{{- if and .hook (ne .kind "Job") }}
{{- fail (printf "%s.hook is for a Job, and this is a %s" $path .kind) }}
{{- end }}
{{- if and (eq .kind "CronJob") (not ($service.cronJob | default dict).schedule) }}
{{- fail (printf "%s needs cronJob.schedule: it is a CronJob" $path) }}
{{- end }}
{{- else if .hook }}
{{- fail (printf "%s.hook is for a Job, and this is a Deployment" $path) }}
{{- end }}
{{- if .scaled }}
{{- if and $service.autoscaling $service.keda }}
{{- fail (printf "%s has autoscaling and keda: only one can set the replicas" $path) }}
{{- end }}
{{- if not (has .kind (list "Deployment" "StatefulSet")) }}
{{- fail (printf "%s: a %s has no replicas to scale" $path .kind) }}
{{- end }}
{{- end }}
{{- if or $service.probes $service.ingress $service.route (hasKey $service "monitor") }}
{{- range $key := list "probes" "ingress" "route" "monitor" }}
{{- $port := (get $service $key | default dict).port }}
{{- if and (kindIs "string" $port) (not (hasKey ($service.ports | default dict) $port)) }}
{{- fail (printf "%s.%s.port is %s, which is not one of its ports (%s)" $path $key $port (keys ($service.ports | default dict) | sortAlpha | join ", ")) }}
{{- end }}
{{- if and (ne $key "probes") (hasKey $service $key) (not $service.ports) }}
{{- fail (printf "%s has %s, and no ports" $path $key) }}
{{- end }}
{{- $served := and $.serves (ne (toString ($service.service | default dict).enabled) "false") }}
{{- if and (or (eq $key "ingress") (eq $key "route")) (hasKey $service $key) (not $served) }}
{{- fail (printf "%s has %s, and no Service that it could lead to" $path $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
