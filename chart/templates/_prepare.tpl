{{/*
Fill $.Sametag once per render with what every template needs of each service.
Helm gives all templates of a chart the same root, so all of them see it.
    $.Sametag.services   name -> the service's context, below
    $.Sametag.defaults   the values' `defaults`, without nulls
    $.Sametag.image      the values' `image`
    $.Sametag.used       settings and kinds -> true, if any service uses them; templates of the others do nothing
    $.Sametag.path       the path of this chart in its parent, such as "shop."
    $.Sametag.accounts   name of a ServiceAccount -> the services that use it
    $.Sametag.yaml       setting -> YAML: settings from `defaults` are converted once for all services
The context of a service:
    root, name, own, service   $, its name, its values, and those merged with `defaults`
    fullname    the name of its objects
    kind        the kind of its workload
    hook        whether Helm runs it as a hook
    serves      whether it runs until it is stopped, and can have a Service, a PDB or an autoscaler
    scaled      whether an autoscaler sets its replicas
    several     whether it has, or can get, more than one pod
    account     the name of its ServiceAccount; empty for the namespace's default one
    token       whether its pods mount the account's token: if rules are set, or automountToken
    selector    the labels that select its pods and never change; YAML at indent 0
    labels      its own labels; YAML at indent 0 or nothing
    labels4     the chart's labels of its objects, without its own labels; YAML at indent 4
*/}}
{{- define "sametag.prepare" -}}
{{- if not (hasKey . "Sametag") }}
{{- $root := . }}
{{- $defaults := dict }}
{{- template "sametag.merge" (dict "into" $defaults "over" (.Values.defaults | default dict)) }}
{{- $image := omit (.Values.image | default dict) "" }}
{{- template "sametag.pinned" $image }}
{{- $services := dict }}
{{- $used := dict }}
{{- range $key, $_ := $defaults }}{{ $_ := set $used $key true }}{{ end }}
{{- $shared := dict "services" $services "used" $used "defaults" $defaults "image" $image "accounts" dict "yaml" dict }}
{{- $_ := set . "Sametag" $shared }}
{{- if not (hasKey .Release "SametagOwners") }}{{ $_ := set .Release "SametagOwners" dict }}{{ end }}
{{- $_ := set $shared "path" (include "sametag.path" .) }}
{{- $_ := set $shared "namespace" (quote .Release.Namespace) }}
{{- $_ := set $shared "prefix" (include "sametag.prefix" .) }}
{{- $_ := set $shared "selector" (printf "app.kubernetes.io/instance: %q\napp.kubernetes.io/component: " .Release.Name) }}
{{- $_ := set $shared "podlabels" (include "sametag.podlabels" .) }}
{{- $_ := set $shared "labels" (include "sametag.labels" .) }}
{{- /* Nearly every object has them: indent them once. */}}
{{- $_ := set $shared "labels4" (nindent 4 $shared.labels) }}
{{- $_ := set $shared "podlabels8" (nindent 8 $shared.podlabels) }}
{{- template "sametag.checks" . }}
{{- range $name, $own := .Values.services }}
{{- if kindIs "map" $own }}
{{- $service := omit $defaults "" }}
{{- template "sametag.merge" (dict "into" $service "over" $own) }}
{{- if ne (toString $service.enabled) "false" }}
{{- if not $shared.reference }}{{ $_ := set $shared "reference" (include "sametag.image" $root) }}{{ end }}
{{- $fullname := print $shared.prefix $name }}
{{- $hook := hasKey $service "hook" }}
{{- $kind := $service.kind }}
{{- if not $kind }}{{ $kind = ternary "Job" "Deployment" $hook }}{{ end }}
{{- $serves := not (or (eq $kind "Job") (eq $kind "CronJob")) }}
{{- $scaled := or (hasKey $service "autoscaling") (hasKey $service "keda") }}
{{- $token := false }}
{{- if $service.rules }}{{ $token = true }}{{ end }}
{{- $account := $fullname }}
{{- with $service.serviceAccount }}
{{- $account = .name | default (ternary "" $fullname (eq (toString .create) "false")) }}
{{- if hasKey . "automountToken" }}{{ $token = .automountToken }}{{ end }}
{{- end }}
{{- $labels := "" }}
{{- $labels4 := $shared.labels4 }}
{{- with $service.labels }}
{{- $labels = include "sametag.strings" . | trim }}
{{- $labels4 = include "sametag.without" (dict "text" $shared.labels "over" .) }}
{{- with $labels4 }}{{ $labels4 = trim . | nindent 4 }}{{ end }}
{{- end }}
{{- /* One call, since a thousand services make a thousand of each. */}}
{{- $context := dict "root" $root "name" $name "own" $own "service" $service
    "fullname" $fullname "kind" $kind "hook" $hook "serves" $serves
    "scaled" $scaled "several" (and $serves (ne $kind "DaemonSet") (or $scaled (gt (int $service.replicas) 1)))
    "account" $account "token" $token "labels" $labels "labels4" $labels4
    "selector" (print $shared.selector (print $shared.path $name | quote)) }}
{{- template "sametag.check" $context }}
{{- $_ := set $shared.accounts $account (append (get $shared.accounts $account | default list) $context) }}
{{- $_ := set $services $name $context }}
{{- if ne $kind "Deployment" }}{{ $_ := set $used $kind true }}{{ end }}
{{- range $key, $_ := $own }}{{ $_ := set $used $key true }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .Release.IsUpgrade (not $services) (not $shared.path) }}
{{- fail "there is no service, so this upgrade would delete every workload: give the values of the release (helm upgrade --reset-then-reuse-values keeps them), or remove it with helm uninstall" }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Merge "over" into the map "into": maps merge, lists and scalars of "over" take precedence, null removes. Only "into"
changes, not the maps that it shares with others. Maps that nothing overrides stay shared: copying them would be slow.
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

{{/*
A setting as YAML on new lines. A setting from `defaults` is converted once for all services.
dict "of" the service's context "key" the setting "indent" spaces, always the same for one setting
*/}}
{{- define "sametag.yaml" -}}
{{- if hasKey .of.own .key }}
{{- include "sametag.plain" (get .of.service .key) | nindent .indent }}
{{- else }}
{{- $memo := .of.root.Sametag.yaml }}
{{- if not (hasKey $memo .key) }}
{{- $_ := set $memo .key (include "sametag.plain" (get .of.service .key) | nindent .indent) }}
{{- end }}
{{- get $memo .key }}
{{- end }}
{{- end }}

{{/*
A value as YAML, instead of toYaml, which drops text with control characters such as U+009F (a result of double encoding)
and breaks text at U+2028: values with one are written as JSON, with escapes. Any value
*/}}
{{- define "sametag.plain" -}}
{{- $json := toJson . }}
{{- if not (regexMatch "[\u007f-\u009f]|\\\\u202[89]" $json) }}
{{- toYaml . }}
{{- else if kindIs "map" . }}
{{- range $key, $value := . }}
{{ quote $key }}: {{ template "sametag.escaped" $value }}
{{- end }}
{{- else }}
{{- template "sametag.escaped" . }}
{{- end }}
{{- end }}

{{/* A value as JSON without control characters. Any value */}}
{{- define "sametag.escaped" -}}
{{- $json := toJson . }}
{{- range untilStep 127 160 1 }}{{ $json = replace (printf "%c" .) (printf "\\u%04x" .) $json }}{{ end }}
{{- $json }}
{{- end }}
