{{/* The ports of a Service at indent 2. The service's context */}}
{{- define "sametag.serviceports" }}
  ports:
    {{- $seen := dict }}
    {{- range $name, $port := .service.ports }}
    {{- $number := int ($port.port | default $port.containerPort) }}
    {{- $protocol := $port.protocol | default "TCP" }}
    {{- $id := printf "%d/%s" $number $protocol }}
    {{- with get $seen $id }}
    {{- fail (printf "services.%s.ports: %s and %s both use port %s of its Service: use a different port for one of them" $.name . $name $id) }}
    {{- end }}
    {{- $_ := set $seen $id $name }}
    - name: {{ $name | quote }}
      protocol: {{ $protocol }}
      {{- with $port.appProtocol }}
      appProtocol: {{ . | quote }}
      {{- end }}
      port: {{ $number }}
      targetPort: {{ $name | quote }}
      {{- with $port.nodePort }}
      nodePort: {{ int . }}
      {{- end }}
    {{- end }}
{{- end }}

{{/* The headless Service that gives a StatefulSet's pods their names in DNS. The service's context */}}
{{- define "sametag.headless" -}}
{{- $other := get .root.Sametag.services (print .name "-headless") | default dict }}
{{- $settings := $other.service | default dict }}
{{- if and .service.ports (.service.service | default dict).headless }}
{{- .fullname }}
{{- else if and $other.serves $settings.ports (ne (toString ($settings.service | default dict).enabled) "false") }}
{{- fail (printf "services.%s and services.%s both create the Service %s-headless: rename one of them" .name $other.name .fullname) }}
{{- else }}
{{- .fullname }}-headless
{{- end }}
{{- end }}

{{/* The number of a Service's port: the one with that name, or the first. dict "of" context "port" name, number or nothing */}}
{{- define "sametag.portnumber" -}}
{{- $name := .port | default (keys .of.service.ports | sortAlpha | first) }}
{{- $port := get .of.service.ports (toString $name) }}
{{- if $port }}{{ int ($port.port | default $port.containerPort) }}{{ else }}{{ int $name }}{{ end }}
{{- end }}
