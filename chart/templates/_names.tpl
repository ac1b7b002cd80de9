{{/* What stands before a service's name in the names of its objects: namePrefix, or "<release>-". $ */}}
{{- define "sametag.prefix" -}}
{{- if kindIs "string" .Values.namePrefix }}{{ .Values.namePrefix }}{{ else }}{{ .Release.Name }}-{{ end }}
{{- end }}

{{/*
The labels of every object, but for the selector's: name (the application: the image's last word), version (the tag),
managed-by, chart, and the user's own. Tags may end in a way that labels may not. $
*/}}
{{- define "sametag.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "sametag.podlabels" . }}
{{- end }}

{{/* The labels of pods, but for the selector's: none that changes when only the chart does, so that no pod restarts. $ */}}
{{- define "sametag.podlabels" -}}
{{- $image := .Values.image | default dict -}}
app.kubernetes.io/name: {{ (base (default .Chart.Name $image.repository)) | trunc 63 | trimAll "-_." | quote }}
{{- with $image.tag | default "" | toString | trunc 63 | trimAll "-_." }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
{{- end }}

{{/* The metadata of an object at indent 0. dict "of" context "kind" "Service" "name" "x" "annotations" map */}}
{{- define "sametag.metadata" -}}
{{- $id := print .kind "/" .name }}
{{- with get .of.root.Sametag.owners $id }}
{{- fail (printf "services.%s and services.%s both make the %s %s: rename one" . $.of.name $.kind $.name) }}
{{- end }}
{{- $_ := set .of.root.Sametag.owners $id .of.name -}}
name: {{ .name }}
namespace: {{ .of.root.Release.Namespace }}
labels:
  {{- .of.labels | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- include "sametag.strings" . | trim | nindent 2 }}
{{- end }}
{{- end }}

{{/* A map whose values Kubernetes wants to be strings: numbers and booleans are quoted. The map */}}
{{- define "sametag.strings" -}}
{{- range $key, $value := . }}
{{ $key | quote }}: {{ include "sametag.string" $value }}
{{- end }}
{{- end }}

{{/* A scalar as a quoted string. JSON keeps a whole number whole: 1000000, not 1e+06. */}}
{{- define "sametag.string" -}}
{{- if kindIs "string" . }}{{ quote . }}{{ else }}{{ toJson . | quote }}{{ end }}
{{- end }}
