{{/*
Fill $.Sametag once per render: what every template needs of each service, computed a single time.
Helm gives all templates of a chart the same root, so what is set here is seen by all of them.
    $.Sametag.services   name -> the service's context, see sametag.context
    $.Sametag.defaults   the values' `defaults`, without nulls
    $.Sametag.image      the values' `image`
    $.Sametag.used       settings and kinds -> true, where any service uses them: the other files have nothing to do
    $.Sametag.owners     "kind/name" -> service, to name both services of a collision
    $.Sametag.yaml       JSON -> YAML: what many services share is converted once
*/}}
{{- define "sametag.prepare" -}}
{{- if not (hasKey . "Sametag") }}
{{- $root := . }}
{{- $defaults := dict }}
{{- template "sametag.merge" (dict "into" $defaults "over" (.Values.defaults | default dict)) }}
{{- $image := .Values.image | default dict }}
{{- $services := dict }}
{{- $used := dict }}
{{- range $key, $_ := $defaults }}{{ $_ := set $used $key true }}{{ end }}
{{- $shared := dict "services" $services "used" $used "defaults" $defaults "image" $image "owners" dict "yaml" dict }}
{{- $_ := set . "Sametag" $shared }}
{{- $_ := set $shared "prefix" (include "sametag.prefix" .) }}
{{- $_ := set $shared "selector" (printf "app.kubernetes.io/instance: %q\napp.kubernetes.io/component: " .Release.Name) }}
{{- $_ := set $shared "podlabels" (include "sametag.podlabels" .) }}
{{- $_ := set $shared "labels" (include "sametag.labels" .) }}
{{- /* Where nearly every object has them, they are indented once. */}}
{{- $_ := set $shared "labels4" (nindent 4 $shared.labels) }}
{{- $_ := set $shared "podlabels8" (nindent 8 $shared.podlabels) }}
{{- template "sametag.checks" . }}
{{- range $name, $own := .Values.services }}
{{- if kindIs "map" $own }}
{{- $service := omit $defaults "" }}
{{- template "sametag.merge" (dict "into" $service "over" $own) }}
{{- if ne (toString $service.enabled) "false" }}
{{- if not $shared.reference }}{{ $_ := set $shared "reference" (include "sametag.image" $root) }}{{ end }}
{{- $context := dict "root" $root "name" $name "service" $service }}
{{- template "sametag.context" $context }}
{{- template "sametag.check" $context }}
{{- $_ := set $services $name $context }}
{{- $_ := set $used $context.kind true }}
{{- range $key, $_ := $own }}{{ $_ := set $used $key true }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Complete a service's context, which starts as dict "root" $ "name" its name "service" its merged values:
    fullname    the name of its objects
    kind        the kind of its workload
    serves      whether it runs until it is stopped, and so may have a Service, a PDB, an autoscaler
    scaled      whether something else sets its replicas
    several     whether it has more than one pod
    account     the name of its ServiceAccount; empty for the namespace's default one
    token       whether its pods get the account's token: where rules allow something with it, or it is asked for
    selector    the labels that select its pods, and never change; YAML at indent 0
    labels      the labels of its own; YAML at indent 0 or nothing
*/}}
{{- define "sametag.context" -}}
{{- $service := .service }}
{{- $shared := .root.Sametag }}
{{- $_ := set . "fullname" (print $shared.prefix .name) }}
{{- $_ := set . "kind" ($service.kind | default (ternary "Job" "Deployment" (hasKey $service "hook"))) }}
{{- $_ := set . "serves" (not (or (eq .kind "Job") (eq .kind "CronJob"))) }}
{{- $_ := set . "scaled" (or (hasKey $service "autoscaling") (hasKey $service "keda")) }}
{{- $least := $service.replicas }}
{{- with $service.autoscaling }}{{ $least = .minReplicas | default 1 }}{{ end }}
{{- with $service.keda }}{{ $least = .minReplicaCount | default 0 }}{{ end }}
{{- $_ := set . "several" (and .serves (ne .kind "DaemonSet") (gt (int $least) 1)) }}
{{- $account := $service.serviceAccount | default dict }}
{{- $_ := set . "account" ($account.name | default (ternary "" .fullname (eq (toString $account.create) "false"))) }}
{{- $token := gt (len ($service.rules | default list)) 0 }}
{{- if hasKey $account "automountToken" }}{{ $token = $account.automountToken }}{{ end }}
{{- $_ := set . "token" $token }}
{{- $_ := set . "selector" (print $shared.selector (quote .name)) }}
{{- if $service.labels }}{{ $_ := set . "labels" (include "sametag.strings" $service.labels) }}{{ end }}
{{- end }}

{{/*
Merge "over" into the map "into": maps merge, lists and scalars of "over" win, null removes. "into" changes; nothing
that it shares with another map does. What nothing overrides stays shared: copying it all is what would make it slow.
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
A value as YAML on new lines, converted once however many services have it.
dict "root" $ "value" map or list "indent" spaces
*/}}
{{- define "sametag.yaml" -}}
{{- $memo := .root.Sametag.yaml }}
{{- $key := print .indent (toJson .value) }}
{{- if not (hasKey $memo $key) }}{{ $_ := set $memo $key (toYaml .value | nindent .indent) }}{{ end }}
{{- get $memo $key }}
{{- end }}
