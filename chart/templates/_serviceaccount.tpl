{{/* A ServiceAccount. dict "of" context "name" "x" "annotations" of this object alone "again" whether it has been written */}}
{{- define "sametag.account" }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- template "sametag.metadata" (dict "of" .of "kind" "ServiceAccount" "name" (quote .name) "annotations" .annotations "again" .again) }}
automountServiceAccountToken: false
{{- end }}

{{/*
A ServiceAccount of several services belongs to none of them: it has the annotations that any of them gives it, and the
labels and annotations that all of them have. Hooks that run before an install, and those after a removal, find no
ordinary object: for them there is another of the same name, which comes and goes with them. Before an upgrade that is
so only where the account is not there yet: pods that run keep theirs. dict "root" $ "account" its name "sharers" contexts
*/}}
{{- define "sametag.sharedaccount" }}
{{- $root := .root }}
{{- $made := false }}
{{- $ordinary := false }}
{{- $annotations := dict }}
{{- $givers := dict }}
{{- $steps := list }}
{{- $weights := list }}
{{- range $this := .sharers }}
{{- $settings := .service.serviceAccount | default dict }}
{{- if ne (toString $settings.create) "false" }}{{ $made = true }}{{ end }}
{{- range $key, $value := $settings.annotations }}
{{- if and (hasKey $annotations $key) (ne (toString $value) (toString (get $annotations $key))) }}
{{- fail (printf "services.%s and services.%s share the ServiceAccount %s and disagree about its annotation %s: %s and %s" (get $givers $key) $this.name $.account $key (toString (get $annotations $key)) (toString $value)) }}
{{- end }}
{{- $_ := set $annotations $key $value }}
{{- $_ := set $givers $key $this.name }}
{{- end }}
{{- if .hook }}
{{- $steps = concat $steps (.service.hook.on | default (list "pre-install" "pre-upgrade")) }}
{{- $weights = append $weights (int .service.hook.weight) }}
{{- else }}
{{- $ordinary = true }}
{{- end }}
{{- end }}
{{- if $made }}
{{- $shared := dict "labels" dict "annotations" dict }}
{{- range $setting, $into := $shared }}
{{- range $key, $value := get (first $.sharers).service $setting | default dict }}
{{- $same := true }}
{{- range $.sharers }}
{{- if ne (toJson $value) (toJson (get (get .service $setting | default dict) $key)) }}{{ $same = false }}{{ end }}
{{- end }}
{{- if $same }}{{ $_ := set $into $key $value }}{{ end }}
{{- end }}
{{- end }}
{{- $labels4 := include "sametag.without" (dict "text" $root.Sametag.labels "over" $shared.labels) | trim }}
{{- with $labels4 }}{{ $labels4 = nindent 4 . }}{{ end }}
{{- $of := dict "root" $root "name" (first .sharers).name "service" $shared "hook" false "labels4" $labels4
    "labels" (include "sametag.strings" $shared.labels | trim) "selector" (printf "app.kubernetes.io/instance: %q" $root.Release.Name) }}
{{- if $ordinary }}
{{- template "sametag.account" (dict "of" $of "name" .account "annotations" $annotations) }}
{{- $early := list }}
{{- range uniq $steps }}
{{- if or (eq . "pre-install") (eq . "post-delete") }}{{ $early = append $early . }}{{ end }}
{{- if and (eq . "pre-upgrade") $root.Release.IsUpgrade }}
{{- if not (lookup "v1" "ServiceAccount" $root.Release.Namespace $.account) }}{{ $early = append $early . }}{{ end }}
{{- end }}
{{- end }}
{{- $steps = $early }}
{{- end }}
{{- if $steps }}
{{- $weight := first $weights }}
{{- range $weights }}{{ $weight = min $weight . }}{{ end }}
{{- $hook := dict "on" (uniq $steps) "weight" $weight }}
{{- $of = merge (dict "hook" true "service" (dict "annotations" $shared.annotations "hook" $hook)) $of }}
{{- template "sametag.account" (dict "of" $of "name" .account "annotations" $annotations "again" $ordinary) }}
{{- end }}
{{- end }}
{{- end }}
