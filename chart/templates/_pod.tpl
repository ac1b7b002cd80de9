{{/*
The pod template at indent 4, the same for every kind of workload, with its keys in the order of the Kubernetes type. It
has the indent of a Deployment's: indenting the text of a thousand pods takes as long as rendering it.
The service's context
*/}}
{{- define "sametag.pod" }}
{{- $service := .service }}
{{- $shared := .root.Sametag }}
    metadata:
      labels:
        {{- if or .labels $service.podLabels }}
        {{- template "sametag.podown" (dict "root" .root "selector" .selector "labels" $service.labels "podLabels" $service.podLabels) }}
        {{- else }}
        {{- $shared.podlabels8 }}
        {{- .selector | nindent 8 }}
        {{- end }}
      {{- if or $service.podAnnotations $service.config $service.secrets }}
      annotations:
        {{- with include "sametag.checksum" $service }}
        checksum/config: {{ . }}
        {{- end }}
        {{- with $service.podAnnotations }}
        {{- include "sametag.strings" . | trim | nindent 8 }}
        {{- end }}
      {{- end }}
    spec:
      {{- with $service.priorityClassName }}
      priorityClassName: {{ . | quote }}
      {{- end }}
      {{- with $service.runtimeClassName }}
      runtimeClassName: {{ . | quote }}
      {{- end }}
      {{- with .account }}
      serviceAccountName: {{ . | quote }}
      {{- end }}
      automountServiceAccountToken: {{ .token }}
      enableServiceLinks: false
      {{- with $shared.image.pullSecrets }}
      imagePullSecrets:
        {{- include "sametag.plain" . | nindent 8 }}
      {{- end }}
      {{- if not .serves }}
      restartPolicy: {{ $service.restartPolicy | default "Never" }}
      {{- end }}
      {{- if $service.podSecurityContext }}
      securityContext:
        {{- template "sametag.yaml" (dict "of" $ "key" "podSecurityContext" "indent" 8) }}
      {{- end }}
      {{- if hasKey $service "terminationGracePeriodSeconds" }}
      terminationGracePeriodSeconds: {{ int $service.terminationGracePeriodSeconds }}
      {{- end }}
      {{- with $service.nodeSelector }}
      nodeSelector:
        {{- include "sametag.strings" . | trim | nindent 8 }}
      {{- end }}
      {{- with $service.tolerations }}
      tolerations:
        {{- include "sametag.plain" . | nindent 8 }}
      {{- end }}
      {{- if or .several $service.affinity $service.topologySpreadConstraints }}
      {{- template "sametag.placement" . }}
      {{- end }}
      {{- with $service.hostAliases }}
      hostAliases:
        {{- include "sametag.plain" . | nindent 8 }}
      {{- end }}
      {{- with $service.dnsPolicy }}
      dnsPolicy: {{ . }}
      {{- end }}
      {{- with $service.dnsConfig }}
      dnsConfig:
        {{- include "sametag.plain" . | nindent 8 }}
      {{- end }}
      {{- with $service.initContainers }}
      initContainers:
        {{- range $index, $container := . }}
        {{- template "sametag.helper" (dict "of" $ "path" (printf "services.%s.initContainers[%d]" $.name $index) "container" .) }}
        {{- end }}
      {{- end }}
      containers:
        {{- template "sametag.container" . }}
        {{- range $index, $container := $service.sidecars }}
        {{- template "sametag.helper" (dict "of" $ "path" (printf "services.%s.sidecars[%d]" $.name $index) "container" .) }}
        {{- end }}
      {{- if or $service.writablePaths $service.volumes $service.config $service.secrets }}
      {{- with include "sametag.volumes" . }}
      volumes:
        {{- . | trim | nindent 8 }}
      {{- end }}
      {{- end }}
{{- end }}

