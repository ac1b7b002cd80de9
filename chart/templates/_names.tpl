{{/* What stands before a service's name in the names of its objects: namePrefix, or "<release>-". $ */}}
{{- define "sametag.prefix" -}}
{{- if kindIs "string" .Values.namePrefix }}{{ .Values.namePrefix }}{{ else }}{{ .Release.Name }}-{{ end }}
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
The metadata of an object at indent 2. What a hook needs comes and goes with it, a step ahead of it.
dict "of" context "kind" "Service" "name" "x", and "labels" and "annotations" of this object alone, which may be missing
*/}}
{{- define "sametag.metadata" }}
{{- $of := .of }}
{{- $shared := $of.root.Sametag }}
  name: {{ .name }}
  namespace: {{ $shared.namespace }}
  labels:
    {{- $shared.labels4 }}
    {{- $of.selector | nindent 4 }}
    {{- with $of.labels }}
    {{- nindent 4 . }}
    {{- end }}
    {{- with .labels }}
    {{- include "sametag.strings" . | trim | nindent 4 }}
    {{- end }}
  {{- if or .annotations $of.service.annotations $of.hook }}
  annotations:
    {{- if $of.hook }}
    {{- $hook := $of.service.hook }}
    helm.sh/hook: {{ join "," ($hook.on | default (list "pre-install" "pre-upgrade")) | quote }}
    helm.sh/hook-weight: {{ sub (int $hook.weight) (ternary 0 1 (eq .kind "Job")) | quote }}
    helm.sh/hook-delete-policy: {{ join "," ($hook.deletePolicy | default (list "before-hook-creation" "hook-succeeded")) | quote }}
    {{- end }}
    {{- with $of.service.annotations }}
    {{- include "sametag.strings" . | trim | nindent 4 }}
    {{- end }}
    {{- with .annotations }}
    {{- include "sametag.strings" . | trim | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end }}

{{/*
A name that is made of a service's and an entry's. Two services can end in the same one ("a" with "b-c" and "a-b" with
"c"), of which Helm would let the last win: an error that names both.
dict "of" context "kind" "ConfigMap" "entry" "x"
*/}}
{{- define "sametag.entryname" -}}
{{- $name := print .of.fullname "-" .entry }}
{{- $id := print .kind "/" $name }}
{{- with get .of.root.Sametag.owners $id }}
{{- fail (printf "services.%s and services.%s both make the %s %s: rename one" . $.of.name $.kind $name) }}
{{- end }}
{{- $_ := set .of.root.Sametag.owners $id .of.name }}
{{- if gt (len $name) 63 }}
{{- fail (printf "services.%s: the name of its %s, %s, is longer than 63 characters: shorten it, or namePrefix" .of.name .kind $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* A map whose values Kubernetes wants to be strings, each on a new line. The map */}}
{{- define "sametag.strings" -}}
{{- range $key, $value := . }}
{{ quote $key }}: {{ if kindIs "string" $value }}{{ quote $value }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- end }}
