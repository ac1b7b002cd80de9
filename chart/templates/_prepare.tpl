{{/*
Fill $.Sametag once per render: what every template needs of each service, computed a single time.
Helm gives all templates of a chart the same root, so what is set here is seen by all of them.
    $.Sametag.services   name -> the service's context: name, fullname, kind, service (merged), labels, selector
    $.Sametag.owners     "kind/name" -> service, to name both services of a collision
    $.Sametag.yaml       JSON -> YAML: what many services share is converted once
*/}}
{{- define "sametag.prepare" -}}
{{- if not (hasKey . "Sametag") }}
{{- $root := . }}
{{- $services := dict }}
{{- $_ := set . "Sametag" (dict "services" $services "owners" dict "yaml" dict) }}
{{- include "sametag.checks" . }}
{{- $defaults := dict }}
{{- template "sametag.merge" (dict "into" $defaults "over" (.Values.defaults | default dict)) }}
{{- $prefix := include "sametag.prefix" . }}
{{- $labels := include "sametag.labels" . }}
{{- $image := dict }}
{{- range $name, $own := .Values.services }}
{{- if kindIs "map" $own }}
{{- $service := omit $defaults "" }}
{{- template "sametag.merge" (dict "into" $service "over" $own) }}
{{- if ne (toString $service.enabled) "false" }}
{{- $context := dict "root" $root "name" $name "fullname" (print $prefix $name) "service" $service }}
{{- $_ := set $context "kind" ($service.kind | default "Deployment") }}
{{- template "sametag.check" $context }}
{{- if not $image.image }}{{ $_ := set $image "image" (include "sametag.image" $root) }}{{ end }}
{{- $selector := printf "app.kubernetes.io/instance: %s\napp.kubernetes.io/component: %s" $root.Release.Name $name }}
{{- $_ := set $context "image" $image.image }}
{{- $_ := set $context "selector" $selector }}
{{- $_ := set $context "labels" (print $labels "\n" $selector) }}
{{- with $service.labels }}{{ $_ := set $context "labels" (print $context.labels "\n" (toYaml .)) }}{{ end }}
{{- $_ := set $services $name $context }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Merge "over" into the map "into": maps merge, lists and scalars of "over" win, null removes. "into" changes; nothing
that it shares with another map does. The result is shared where nothing overrides it: copying is what makes it slow.
*/}}
{{- define "sametag.merge" -}}
{{- $into := .into }}
{{- range $key, $value := .over }}
{{- if kindIs "map" $value }}
{{- $under := get $into $key }}
{{- $child := dict }}
{{- if kindIs "map" $under }}{{ $child = omit $under "" }}{{ end }}
{{- template "sametag.merge" (dict "into" $child "over" $value) }}
{{- $_ := set $into $key $child }}
{{- else if kindIs "invalid" $value }}
{{- $_ := unset $into $key }}
{{- else }}
{{- $_ := set $into $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* A value as YAML at indent 0, converted once however many services have it. dict "root" $ "value" map or list */}}
{{- define "sametag.yaml" -}}
{{- $key := toJson .value }}
{{- if not (hasKey .root.Sametag.yaml $key) }}{{ $_ := set .root.Sametag.yaml $key (toYaml .value) }}{{ end }}
{{- get .root.Sametag.yaml $key }}
{{- end }}