{{/*
The labels of a pod at indent 8, if the user sets any: podLabels override labels, and both override the chart's.
dict "root" $ "selector" YAML "labels" and "podLabels" maps
*/}}
{{- define "sametag.podown" }}
{{- $labels := dict }}
{{- template "sametag.merge" (dict "into" $labels "over" (.labels | default dict)) }}
{{- template "sametag.merge" (dict "into" $labels "over" (.podLabels | default dict)) }}
{{- with include "sametag.without" (dict "text" .root.Sametag.podlabels "over" $labels) }}
        {{- trim . | nindent 8 }}
{{- end }}
        {{- .selector | nindent 8 }}
{{- with $labels }}
        {{- include "sametag.strings" . | trim | nindent 8 }}
{{- end }}
{{- end }}

{{/*
affinity and topologySpreadConstraints at indent 6: the user's, or, for several pods, a preference for different nodes
and zones (not a requirement, so that a small cluster works too). The service's context
*/}}
{{- define "sametag.placement" }}
{{- $service := .service }}
{{- if hasKey $service "affinity" }}
      {{- with $service.affinity }}
      affinity:
        {{- include "sametag.plain" . | nindent 8 }}
      {{- end }}
{{- else if .several }}
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                labelSelector:
                  matchLabels:
                    {{- .selector | nindent 20 }}
                topologyKey: kubernetes.io/hostname
{{- end }}
{{- if hasKey $service "topologySpreadConstraints" }}
      {{- with $service.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- range . }}
        - {{ omit . "labelSelector" | include "sametag.plain" | indent 10 | trim }}
          labelSelector:
            {{- if .labelSelector }}
            {{- include "sametag.plain" .labelSelector | nindent 12 }}
            {{- else }}
            matchLabels:
              {{- $.selector | nindent 14 }}
            {{- end }}
        {{- end }}
      {{- end }}
{{- else if .several }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- $.selector | nindent 14 }}
          {{- if eq $.kind "Deployment" }}
          # Only the newest pods count: those of the revision before are about to go.
          matchLabelKeys: [pod-template-hash]
          {{- end }}
        {{- end }}
{{- end }}
{{- end }}

{{/*
minReadySeconds at indent 2: the user's, or without a readiness probe, long enough to see one that
crashes: else it would have replaced its predecessor by then. The service's context
*/}}
{{- define "sametag.minready" }}
{{- $service := .service }}
{{- $probes := $service.probes | default dict }}
{{- if hasKey $service "minReadySeconds" }}
  minReadySeconds: {{ int $service.minReadySeconds }}
{{- else if not (or $probes.port $probes.readiness) }}
  {{- /* The API server requires it to be below progressDeadlineSeconds. */}}
  minReadySeconds: {{ min 10 (sub (int ($service.progressDeadlineSeconds | default 600)) 1) }}
{{- end }}
{{- end }}

{{/*
progressDeadlineSeconds: the service's own, or the one of `defaults`, and a minute more than the longest start that the
probes allow where that is later. The service's context
*/}}
{{- define "sametag.deadline" -}}
{{- $deadline := int .service.progressDeadlineSeconds }}
{{- if not (hasKey .own "progressDeadlineSeconds") }}
{{- $probes := .service.probes | default dict }}
{{- $longest := max (include "sametag.longest" $probes.startup | int) (int ($probes.readiness | default dict).initialDelaySeconds) }}
{{- range .service.sidecars }}
{{- $longest = max $longest (include "sametag.longest" .startupProbe | int) (int (.readinessProbe | default dict).initialDelaySeconds) }}
{{- end }}
{{- range .service.initContainers }}
{{- $longest = add $longest (include "sametag.longest" .startupProbe | int) }}
{{- end }}
{{- if gt (int $longest) 0 }}{{ $deadline = max $deadline (add $longest 60) }}{{ end }}
{{- end }}
{{- $deadline }}
{{- end }}

{{/* How many seconds a startup probe allows; nothing without one. The probe */}}
{{- define "sametag.longest" -}}
{{- if . }}{{ add (int .initialDelaySeconds) (mul (int (.periodSeconds | default 10)) (int (.failureThreshold | default 3))) }}{{ end }}
{{- end }}
