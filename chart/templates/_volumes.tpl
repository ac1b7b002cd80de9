{{/* The name of the volume of a writable path: short, and no other path has it. The path */}}
{{- define "sametag.writable" -}}
writable-{{ sha256sum . | trunc 8 }}
{{- end }}

{{/* What the main container mounts, as a list at indent 0. The service's context */}}
{{- define "sametag.mounts" -}}
{{- range $path, $_ := .service.writablePaths }}
- name: {{ include "sametag.writable" $path }}
  mountPath: {{ $path | quote }}
{{- end }}
{{- end }}

{{/* The volumes of the pod, as a list at indent 0. The service's context */}}
{{- define "sametag.volumes" -}}
{{- range $path, $volume := .service.writablePaths }}
- name: {{ include "sametag.writable" $path }}
  emptyDir:
    {{- with $volume.medium }}
    medium: {{ . }}
    {{- end }}
    sizeLimit: {{ $volume.sizeLimit | default "64Mi" }}
{{- end }}
{{- end }}
