{{/*
What a service must have once `defaults` is merged under it. The schema cannot ask for it, since Helm validates both
halves apart. The service's context
*/}}
{{- define "sametag.rules.whole" -}}
{{- $path := print "services." .name }}
{{- $service := .service }}
{{- if or .scaled $service.ingress $service.route }}
{{- range $setting, $key := dict "autoscaling" "maxReplicas" "ingress" "hosts" "keda" "triggers" "route" "parentRefs" }}
{{- if and (hasKey $service $setting) (not (get (get $service $setting | default dict) $key)) }}
{{- fail (printf "%s.%s.%s is missing" $path $setting $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $port := $service.ports }}
{{- if not $port.containerPort }}
{{- fail (printf "%s.ports.%s.containerPort is missing" $path $name) }}
{{- end }}
{{- end }}
{{- with $service.probes }}
{{- if not .port }}
{{- range $key := list "path" "readinessPath" }}
{{- if get $service.probes $key }}
{{- fail (printf "%s.probes.port is missing: %s requires it" $path $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $volume := $service.volumes }}
{{- if ne (len (omit $volume "mountPath" "subPath" "readOnly")) 1 }}
{{- fail (printf "%s.volumes.%s must have exactly one source, such as emptyDir or claim" $path $name) }}
{{- end }}
{{- end }}
{{- if kindIs "map" $service.env }}
{{- range $name, $value := $service.env }}
{{- if kindIs "map" $value }}
{{- if not (or $value.field $value.valueFrom (and $value.key (or $value.secret $value.configMap))) }}
{{- fail (printf "%s.env.%s.%s is missing" $path $name (ternary "key" "secret" (or (hasKey $value "secret") (hasKey $value "configMap")))) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
