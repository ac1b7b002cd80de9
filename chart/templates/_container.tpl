{{/*
The main container of a service as a list item at indent 8, its keys in the order of the Kubernetes type.
The service's context
*/}}
{{- define "sametag.container" }}
{{- $service := .service }}
{{- $shared := .root.Sametag }}
        - name: {{ .name | quote }}
          image: {{ $shared.reference | quote }}
          imagePullPolicy: {{ $shared.image.pullPolicy | default "Always" }}
          {{- with $service.command }}
          command:
            {{- range . }}
            - {{ quote . }}
            {{- end }}
          {{- end }}
          {{- with $service.args }}
          args:
            {{- include "sametag.plain" . | nindent 12 }}
          {{- end }}
          {{- with $service.workingDir }}
          workingDir: {{ . | quote }}
          {{- end }}
          {{- with $service.ports }}
          ports:
            {{- range $name, $port := . }}
            - name: {{ $name | quote }}
              containerPort: {{ int $port.containerPort }}
              {{- with $port.hostPort }}
              hostPort: {{ int . }}
              {{- end }}
              protocol: {{ $port.protocol | default "TCP" }}
            {{- end }}
          {{- end }}
          {{- if or $service.envFrom $service.config $service.secrets }}
          {{- template "sametag.envFrom" . }}
          {{- end }}
          {{- if $service.env }}
          env:
            {{- include "sametag.env" (dict "of" . "path" (printf "services.%s.env" .name) "env" $service.env "envFrom" (or $service.envFrom $service.config $service.secrets)) | trim | nindent 12 }}
          {{- end }}
          {{- if $service.resources }}
          resources:
            {{- template "sametag.yaml" (dict "of" . "key" "resources" "indent" 12) }}
          {{- end }}
          {{- if or $service.writablePaths $service.volumes $service.config $service.secrets }}
          {{- with include "sametag.mounts" . }}
          volumeMounts:
            {{- . | trim | nindent 12 }}
          {{- end }}
          {{- end }}
          {{- if $service.probes }}
          {{- include "sametag.probes" $service.probes | trim | nindent 10 }}
          {{- end }}
          {{- if or $service.lifecycle $service.ports }}
          {{- template "sametag.lifecycle" . }}
          {{- end }}
          {{- if $service.securityContext }}
          securityContext:
            {{- template "sametag.yaml" (dict "of" . "key" "securityContext" "indent" 12) }}
          {{- end }}
{{- end }}

{{/*
An init container or a sidecar as a list item at indent 8: as in Kubernetes, except that env may be a map, and that the
image defaults to the one image. dict "of" the service's context "path" of its setting "container" map
*/}}
{{- define "sametag.helper" }}
{{- $container := .container }}
{{- $shared := .of.root.Sametag }}
        - name: {{ $container.name | quote }}
          image: {{ $container.image | default $shared.reference | quote }}
          {{- if not (or $container.image $container.imagePullPolicy) }}
          imagePullPolicy: {{ $shared.image.pullPolicy | default "Always" }}
          {{- end }}
          {{- with omit $container "name" "image" "env" "resources" "securityContext" }}
          {{- include "sametag.plain" . | nindent 10 }}
          {{- end }}
          {{- if $container.env }}
          env:
            {{- include "sametag.env" (dict "of" .of "path" (print .path ".env") "env" $container.env "envFrom" $container.envFrom) | trim | nindent 12 }}
          {{- end }}
          {{- with $container.resources | default $shared.defaults.resources }}
          resources:
            {{- include "sametag.plain" . | nindent 12 }}
          {{- end }}
          {{- $security := omit ($shared.defaults.securityContext | default dict) "" }}
          {{- template "sametag.merge" (dict "into" $security "over" $container.securityContext) }}
          {{- with $security }}
          securityContext:
            {{- include "sametag.plain" . | nindent 12 }}
          {{- end }}
{{- end }}

{{/* envFrom at indent 10: config and secrets with env: true, then the user's own. The service's context */}}
{{- define "sametag.envFrom" }}
{{- $sources := list }}
{{- range $key, $field := dict "config" "configMapRef" "secrets" "secretRef" }}
{{- range $entry, $files := get $.service $key | default dict }}
{{- if $files.env }}
{{- $name := include "sametag.filesName" (dict "of" $ "entry" $entry "files" $files) }}
{{- $sources = append $sources (dict $field (dict "name" $name)) }}
{{- end }}
{{- end }}
{{- end }}
{{- with concat $sources (.service.envFrom | default list) }}
          envFrom:
            {{- include "sametag.plain" . | nindent 12 }}
{{- end }}
{{- end }}

