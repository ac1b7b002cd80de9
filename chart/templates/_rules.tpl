{{/*
Rules of one service that a schema cannot say, in the words of `sametag validate`, which knows more of them and the line.
Each is asked only where a service has the settings that it is about. The service's context
*/}}
{{- define "sametag.rules" -}}
{{- $service := .service }}
{{- if or $service.ports $service.probes $service.volumes $service.env .scaled $service.ingress $service.route }}
{{- template "sametag.rules.whole" . }}
{{- end }}
{{- if $service.ports }}{{ template "sametag.rules.ports" . }}{{ end }}
{{- if or $service.probes $service.lifecycle }}{{ template "sametag.rules.probes" . }}{{ end }}
{{- if or $service.ingress $service.route (hasKey $service "monitor") }}{{ template "sametag.rules.outside" . }}{{ end }}
{{- if or $service.initContainers $service.sidecars }}{{ template "sametag.rules.containers" . }}{{ end }}
{{- if and $service.volumes (or $service.config $service.secrets) }}{{ template "sametag.rules.volumes" . }}{{ end }}
{{- if or $service.labels $service.podLabels $service.annotations $service.podAnnotations $service.service $service.ingress $service.route $service.monitor $service.serviceAccount }}
{{- template "sametag.rules.labels" . }}
{{- end }}
{{- if or .scaled $service.podDisruptionBudget }}{{ template "sametag.rules.scaling" . }}{{ end }}
{{- if $service.strategy }}{{ template "sametag.rules.strategy" . }}{{ end }}
{{- if or (ne .kind "Deployment") .hook $service.statefulSet $service.cronJob $service.job $service.restartPolicy }}
{{- template "sametag.rules.kind" . }}
{{- end }}
{{- if and $service.minReadySeconds $service.progressDeadlineSeconds (eq .kind "Deployment") (le (int $service.progressDeadlineSeconds) (int $service.minReadySeconds)) }}
{{- fail (printf "services.%s.minReadySeconds must be below progressDeadlineSeconds (%d), got %d" .name (int $service.progressDeadlineSeconds) (int $service.minReadySeconds)) }}
{{- end }}
{{- end }}

