{{/*
Where this chart is in a parent: "shop." for a dependency with the alias shop, "a.b." for one of a dependency, and
nothing for a chart of its own. Parents may have it twice, so names and selectors hold it. $
*/}}
{{- define "sametag.path" -}}
{{- range rest (splitList "/charts/" (dir .Template.BasePath)) }}{{ . }}.{{ end }}
{{- end }}

{{/* The same as a part of names. $ */}}
{{- define "sametag.pathname" -}}
{{- .Sametag.path | lower | replace "." "-" | replace "_" "-" }}
{{- end }}

{{/* What stands before a service's name in the names of its objects: namePrefix, or "<release>-", "<release>-<alias>-". $ */}}
{{- define "sametag.prefix" -}}
{{- if kindIs "string" .Values.namePrefix }}{{ .Values.namePrefix }}
{{- else }}{{ .Release.Name }}-{{ template "sametag.pathname" . }}
{{- end }}
{{- end }}

{{/*
The labels of every object, but for the selector's: chart, managed-by, and those of pods. $
*/}}
{{- define "sametag.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ .Sametag.podlabels }}
{{- end }}

{{/*
The labels of pods, but for the selector's: name (the application: the image's last word) and version (the tag, which
may begin and end in ways that labels may not). None that changes when only the chart does: pods would restart. $
*/}}
{{- define "sametag.podlabels" -}}
{{- $image := .Sametag.image -}}
app.kubernetes.io/name: {{ (base (default .Chart.Name $image.repository)) | trunc 63 | trimAll "-_." | quote }}
{{- with $image.tag | default "" | toString | trunc 63 | trimAll "-_." }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
The metadata of an object at indent 2. What a hook needs comes and goes with it, a step ahead of it. The user's labels
and annotations replace the chart's, and those of this object alone replace the service's.
dict "of" context "kind" "Service" "name" "x", and "labels" and "annotations" of this object alone and "again" for one
that is in two places, which may be missing
*/}}
{{- define "sametag.metadata" }}
{{- $of := .of }}
{{- if and $of.root.Sametag.path (not .again) }}{{ template "sametag.own" . }}{{ end }}
  name: {{ .name }}
  namespace: {{ $of.root.Sametag.namespace }}
  labels:
    {{- if .labels }}
    {{- $labels := dict }}
    {{- template "sametag.merge" (dict "into" $labels "over" ($of.service.labels | default dict)) }}
    {{- template "sametag.merge" (dict "into" $labels "over" .labels) }}
    {{- with include "sametag.without" (dict "text" $of.root.Sametag.labels "over" $labels) }}
    {{- trim . | nindent 4 }}
    {{- end }}
    {{- $of.selector | nindent 4 }}
    {{- include "sametag.strings" $labels | trim | nindent 4 }}
    {{- else }}
    {{- $of.labels4 }}
    {{- $of.selector | nindent 4 }}
    {{- with $of.labels }}
    {{- nindent 4 . }}
    {{- end }}
    {{- end }}
  {{- if or .annotations $of.service.annotations $of.hook }}
  {{- $annotations := dict }}
  {{- template "sametag.merge" (dict "into" $annotations "over" ($of.service.annotations | default dict)) }}
  {{- template "sametag.merge" (dict "into" $annotations "over" (.annotations | default dict)) }}
  {{- if or $annotations $of.hook }}
  annotations:
    {{- if $of.hook }}
    {{- $hook := $of.service.hook }}
    helm.sh/hook: {{ join "," ($hook.on | default (list "pre-install" "pre-upgrade")) | quote }}
    helm.sh/hook-weight: {{ sub (int $hook.weight) (ternary 0 1 (eq .kind "Job")) | quote }}
    helm.sh/hook-delete-policy: {{ join "," ($hook.deletePolicy | default (list "before-hook-creation" "hook-succeeded")) | quote }}
    {{- end }}
    {{- with $annotations }}
    {{- include "sametag.strings" . | trim | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- end }}
{{- end }}

{{/* Lines of labels without those that a map has as well. dict "text" lines "over" map */}}
{{- define "sametag.without" -}}
{{- range splitList "\n" .text }}
{{- if not (hasKey $.over (splitList ":" . | first)) }}
{{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Fail if two services, of this chart or of another dependency of one parent, create the same object, of which Helm would
keep only the last. Helm gives all charts of a release the same .Release, so all of them see what is stored there. dict "of" context "kind" "ConfigMap" "name" "x"
*/}}
{{- define "sametag.own" -}}
{{- $owners := .of.root.Release.SametagOwners }}
{{- $name := trimAll "\"" .name }}
{{- $id := print .kind "/" $name }}
{{- $owner := print .of.root.Sametag.path "services." .of.name }}
{{- with get $owners $id }}
{{- fail (printf "%s and %s both create the %s %s: rename one of them, or set another namePrefix" . $owner $.kind $name) }}
{{- end }}
{{- $_ := set $owners $id $owner }}
{{- end }}

{{/* A name that is made of a service's and an entry's. dict "of" context "kind" "ConfigMap" "entry" "x" */}}
{{- define "sametag.entryname" -}}
{{- $name := print .of.fullname "-" .entry }}
{{- if not .of.root.Sametag.path }}
{{- /* In a chart of its own, only names that are made of two can be made twice. */}}
{{- template "sametag.own" (dict "of" .of "kind" .kind "name" $name) }}
{{- end }}
{{- if gt (len $name) 63 }}
{{- fail (printf "services.%s: the name of its %s, %s, is longer than 63 characters: shorten it or namePrefix" .of.name .kind $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* A map whose values Kubernetes wants to be strings, each on a new line. The map */}}
{{- define "sametag.strings" -}}
{{- range $key, $value := . }}
{{ quote $key }}: {{ if kindIs "string" $value }}{{ quote $value }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- end }}
