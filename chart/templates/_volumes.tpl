{{/* The name of the volume of a writable path: short and unique. The path */}}
{{- define "sametag.writable" -}}
writable-{{ sha256sum . | trunc 8 }}
{{- end }}

{{/* The ConfigMap or Secret behind an entry of config or secrets. dict "of" context "entry" its name "files" its map */}}
{{- define "sametag.filesName" -}}
{{ .files.existing | default (print .of.fullname "-" .entry) }}
{{- end }}

{{/* What the main container mounts, as a list, each on a new line. The service's context */}}
{{- define "sametag.mounts" -}}
{{- $seen := dict }}
{{- range $path, $_ := .service.writablePaths }}
{{- template "sametag.mount" (dict "of" $ "seen" $seen "volume" (include "sametag.writable" $path) "path" $path) }}
{{- end }}
{{- range $kind, $entries := dict "config" .service.config "secret" .service.secrets }}
{{- range $entry, $files := $entries }}
{{- if $files.mountPath }}
{{- $volume := print $kind "-" $entry }}
{{- template "sametag.mount" (dict "of" $ "seen" $seen "volume" $volume "path" $files.mountPath "sub" $files.subPath "readOnly" true) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $volume := .service.volumes }}
{{- if $volume.mountPath }}
{{- template "sametag.mount" (dict "of" $ "seen" $seen "volume" $name "path" $volume.mountPath "sub" $volume.subPath "readOnly" $volume.readOnly) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
One mount as a list item; two mounts at one path are rejected.
dict "of" the service's context "seen" path -> volume "volume" its name "path" "/x" "sub" a part of it or nothing "readOnly" or nothing
*/}}
{{- define "sametag.mount" }}
{{- with get .seen .path }}
{{- fail (printf "services.%s mounts two volumes at %s: %s and %s" $.of.name $.path . $.volume) }}
{{- end }}
{{- $_ := set .seen .path .volume }}
- name: {{ .volume | quote }}
  mountPath: {{ .path | quote }}
  {{- if .readOnly }}
  readOnly: true
  {{- end }}
  {{- with .sub }}
  subPath: {{ . | quote }}
  {{- end }}
{{- end }}

{{/* The volumes of the pod, as a list, each on a new line. The service's context */}}
{{- define "sametag.volumes" -}}
{{- range $path, $volume := .service.writablePaths }}
- name: {{ include "sametag.writable" $path | quote }}
  emptyDir:
    {{- with $volume.medium }}
    medium: {{ . }}
    {{- end }}
    sizeLimit: {{ ternary $volume.sizeLimit "64Mi" (hasKey ($volume | default dict) "sizeLimit") }}
{{- end }}
{{- range $entry, $files := .service.config }}
{{- if $files.mountPath }}
- name: {{ print "config-" $entry | quote }}
  configMap:
    name: {{ include "sametag.filesName" (dict "of" $ "entry" $entry "files" $files) | quote }}
{{- end }}
{{- end }}
{{- range $entry, $files := .service.secrets }}
{{- if $files.mountPath }}
- name: {{ print "secret-" $entry | quote }}
  secret:
    secretName: {{ include "sametag.filesName" (dict "of" $ "entry" $entry "files" $files) | quote }}
{{- end }}
{{- end }}
{{- range $name, $volume := .service.volumes }}
{{- if not $volume.claim }}
- name: {{ $name | quote }}
  {{- omit $volume "mountPath" "subPath" "readOnly" | include "sametag.plain" | nindent 2 }}
{{- else if ne $.kind "StatefulSet" }}
- name: {{ $name | quote }}
  persistentVolumeClaim:
    claimName: {{ $.fullname }}-{{ $name }}
{{- end }}
{{- end }}
{{- end }}

{{/*
A digest of what the service reads from its own ConfigMaps and Secrets: with it on the pods, a change of content rolls
the services that use it, and no others. The merged service
*/}}
{{- define "sametag.checksum" -}}
{{- $contents := list }}
{{- range $entries := list .config .secrets }}
{{- range $entry, $files := $entries }}
{{- $contents = append $contents (list $entry $files.data $files.binaryData) }}
{{- end }}
{{- end }}
{{- if or .config .secrets }}{{ toJson $contents | sha256sum }}{{ end }}
{{- end }}

{{/* A text of a ConfigMap, of one line or many, behind its key at indent 2. A scalar */}}
{{- define "sametag.text" -}}
{{- $text := . }}
{{- if not (kindIs "string" .) }}{{ $text = toJson . }}{{ end }}
{{- /* Helm 3 and 4 keep different numbers of empty lines at the end of an object. */}}
{{- if hasSuffix "\n\n" $text }}{{ quote $text }}{{ else }}{{ include "sametag.plain" $text | indent 2 | trimPrefix "  " }}{{ end }}
{{- end }}
