{{/*
Who may reach the service's ports, at indent 2: anyone, or the peers in allowFrom. Nothing else is open. The test of
the release may reach every port. The service's context
*/}}
{{- define "sametag.ingressrules" }}
{{- $policy := .service.networkPolicy | default dict }}
{{- if .service.ports }}
  ingress:
    - ports:
        {{- include "sametag.policyports" .service.ports | nindent 8 }}
      {{- if hasKey $policy "allowFrom" }}
      from:
        {{- range $policy.allowFrom }}
        {{- if kindIs "string" . }}
        {{- include "sametag.peer" (dict "root" $.root "name" . "why" (print "services." $.name ".networkPolicy.allowFrom")) | nindent 8 }}
        {{- else }}
        - {{ include "sametag.plain" . | indent 10 | trim }}
        {{- end }}
        {{- end }}
        - podSelector:
            matchLabels:
              {{- include "sametag.testselector" .root | nindent 14 }}
      {{- end }}
{{- else }}
  ingress: []
{{- end }}
{{- end }}

{{/* What a pod may reach of another service: its ports. dict "of" $ "from" the service that says so "to" its name */}}
{{- define "sametag.egressrule" -}}
{{- $context := get .of.Sametag.services .to | default dict -}}
- to:
    {{- include "sametag.peer" (dict "root" .of "name" .to "why" (print "services." .from ".networkPolicy.allowTo")) | nindent 4 }}
  {{- with ($context.service | default dict).ports }}
  ports:
    {{- include "sametag.policyports" . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Ports of a NetworkPolicy, which are those of the pods. The service's ports */}}
{{- define "sametag.policyports" -}}
{{- $lines := list }}
{{- range . }}
{{- $lines = append $lines (printf "- port: %d\n  protocol: %s" (int .containerPort) (.protocol | default "TCP")) }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}

{{/* The pods of a service as a peer. dict "root" $ "name" the service "why" the setting that names it */}}
{{- define "sametag.peer" -}}
{{- if not (hasKey (.root.Values.services | default dict) .name) }}
{{- fail (printf "%s refers to unknown service %s (services: %s)" .why .name (keys .root.Values.services | sortAlpha | join ", ")) }}
{{- end -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
      app.kubernetes.io/component: {{ print .root.Sametag.path .name | quote }}
{{- end }}

{{/* The labels of the pod that tests the release: no service can be called like it. $ */}}
{{- define "sametag.testselector" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: {{ .Sametag.path }}helm.test
{{- end }}
