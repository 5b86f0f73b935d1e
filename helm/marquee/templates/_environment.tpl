{{/* The operator's settings: each field of marquee.control.settings.Settings from its value. */}}
{{- define "marquee.environment" -}}
{{- $fullname := include "marquee.fullname" . -}}
- {name: MARQUEE_OPERATOR_PREDICTOR_IMAGE, value: {{ include "marquee.image" (dict "image" .Values.predictor.image "default" .Chart.AppVersion) | quote }}}
- {name: MARQUEE_OPERATOR_PREDICTOR_IMAGE_PULL_POLICY, value: {{ .Values.predictor.image.pullPolicy | quote }}}
- {name: MARQUEE_OPERATOR_PREDICTOR_IMAGE_PULL_SECRETS, value: {{ join "," .Values.predictor.imagePullSecrets | quote }}}
- {name: MARQUEE_OPERATOR_TRITON_IMAGE, value: {{ include "marquee.image" (dict "image" .Values.triton.image "default" "") | quote }}}
- {name: MARQUEE_OPERATOR_TRAINER_IMAGE, value: {{ include "marquee.image" (dict "image" .Values.trainer.image "default" .Chart.AppVersion) | quote }}}
- {name: MARQUEE_OPERATOR_TRAINER_IMAGE_PULL_POLICY, value: {{ .Values.trainer.image.pullPolicy | quote }}}
- {name: MARQUEE_OPERATOR_WATCH_NAMESPACES, value: {{ join "," .Values.watchNamespaces | quote }}}
- name: MARQUEE_OPERATOR_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: MARQUEE_OPERATOR_POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- {name: MARQUEE_OPERATOR_USER_NAME, value: {{ printf "system:serviceaccount:%s:%s" .Release.Namespace (include "marquee.serviceAccountName" .) | quote }}}
- {name: MARQUEE_OPERATOR_LEASE_NAME, value: {{ $fullname | quote }}}
- {name: MARQUEE_OPERATOR_HTTP_PORT, value: "8081"}
- {name: MARQUEE_OPERATOR_WORKERS, value: {{ .Values.operator.workers | quote }}}
- {name: MARQUEE_OPERATOR_RESYNC_SECONDS, value: {{ .Values.operator.resyncSeconds | quote }}}
- {name: MARQUEE_OPERATOR_PROBE_TIMEOUT_SECONDS, value: {{ .Values.operator.probeTimeoutSeconds | quote }}}
- {name: MARQUEE_OPERATOR_LEDGER_URL, value: {{ include "marquee.ledgerUrl" . | quote }}}
- {name: MARQUEE_OPERATOR_LEDGER_TOKEN_PATH, value: /var/run/secrets/marquee-ledger/token}
{{- if include "marquee.auditEnabled" . }}
- {name: MARQUEE_OPERATOR_AUDIT_URL, value: {{ include "marquee.auditUrl" . | quote }}}
- {name: MARQUEE_OPERATOR_AUDIT_KEY_PATH, value: /etc/marquee/audit-author/key}
- {name: MARQUEE_OPERATOR_AUDIT_AUTHOR, value: {{ printf "%s/operator" (include "marquee.auditOrigin" .) | quote }}}
{{- end }}
- {name: MARQUEE_OPERATOR_EVIDENCE_SECONDS, value: {{ .Values.operator.evidenceSeconds | quote }}}
- {name: MARQUEE_OPERATOR_DRIFT_SECONDS, value: {{ .Values.operator.driftSeconds | quote }}}
- {name: MARQUEE_OPERATOR_DEMAND_URL, value: {{ printf "http://%s-metrics.%s.svc:8081/demand" $fullname .Release.Namespace | quote }}}
- {name: MARQUEE_OPERATOR_DEMAND_AUTHENTICATION, value: {{ if .Values.keda.namespace }}{{ include "marquee.demandAuthentication" . | quote }}{{ else }}""{{ end }}}
- {name: MARQUEE_OPERATOR_DEMAND_TOKEN_PATH, value: {{ if .Values.keda.namespace }}/etc/marquee/demand/token{{ else }}""{{ end }}}
- {name: MARQUEE_OPERATOR_LOG_LEVEL, value: {{ .Values.operator.logLevel | quote }}}
- {name: MARQUEE_OPERATOR_LOG_FORMAT, value: {{ .Values.operator.logFormat | quote }}}
{{- range .Values.extraEnv }}
{{- if hasPrefix "MARQUEE_OPERATOR_" .name }}
{{- fail (printf "extraEnv: %s is a setting of the operator; set it by the value that the chart has for it" .name) }}
{{- end }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end -}}
