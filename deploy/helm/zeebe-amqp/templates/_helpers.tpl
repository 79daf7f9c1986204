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
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
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

{{- define "zeebe-amqp.keda.authentication" -}}
{{- default (include "zeebe-amqp.fullname" .) .Values.keda.authentication -}}
{{- end -}}

{{- define "zeebe-amqp.keda.query" -}}
{{- $state := printf "zeebe_amqp_circuit_state{namespace=%q, job=%q}" .Release.Namespace (include "zeebe-amqp.fullname" .) -}}
{{- default (printf "min(%s) * count(%s)" $state $state) .Values.keda.query -}}
{{- end -}}

{{/* A number as people write it: Helm reads 1000000 as a float and would print 1e+06. */}}
{{- define "zeebe-amqp.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* What the schema cannot say, because it concerns several values. */}}
{{- define "zeebe-amqp.check" -}}
{{- $values := .Values -}}
{{- $several := or (gt (int $values.replicas) 1) $values.keda.enabled -}}
{{- $shared := has $values.ledger.type (list "redis" "postgresql") -}}
{{- $ledger := dig $values.ledger.type "url" "" $values.ledger -}}
{{- if and $several (not $shared) -}}
{{- /* One file cannot be shared: the second process on it ends at once. */ -}}
{{- fail (printf "%s with ledger.type %s; accepted: one replica without keda.enabled, or ledger.type redis or postgresql" (ternary "keda.enabled: found true" (printf "replicas: found %d" (int $values.replicas)) $values.keda.enabled) $values.ledger.type) -}}
{{- end -}}
{{- $inSecret := has "LEDGER" $values.secrets.keys -}}
{{- if and $shared (not $ledger) (not $inSecret) -}}
{{- fail (printf "ledger.%s.url: found nothing; accepted: a %s:// URL, or LEDGER in secrets.keys" $values.ledger.type $values.ledger.type) -}}
{{- end -}}
{{- if and $inSecret (or (not $shared) $ledger) -}}
{{- fail (printf "secrets.keys: found LEDGER with ledger.type %s%s; accepted: LEDGER only with ledger.type redis or postgresql, and without its url" $values.ledger.type (ternary (printf " and ledger.%s.url" $values.ledger.type) "" (ne $ledger ""))) -}}
{{- end -}}
{{- if and $values.policy (hasKey $values.settings "POLICY_FILE") -}}
{{- fail "settings.POLICY_FILE: found with policy, which sets it; accepted: one of the two" -}}
{{- end -}}
{{- if and $values.jobs (hasKey $values.settings "JOBS_FILE") -}}
{{- fail "settings.JOBS_FILE: found with jobs, which sets it; accepted: one of the two" -}}
{{- end -}}
{{- if and $values.topology.enabled (or $values.jobs (hasKey $values.settings "JOBS") (hasKey $values.settings "JOBS_FILE")) -}}
{{- fail "topology.enabled: found true with types of jobs, whose queues the operator does not make; accepted: jobs without topology.enabled" -}}
{{- end -}}
{{- if and $values.topology.enabled (hasKey $values.settings "REPLY_EXCHANGE") -}}
{{- fail "topology.enabled: found true with settings.REPLY_EXCHANGE, whose exchanges the operator does not make; accepted: strict replies without topology.enabled" -}}
{{- end -}}
{{- if and $shared (not (has "SIGNING_KEYS" $values.secrets.keys)) (not (hasKey $values.settings "SIGNING_KEYS")) (not (hasKey $values.settings "SIGNING_KEYS_FILE")) -}}
{{- fail (printf "secrets.keys: found no SIGNING_KEYS with ledger.type %s; accepted: SIGNING_KEYS, in the Secret a key of `openssl rand -base64 32`, by which each replica knows the dead letters of the others" $values.ledger.type) -}}
{{- end -}}
{{- if has "zeebe.dead" $values.queues -}}
{{- fail "queues: found zeebe.dead; accepted: request queues, which the queue of the dead letters is not" -}}
{{- end -}}
{{- range $values.secrets.keys -}}
{{- if hasKey $values.settings . -}}
{{- fail (printf "settings.%s: found also in secrets.keys; accepted: one of the two" .) -}}
{{- end -}}
{{- end -}}
{{- if and $values.keda.enabled (not (has $values.keda.queue $values.queues)) -}}
{{- fail (printf "keda.queue: found %s; accepted: one of queues (%s)" $values.keda.queue (join ", " $values.queues)) -}}
{{- end -}}
{{- if and $values.keda.enabled (gt (int $values.keda.minReplicas) (int $values.keda.maxReplicas)) -}}
{{- fail (printf "keda.minReplicas: found %d; accepted: at most keda.maxReplicas (%d)" (int $values.keda.minReplicas) (int $values.keda.maxReplicas)) -}}
{{- end -}}
{{- if $values.topology.enabled -}}
{{- range list "AMQP_DECLARE" "DEAD_LETTER_BOUND" -}}
{{- if hasKey $values.settings . -}}
{{- fail (printf "settings.%s: found with topology.enabled, which sets it; accepted: leave it out" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
