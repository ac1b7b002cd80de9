{{/*
The pod template at indent 4, the same for every kind of workload, its keys in the order of the Kubernetes type. It is
written where Deployments have it: moving the text of a thousand pods to the right takes as long as making it.
The service's context
*/}}
{{- define "sametag.pod" }}
{{- $service := .service }}
{{- $shared := .root.Sametag }}
    metadata:
      labels:
        {{- $shared.podlabels8 }}
        {{- .selector | nindent 8 }}
        {{- with .labels }}
        {{- nindent 8 . }}
        {{- end }}
        {{- with $service.podLabels }}
        {{- include "sametag.strings" . | trim | nindent 8 }}
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
        {{- toYaml . | nindent 8 }}
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
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if or .several $service.affinity $service.topologySpreadConstraints }}
      {{- template "sametag.placement" . }}
      {{- end }}
      {{- with $service.hostAliases }}
      hostAliases:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.dnsPolicy }}
      dnsPolicy: {{ . }}
      {{- end }}
      {{- with $service.dnsConfig }}
      dnsConfig:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $service.initContainers }}
      initContainers:
        {{- range . }}
        {{- template "sametag.helper" (dict "of" $ "container" .) }}
        {{- end }}
      {{- end }}
      containers:
        {{- template "sametag.container" . }}
        {{- range $service.sidecars }}
        {{- template "sametag.helper" (dict "of" $ "container" .) }}
        {{- end }}
      {{- if or $service.writablePaths $service.volumes $service.config $service.secrets }}
      {{- with include "sametag.volumes" . }}
      volumes:
        {{- . | trim | nindent 8 }}
      {{- end }}
      {{- end }}
{{- end }}

{{/*
affinity and topologySpreadConstraints at indent 6: the user's, or where there are several pods a wish (no demand: a
small cluster must do too) that they are on different nodes and in different zones. The service's context
*/}}
{{- define "sametag.placement" }}
{{- $service := .service }}
{{- if hasKey $service "affinity" }}
      {{- with $service.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
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
        - {{ omit . "labelSelector" | toYaml | indent 10 | trim }}
          labelSelector:
            {{- if .labelSelector }}
            {{- toYaml .labelSelector | nindent 12 }}
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
minReadySeconds at indent 2: the user's, or where no readiness probe says that a pod works, long enough to see one that
crashes: else it would have replaced its predecessor by then. The service's context
*/}}
{{- define "sametag.minready" }}
{{- $service := .service }}
{{- $probes := $service.probes | default dict }}
{{- if hasKey $service "minReadySeconds" }}
  minReadySeconds: {{ int $service.minReadySeconds }}
{{- else if not (or $probes.port $probes.readiness) }}
  {{- /* The API server wants it below the other. */}}
  minReadySeconds: {{ min 10 (sub (int ($service.progressDeadlineSeconds | default 600)) 1) }}
{{- end }}
{{- end }}
