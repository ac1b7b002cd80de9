{{/*
Rules of one service that no schema can express and that nothing else would notice: Kubernetes accepts the objects, and they
do not do what was meant. `sametag validate` knows more rules, and the line. The service's context
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
{{- if or $service.labels $service.podLabels $service.annotations $service.podAnnotations $service.service $service.ingress $service.route $service.monitor $service.serviceAccount }}
{{- template "sametag.rules.labels" . }}
{{- end }}
{{- if .scaled }}{{ template "sametag.rules.scaling" . }}{{ end }}
{{- with $service.podDisruptionBudget }}
{{- if and (hasKey . "minAvailable") (hasKey . "maxUnavailable") }}
{{- fail (printf "services.%s.podDisruptionBudget has both minAvailable and maxUnavailable: only one is allowed" $.name) }}
{{- end }}
{{- end }}
{{- if or (ne .kind "Deployment") .hook $service.statefulSet $service.cronJob $service.job $service.restartPolicy }}
{{- template "sametag.rules.kind" . }}
{{- end }}
{{- end }}

{{/* Two ports of the container with one number */}}
{{- define "sametag.rules.ports" -}}
{{- $seen := dict }}
{{- range $name, $port := .service.ports }}
{{- $number := printf "%d/%s" (int $port.containerPort) ($port.protocol | default "TCP") }}
{{- with get $seen $number }}
{{- fail (printf "services.%s.ports: %s and %s both use port %s of the container: use a different port for one of them" $.name . $name $number) }}
{{- end }}
{{- $_ := set $seen $number $name }}
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

{{/* Ports that the probes and hooks of init containers and sidecars ask */}}
{{- define "sametag.rules.containers" -}}
{{- range $setting := list "initContainers" "sidecars" }}
{{- range $index, $container := get $.service $setting | default list }}
{{- $path := printf "services.%s.%s[%d]" $.name $setting $index }}
{{- $ports := list }}
{{- range .ports }}{{ with .name }}{{ $ports = append $ports . }}{{ end }}{{ end }}
{{- template "sametag.rules.asked" (dict "path" $path "of" $container "keys" (list "livenessProbe" "readinessProbe" "startupProbe") "names" (sortAlpha $ports)) }}
{{- template "sametag.rules.asked" (dict "path" (print $path ".lifecycle") "of" (.lifecycle | default dict) "keys" (list "preStop" "postStart") "names" (sortAlpha $ports)) }}
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

{{/* Only one may set the replicas */}}
{{- define "sametag.rules.scaling" -}}
{{- $service := .service }}
{{- $path := print "services." .name }}
{{- if and (hasKey $service "autoscaling") (hasKey $service "keda") }}
{{- fail (printf "%s has both autoscaling and keda: only one can set the replicas" $path) }}
{{- end }}
{{- if not (kindIs "invalid" .own.replicas) }}
{{- fail (printf "%s.replicas has no effect: %s sets the replicas" $path (ternary "autoscaling" "keda" (hasKey $service "autoscaling"))) }}
{{- end }}
{{- with $service.keda }}
{{- $most := int (.maxReplicaCount | default 100) }}
{{- if gt (int .minReplicaCount) $most }}
{{- fail (printf "%s.keda.minReplicaCount must not exceed maxReplicaCount (%d), got %d" $path $most (int .minReplicaCount)) }}
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
