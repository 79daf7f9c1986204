{{- define "zeebe-amqp.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "zeebe-amqp.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "zeebe-amqp.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "zeebe-amqp.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "zeebe-amqp.selector" -}}
app.kubernetes.io/name: {{ include "zeebe-amqp.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "zeebe-amqp.labels" -}}
{{ include "zeebe-amqp.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "zeebe-amqp.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "zeebe-amqp.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "zeebe-amqp.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* One file cannot be shared: the second process on it would not start, and so would never be ready. */}}
{{- define "zeebe-amqp.check" -}}
{{- $several := or (gt (int .Values.replicas) 1) .Values.keda.enabled -}}
{{- if and $several (ne .Values.ledger.type "redis") -}}
{{- fail (printf "replicas: found %d%s with ledger.type %s; accepted: one replica, or ledger.type redis" (int .Values.replicas) (ternary " and keda.enabled" "" .Values.keda.enabled) .Values.ledger.type) -}}
{{- end -}}
{{- if and (eq .Values.ledger.type "redis") (not .Values.ledger.redis.url) (not (has "LEDGER" .Values.secrets.keys)) -}}
{{- fail "ledger.redis.url: missing; accepted: a redis:// URL here, or LEDGER in secrets.keys" -}}
{{- end -}}
{{- end -}}