{{/* Ports that are one, settings of a Service that its type does not know, and the delay before the stop */}}
{{- define "sametag.rules.ports" -}}
{{- $service := .service }}
{{- $path := print "services." .name }}
{{- $settings := $service.service | default dict }}
{{- $type := $settings.type | default "ClusterIP" }}
{{- $served := and .serves (ne (toString $settings.enabled) "false") }}
{{- if gt (len $service.ports) 1 }}
{{- $seen := dict }}
{{- range $name, $port := $service.ports }}
{{- range $field, $of := dict "containerPort" "of the container" "nodePort" "of every node" }}
{{- if get $port $field }}
{{- $number := printf "%d/%s" (int (get $port $field)) ($port.protocol | default "TCP") }}
{{- with get $seen (print $of $number) }}
{{- fail (printf "%s.ports: %s and %s both use port %s %s: use a different port for one of them" $path . $name $number $of) }}
{{- end }}
{{- $_ := set $seen (print $of $number) $name }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $served (eq $type "ClusterIP") }}
{{- range $name, $port := $service.ports }}
{{- if .nodePort }}
{{- fail (printf "%s.ports.%s.nodePort only applies to a NodePort or LoadBalancer; this Service is a ClusterIP: set service.type" $path $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $served $settings }}
{{- if and $settings.headless (ne $type "ClusterIP") }}
{{- fail (printf "%s.service.headless only applies to a ClusterIP; this Service is a %s" $path $type) }}
{{- end }}
{{- if and $settings.externalTrafficPolicy (eq $type "ClusterIP") }}
{{- fail (printf "%s.service.externalTrafficPolicy only applies to a NodePort or LoadBalancer; this Service is a ClusterIP: set service.type" $path) }}
{{- end }}
{{- range $key := list "allocateLoadBalancerNodePorts" "loadBalancerClass" "loadBalancerSourceRanges" }}
{{- if and (hasKey $settings $key) (ne $type "LoadBalancer") }}
{{- fail (printf "%s.service.%s only applies to a LoadBalancer; this Service is a %s" $path $key $type) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and .serves (not ($service.lifecycle | default dict).preStop) }}
{{- $delay := int $service.preStopDelaySeconds }}
{{- $grace := ternary (int $service.terminationGracePeriodSeconds) 30 (hasKey $service "terminationGracePeriodSeconds") }}
{{- if gt $delay $grace }}
{{- if and (hasKey .own "terminationGracePeriodSeconds") (not (hasKey .own "preStopDelaySeconds")) }}
{{- fail (printf "%s.terminationGracePeriodSeconds must not be below preStopDelaySeconds (%d), got %d" $path $delay $grace) }}
{{- end }}
{{- fail (printf "%s.preStopDelaySeconds must not exceed terminationGracePeriodSeconds (%d), got %d" $path $grace $delay) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Ports that the main container's probes and hooks ask */}}
{{- define "sametag.rules.probes" -}}
{{- $path := print "services." .name }}
{{- $ports := .service.ports | default dict }}
{{- $probes := .service.probes | default dict }}
{{- if and (kindIs "string" $probes.port) (not (hasKey $ports $probes.port)) }}
{{- fail (printf "%s.probes.port refers to unknown port %s (ports: %s)" $path $probes.port (keys $ports | sortAlpha | join ", " | default "none")) }}
{{- end }}
{{- if or $probes.liveness $probes.readiness $probes.startup }}
{{- template "sametag.rules.asked" (dict "path" (print $path ".probes") "of" $probes "keys" (list "liveness" "readiness" "startup") "names" (keys $ports | sortAlpha)) }}
{{- end }}
{{- with .service.lifecycle }}
{{- template "sametag.rules.asked" (dict "path" (print $path ".lifecycle") "of" . "keys" (list "preStop" "postStart") "names" (keys $ports | sortAlpha)) }}
{{- end }}
{{- end }}

{{/* A port that is asked by name is one of the container's. dict "path" "x" "of" map "keys" those of probes "names" of ports */}}
{{- define "sametag.rules.asked" -}}
{{- range $key := .keys }}
{{- range $how := list "httpGet" "tcpSocket" }}
{{- $asked := get (get $.of $key | default dict) $how | default dict }}
{{- if and (kindIs "string" $asked.port) (not $asked.host) (not (has $asked.port $.names)) }}
{{- fail (printf "%s.%s.%s.port refers to unknown port %s (ports: %s)" $.path $key $how $asked.port (join ", " $.names | default "none")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* What leads to a service from outside, or looks at it */}}
{{- define "sametag.rules.outside" -}}
{{- $path := print "services." .name }}
{{- $ports := .service.ports | default dict }}
{{- $served := and .serves (ne (toString (.service.service | default dict).enabled) "false") }}
{{- range $key := list "ingress" "route" "monitor" }}
{{- if hasKey $.service $key }}
{{- if not $ports }}
{{- fail (printf "%s has %s but no ports" $path $key) }}
{{- end }}
{{- if and (ne $key "monitor") (not $served) }}
{{- fail (printf "%s has %s but no Service to route to" $path $key) }}
{{- end }}
{{- $known := list "" }}
{{- range $name, $port := $ports }}{{ $known = append $known $name }}{{ $known = append $known (toString (int ($port.port | default $port.containerPort))) }}{{ end }}
{{- $port := (get $.service $key | default dict).port | default "" }}
{{- $port = kindIs "string" $port | ternary $port (toString (int $port)) }}
{{- if not (has $port $known) }}
{{- fail (printf "%s.%s.port refers to unknown port %s (ports: %s)" $path $key $port (keys $ports | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Init containers and sidecars: names, mounts, and what they ask */}}
{{- define "sametag.rules.containers" -}}
{{- $service := .service }}
{{- $volumes := keys ($service.volumes | default dict) }}
{{- range $path, $_ := $service.writablePaths }}{{ $volumes = append $volumes (include "sametag.writable" $path) }}{{ end }}
{{- range $prefix, $entries := dict "config" $service.config "secret" $service.secrets }}
{{- range $entry, $files := $entries }}
{{- if $files.mountPath }}{{ $volumes = append $volumes (print $prefix "-" $entry) }}{{ end }}
{{- end }}
{{- end }}
{{- $names := list .name }}
{{- range $setting := list "initContainers" "sidecars" }}
{{- range $index, $container := get $service $setting | default list }}
{{- $path := printf "services.%s.%s[%d]" $.name $setting $index }}
{{- if has .name $names }}
{{- fail (printf "%s.name duplicates the name of another container in the pod" $path) }}
{{- end }}
{{- $names = append $names .name }}
{{- if and (eq $setting "initContainers") (ne (toString .restartPolicy) "Always") }}
{{- range $key := list "livenessProbe" "readinessProbe" "startupProbe" "lifecycle" }}
{{- if get $container $key }}
{{- fail (printf "%s.%s only applies to containers that keep running: remove it, or set restartPolicy: Always" $path $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $mounts := list "volumeMounts" "volumeDevices" }}
{{- range $at, $mount := get $container $mounts | default list }}
{{- if not (has .name $volumes) }}
{{- fail (printf "%s.%s[%d].name refers to unknown volume %s (volumes: %s)" $path $mounts $at .name (sortAlpha $volumes | join ", " | default "none")) }}
{{- end }}
{{- end }}
{{- end }}
{{- $ports := list }}
{{- range .ports }}{{ with .name }}{{ $ports = append $ports . }}{{ end }}{{ end }}
{{- template "sametag.rules.asked" (dict "path" $path "of" $container "keys" (list "livenessProbe" "readinessProbe" "startupProbe") "names" (sortAlpha $ports)) }}
{{- template "sametag.rules.asked" (dict "path" (print $path ".lifecycle") "of" (.lifecycle | default dict) "keys" (list "preStop" "postStart") "names" (sortAlpha $ports)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* A volume that is called like the one of a config or secret */}}
{{- define "sametag.rules.volumes" -}}
{{- range $setting, $prefix := dict "config" "config-" "secrets" "secret-" }}
{{- range $entry, $files := get $.service $setting | default dict }}
{{- if and .mountPath (hasKey $.service.volumes (print $prefix $entry)) }}
{{- fail (printf "services.%s.volumes.%s%s has the same name as the volume of %s.%s: rename it" $.name $prefix $entry $setting $entry) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Labels and annotations that are the chart's or Helm's own */}}
{{- define "sametag.rules.labels" -}}
{{- $service := .service }}
{{- $path := print "services." .name }}
{{- $monitor := $service.monitor | default dict }}
{{- range $setting, $labels := dict "labels" $service.labels "podLabels" $service.podLabels "monitor.labels" $monitor.labels }}
{{- range $label := list "app.kubernetes.io/instance" "app.kubernetes.io/component" }}
{{- if hasKey ($labels | default dict) $label }}
{{- fail (printf "%s.%s.%s is set by the chart to select the pods: remove it" $path $setting (replace "." "\\." $label)) }}
{{- end }}
{{- end }}
{{- if and (hasKey ($labels | default dict) "app.kubernetes.io/managed-by") (ne $setting "podLabels") }}
{{- fail (printf "%s.%s.app\\.kubernetes\\.io/managed-by is set by Helm on every object: remove it" $path $setting) }}
{{- end }}
{{- end }}
{{- range $setting, $of := dict "annotations" $service "service.annotations" $service.service "ingress.annotations" $service.ingress
    "route.annotations" $service.route "serviceAccount.annotations" $service.serviceAccount }}
{{- range $annotation := list "helm.sh/hook" "helm.sh/hook-weight" "helm.sh/hook-delete-policy" }}
{{- if hasKey (($of | default dict).annotations | default dict) $annotation }}
{{- fail (printf "%s.%s.%s is set by the chart: remove it, and use hook instead" $path $setting (replace "." "\\." $annotation)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and (or $service.config $service.secrets) (hasKey ($service.podAnnotations | default dict) "checksum/config") }}
{{- fail (printf "%s.podAnnotations.checksum/config is set by the chart to restart pods when config or secrets change: remove it" $path) }}
{{- end }}
{{- end }}

{{/* Who sets the replicas, and how many may go */}}
{{- define "sametag.rules.scaling" -}}
{{- $service := .service }}
{{- $path := print "services." .name }}
{{- $budget := $service.podDisruptionBudget | default dict }}
{{- if and (hasKey $budget "minAvailable") (hasKey $budget "maxUnavailable") }}
{{- fail (printf "%s.podDisruptionBudget has both minAvailable and maxUnavailable: only one is allowed" $path) }}
{{- end }}
{{- if .scaled }}
{{- if and (hasKey $service "autoscaling") (hasKey $service "keda") }}
{{- fail (printf "%s has both autoscaling and keda: only one can set the replicas" $path) }}
{{- end }}
{{- $scaler := ternary "autoscaling" "keda" (hasKey $service "autoscaling") }}
{{- if not (kindIs "invalid" .own.replicas) }}
{{- fail (printf "%s.replicas has no effect: %s sets the replicas" $path $scaler) }}
{{- end }}
{{- with $service.autoscaling }}
{{- if gt (int (.minReplicas | default 1)) (int .maxReplicas) }}
{{- fail (printf "%s.autoscaling.minReplicas must not exceed maxReplicas (%d), got %d" $path (int .maxReplicas) (int .minReplicas)) }}
{{- end }}
{{- end }}
{{- with $service.keda }}
{{- $most := int (.maxReplicaCount | default 100) }}
{{- if gt (int .minReplicaCount) $most }}
{{- fail (printf "%s.keda.minReplicaCount must not exceed maxReplicaCount (%d), got %d" $path $most (int .minReplicaCount)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A strategy that the kind does not know */}}
{{- define "sametag.rules.strategy" -}}
{{- $strategy := .service.strategy }}
{{- $type := $strategy.type | default "RollingUpdate" }}
{{- $known := get (dict "Deployment" (list "RollingUpdate" "Recreate") "StatefulSet" (list "RollingUpdate" "OnDelete") "DaemonSet" (list "RollingUpdate" "OnDelete")) .kind }}
{{- if $known }}
{{- if not (has $type $known) }}
{{- fail (printf "services.%s.strategy.type must be %s for a %s, got %s" .name (join " or " $known) .kind $type) }}
{{- end }}
{{- if and $strategy.rollingUpdate (ne $type "RollingUpdate") (ne .kind "DaemonSet") }}
{{- fail (printf "services.%s.strategy.rollingUpdate only applies to type RollingUpdate; this is %s: remove it" .name $type) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Settings of another kind of workload. In `defaults` most of them are for those services that know them */}}
{{- define "sametag.rules.kind" -}}
{{- $pods := list "Deployment" "StatefulSet" }}
{{- $jobs := list "Job" "CronJob" }}
{{- $running := list "Deployment" "StatefulSet" "DaemonSet" }}
{{- range $key, $kinds := dict "hook" (list "Job") "statefulSet" (list "StatefulSet") "cronJob" (list "CronJob") "job" $jobs "restartPolicy" $jobs
    "replicas" $pods "autoscaling" $pods "keda" $pods "podDisruptionBudget" $pods
    "strategy" $running "minReadySeconds" $running "revisionHistoryLimit" $running }}
{{- $from := ternary $.service $.own (has $key (list "hook" "autoscaling" "keda")) }}
{{- if and (hasKey $from $key) (not (kindIs "invalid" (get $from $key))) (not (has $.kind $kinds)) }}
{{- $words := join ", " (initial $kinds) }}
{{- $words = ternary (last $kinds) (print $words " or " (last $kinds)) (eq (len $kinds) 1) }}
{{- fail (printf "services.%s.%s only applies to a %s; this service is a %s: remove it, or change the kind" $.name $key $words $.kind) }}
{{- end }}
{{- end }}
{{- if and (eq .kind "CronJob") (not (.service.cronJob | default dict).schedule) }}
{{- fail (printf "services.%s.cronJob.schedule is required for a CronJob" .name) }}
{{- end }}
{{- end }}
