{{- define "mocktenant.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* 50 characters, for -migrate and the like have to fit behind it. */}}
{{- define "mocktenant.fullname" -}}
{{- $name := include "mocktenant.name" . }}
{{- if .Values.fullnameOverride }}{{ $name = .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}{{ $name = .Release.Name }}
{{- else }}{{ $name = printf "%s-%s" .Release.Name $name }}
{{- end }}
{{- $name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "mocktenant.selector" -}}
app.kubernetes.io/name: {{ include "mocktenant.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels that pods which serve are found by. */}}
{{- define "mocktenant.serves" -}}
{{ include "mocktenant.selector" . }}
app.kubernetes.io/component: service
{{- end }}

{{- define "mocktenant.labels" -}}
{{ include "mocktenant.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "mocktenant.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "mocktenant.databaseSecret" -}}
{{- if not .Values.database.existingSecret }}
{{- fail "\n\ndatabase.existingSecret is not set: it names the Secret with the URL of your Postgres. Make one and name it:\n\n  kubectl create secret generic mocktenant-database --from-literal=DATABASE_URL='postgres://USER:PASSWORD@HOST/NAME?sslmode=require'\n  helm … --set database.existingSecret=mocktenant-database\n" }}
{{- end }}
{{- .Values.database.existingSecret }}
{{- end }}

{{- define "mocktenant.adminSecret" -}}
{{- .Values.admin.existingSecret | default (printf "%s-admin" (include "mocktenant.fullname" .)) }}
{{- end }}

{{- define "mocktenant.adminSecretKey" -}}
{{- if .Values.admin.existingSecret }}{{ .Values.admin.existingSecretKey }}{{ else }}MOCKTENANT_ADMIN_KEY{{ end }}
{{- end }}

{{- define "mocktenant.seeds" -}}
{{- if .Values.seeds.existingConfigMap }}{{ .Values.seeds.existingConfigMap }}
{{- else if .Values.seeds.documents }}{{ include "mocktenant.fullname" . }}-seeds
{{- end }}
{{- end }}

{{- define "mocktenant.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "mocktenant.fullname" .) }}
{{- else }}{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "mocktenant.publicURL" -}}
{{- if .Values.publicURL }}{{ .Values.publicURL }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts }}
{{- $host := first .Values.ingress.hosts }}
{{- $secure := false }}
{{- range .Values.ingress.tls }}{{ if has $host .hosts }}{{ $secure = true }}{{ end }}{{ end }}
{{- ternary "https" "http" $secure }}://{{ $host }}
{{- end }}
{{- end }}

{{/* How many reverse proxies are before the pods. */}}
{{- define "mocktenant.trustedHops" -}}
{{- if not (kindIs "invalid" .Values.clients.trustedHops) }}{{ .Values.clients.trustedHops }}
{{- else if and .Values.ingress.enabled (not .Values.clients.proxyProtocol) }}1
{{- else }}0
{{- end }}
{{- end }}

{{/* The names by which clients come, for the certificate. */}}
{{- define "mocktenant.hosts" -}}
{{- $name := include "mocktenant.fullname" . }}
{{- $in := printf "%s.%s" $name .Release.Namespace }}
{{- $hosts := list $name $in (printf "%s.svc" $in) (printf "%s.svc.cluster.local" $in) }}
{{- if .Values.ingress.enabled }}{{ $hosts = concat $hosts .Values.ingress.hosts }}{{ end }}
{{- concat $hosts .Values.https.hosts | uniq | join "," }}
{{- end }}

{{/* What every pod has: no token, no root, nothing it could write but what is mounted. */}}
{{- define "mocktenant.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- if not (kindIs "invalid" .Values.runAsUser) }}
  runAsUser: {{ .Values.runAsUser }}
  {{- end }}
  {{- if not (kindIs "invalid" .Values.runAsGroup) }}
  runAsGroup: {{ .Values.runAsGroup }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "mocktenant.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "mocktenant.databaseEnv" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "mocktenant.databaseSecret" . }}
      key: {{ .Values.database.existingSecretKey }}
- name: MOCKTENANT_LOG_LEVEL
  value: {{ .Values.log.level }}
- name: MOCKTENANT_LOG_FORMAT
  value: {{ .Values.log.format }}
{{- end }}