{{/*
Environment variables as a list, each on a new line. A list is written as it is. A map has no order, but $(NAME) refers
to variables before it: variables that contain $( come last, each after those that it uses.
dict "of" the service's context "path" of the setting "env" map or list "envFrom" whether envFrom has others
*/}}
{{- define "sametag.env" -}}
{{- if kindIs "slice" .env }}
{{- range .env }}
- name: {{ .name | quote }}
  {{- if .valueFrom }}
  valueFrom:
    {{- include "sametag.plain" .valueFrom | nindent 4 }}
  {{- else if not (kindIs "invalid" .value) }}
  value: {{ ternary .value (toJson .value) (kindIs "string" .value) | quote }}
  {{- end }}
{{- end }}
{{- else }}
{{- $last := dict }}
{{- range $name, $value := .env }}
{{- if kindIs "map" $value }}
{{- template "sametag.reference" (dict "of" $.of "name" $name "value" $value) }}
{{- else if not (kindIs "string" $value) }}
- name: {{ $name | quote }}
  value: {{ toJson $value | quote }}
{{- else if contains "$(" $value }}
{{- $_ := set $last $name $value }}
{{- else }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
{{- $state := dict }}
{{- range $name, $_ := $last }}
{{- template "sametag.ordered" (dict "path" $.path "name" $name "last" $last "state" $state "envFrom" $.envFrom "chain" list) }}
{{- end }}
{{- end }}
{{- end }}

{{/*
One variable after those that it uses. Kubernetes reads $$ as one $, so that $$(NAME) is not a reference.
dict "path" of the setting "name" "X" "last" name -> value "state" name -> whether it is written
"envFrom" whether $(X) in X may mean the X from elsewhere "chain" the names that led here
*/}}
{{- define "sametag.ordered" }}
{{- if not (hasKey .state .name) }}
{{- $_ := set .state .name false }}
{{- $chain := append .chain .name }}
{{- range rest (splitList "$(" (replace "$$" " " (get .last .name))) }}
{{- $used := splitList ")" . | first }}
{{- if and (ne $used .) (hasKey $.last $used) (not (get $.state $used)) }}
{{- if not (hasKey $.state $used) }}
{{- template "sametag.ordered" (dict "path" $.path "name" $used "last" $.last "state" $.state "envFrom" $.envFrom "chain" $chain) }}
{{- else if not (and $.envFrom (eq $used $.name)) }}
{{- $circle := list }}
{{- range append $chain $used }}{{ if or $circle (eq . $used) }}{{ $circle = append $circle . }}{{ end }}{{ end }}
{{- fail (printf "%s.%s refers to itself: %s" $.path $used (join " -> " $circle)) }}
{{- end }}
{{- end }}
{{- end }}
{{- $_ := set .state .name true }}
- name: {{ .name | quote }}
  value: {{ get .last .name | quote }}
{{- end }}
{{- end }}

{{/*
An environment variable with a reference. The name of an entry in the service's config or secrets refers to that entry. dict "of" the service's context "name" "X" "value" map
*/}}
{{- define "sametag.reference" }}
- name: {{ .name | quote }}
  valueFrom:
  {{- if .value.valueFrom }}
    {{- include "sametag.plain" .value.valueFrom | nindent 4 }}
  {{- else if .value.field }}
    fieldRef:
      fieldPath: {{ .value.field | quote }}
  {{- else }}
    {{- $entry := .value.secret | default .value.configMap }}
    {{- $files := get (get .of.service (ternary "secrets" "config" (hasKey .value "secret")) | default dict) $entry }}
    {{ ternary "secretKeyRef" "configMapKeyRef" (hasKey .value "secret") }}:
      {{- if $files }}
      name: {{ include "sametag.filesName" (dict "of" .of "entry" $entry "files" $files) | quote }}
      {{- else }}
      name: {{ $entry | quote }}
      {{- end }}
      key: {{ .value.key | quote }}
      {{- if hasKey .value "optional" }}
      optional: {{ .value.optional }}
      {{- end }}
  {{- end }}
{{- end }}

{{/*
The three probes. Short form: port, path, readinessPath; an HTTP GET if there is a path, else a TCP connection. A full
Kubernetes Probe in liveness, readiness or startup replaces that of the short form. The probes
*/}}
{{- define "sametag.probes" -}}
{{- if or .liveness .port }}
livenessProbe:
  {{- if .liveness }}{{ include "sametag.plain" .liveness | nindent 2 }}
  {{- else }}
  {{- template "sametag.handler" (dict "port" .port "path" .path) }}
  timeoutSeconds: 3
  periodSeconds: 10
  failureThreshold: 3
  {{- end }}
{{- end }}
{{- if or .readiness .port }}
readinessProbe:
  {{- if .readiness }}{{ include "sametag.plain" .readiness | nindent 2 }}
  {{- else }}
  {{- template "sametag.handler" (dict "port" .port "path" (.readinessPath | default .path)) }}
  timeoutSeconds: 3
  periodSeconds: 5
  failureThreshold: 3
  {{- end }}
{{- end }}
{{- if or .startup .port }}
startupProbe:
  {{- if .startup }}{{ include "sametag.plain" .startup | nindent 2 }}
  {{- else }}
  {{- template "sametag.handler" (dict "port" .port "path" .path) }}
  timeoutSeconds: 3
  periodSeconds: 1
  failureThreshold: 120
  {{- end }}
{{- end }}
{{- end }}

{{/* The handler of a probe, at indent 2. dict "port" name or number "path" "/x" or nothing */}}
{{- define "sametag.handler" }}
  {{- if .path }}
  httpGet:
    path: {{ .path | quote }}
    port: {{ toJson .port }}
  {{- else }}
  tcpSocket:
    port: {{ toJson .port }}
  {{- end }}
{{- end }}

{{/*
lifecycle at indent 10: the user's, and, for a pod with ports, a delay before it stops: clients send requests until they
know that it stops. The service's context
*/}}
{{- define "sametag.lifecycle" }}
{{- $hooks := .service.lifecycle | default dict }}
{{- $delay := int .service.preStopDelaySeconds }}
{{- $delayed := and .serves .service.ports (gt $delay 0) (not $hooks.preStop) }}
{{- if or $hooks $delayed }}
          lifecycle:
            {{- with $hooks }}
            {{- include "sametag.plain" . | nindent 12 }}
            {{- end }}
            {{- if $delayed }}
            preStop:
              sleep:
                seconds: {{ $delay }}
            {{- end }}
{{- end }}
{{- end }}
