{{/* The main container of a service at indent 0, its keys in the order of the Kubernetes type. The service's context */}}
{{- define "sametag.container" -}}
{{- $service := .service -}}
name: {{ .name }}
image: {{ .image | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy | default "Always" }}
{{- with $service.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.args }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.workingDir }}
workingDir: {{ . | quote }}
{{- end }}
{{- with $service.ports }}
ports:
  {{- range $name, $port := . }}
  - name: {{ $name }}
    containerPort: {{ int $port.containerPort }}
    {{- with $port.hostPort }}
    hostPort: {{ int . }}
    {{- end }}
    protocol: {{ $port.protocol | default "TCP" }}
  {{- end }}
{{- end }}
{{- with $service.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $service.env }}
env:
  {{- include "sametag.env" . | trim | nindent 2 }}
{{- end }}
{{- with $service.resources }}
resources:
  {{- include "sametag.yaml" (dict "root" $.root "value" .) | nindent 2 }}
{{- end }}
{{- if $service.writablePaths }}
volumeMounts:
  {{- include "sametag.mounts" . | trim | nindent 2 }}
{{- end }}
{{- with $service.probes }}
{{- include "sametag.probes" . }}
{{- end }}
{{- include "sametag.lifecycle" $service }}
{{- with $service.securityContext }}
securityContext:
  {{- include "sametag.yaml" (dict "root" $.root "value" .) | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Environment variables as a list at indent 0. A variable may use those before it as $(NAME), and a map has no order:
those that contain $( come last. A map of name -> scalar, {secret, key}, {configMap, key}, {field} or {valueFrom}
*/}}
{{- define "sametag.env" -}}
{{- $last := dict }}
{{- range $name, $value := . }}
{{- if and (kindIs "string" $value) (contains "$(" $value) }}{{ $_ := set $last $name $value }}
{{- else }}
{{ include "sametag.variable" (dict "name" $name "value" $value) }}
{{- end }}
{{- end }}
{{- range $name, $value := $last }}
{{ include "sametag.variable" (dict "name" $name "value" $value) }}
{{- end }}
{{- end }}

{{/* One environment variable. dict "name" "X" "value" scalar or map */}}
{{- define "sametag.variable" -}}
- name: {{ .name | quote }}
{{- if not (kindIs "map" .value) }}
  value: {{ include "sametag.string" .value }}
{{- else if .value.valueFrom }}
  valueFrom:
    {{- toYaml .value.valueFrom | nindent 4 }}
{{- else if .value.field }}
  valueFrom:
    fieldRef:
      fieldPath: {{ .value.field | quote }}
{{- else }}
  valueFrom:
    {{- if .value.secret }}
    secretKeyRef:
      name: {{ .value.secret | quote }}
    {{- else }}
    configMapKeyRef:
      name: {{ .value.configMap | quote }}
    {{- end }}
      key: {{ .value.key | quote }}
      {{- if hasKey .value "optional" }}
      optional: {{ .value.optional }}
      {{- end }}
{{- end }}
{{- end }}

{{/*
The three probes. Short form: port, path, readinessPath; with a path an HTTP GET, else a TCP connect. A full Probe of
Kubernetes in liveness, readiness or startup stands in the place of the one that the short form would make. The probes
*/}}
{{- define "sametag.probes" -}}
{{- if or .liveness .port }}
livenessProbe:
  {{- if .liveness }}{{ toYaml .liveness | nindent 2 }}
  {{- else }}
  {{- include "sametag.handler" (dict "port" .port "path" .path) | nindent 2 }}
  timeoutSeconds: 3
  periodSeconds: 10
  failureThreshold: 3
  {{- end }}
{{- end }}
{{- if or .readiness .port }}
readinessProbe:
  {{- if .readiness }}{{ toYaml .readiness | nindent 2 }}
  {{- else }}
  {{- include "sametag.handler" (dict "port" .port "path" (.readinessPath | default .path)) | nindent 2 }}
  timeoutSeconds: 3
  periodSeconds: 5
  failureThreshold: 3
  {{- end }}
{{- end }}
{{- if or .startup .port }}
startupProbe:
  {{- if .startup }}{{ toYaml .startup | nindent 2 }}
  {{- else }}
  {{- include "sametag.handler" (dict "port" .port "path" .path) | nindent 2 }}
  timeoutSeconds: 3
  periodSeconds: 1
  failureThreshold: 120
  {{- end }}
{{- end }}
{{- end }}

{{/* What a probe asks. dict "port" name or number "path" "/x" or nothing */}}
{{- define "sametag.handler" -}}
{{- if .path -}}
httpGet:
  path: {{ .path | quote }}
  port: {{ .port }}
{{- else -}}
tcpSocket:
  port: {{ .port }}
{{- end }}
{{- end }}

{{/*
lifecycle: the user's, with a preStop delay where the service has ports: a pod that stops at once is still sent requests
by those who have not heard of it yet. The merged service
*/}}
{{- define "sametag.lifecycle" -}}
{{- $hooks := .lifecycle | default dict }}
{{- $delay := int .preStopDelaySeconds }}
{{- if and .ports (gt $delay 0) (not $hooks.preStop) }}
{{- $hooks = omit $hooks "preStop" }}
{{- $_ := set $hooks "preStop" (dict "sleep" (dict "seconds" $delay)) }}
{{- end }}
{{- with $hooks }}
lifecycle:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
