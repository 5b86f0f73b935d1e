{{- define "marquee.ledgerName" -}}
{{ include "marquee.fullname" . }}-ledger
{{- end -}}

{{/* Where predictors and the operator find the ledger: the chart's, or somebody else's, or nowhere. */}}
{{- define "marquee.ledgerUrl" -}}
{{- if .Values.ledger.enabled -}}
{{ printf "http://%s.%s.svc:8090" (include "marquee.ledgerName" .) .Release.Namespace }}
{{- else -}}
{{ .Values.ledger.url }}
{{- end -}}
{{- end -}}

{{- define "marquee.ledgerSelectorLabels" -}}
app.kubernetes.io/name: marquee-ledger
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "marquee.ledgerLabels" -}}
{{ merge (include "marquee.ledgerSelectorLabels" . | fromYaml) (include "marquee.labels" . | fromYaml) | toYaml }}
{{- end -}}

{{/* The Secret with the master keys of prediction ids: somebody else's, or the chart's. */}}
{{- define "marquee.ledgerMasterKeySecret" -}}
{{ .Values.ledger.masterKeySecret | default (printf "%s-prediction-keys" (include "marquee.fullname" .)) }}
{{- end -}}

{{/* Who writes the audit log: the ledger where it is one pod, a pod of its own where the ledger has replicas. */}}
{{- define "marquee.auditName" -}}
{{- if .Values.ledger.database.urlSecret -}}
{{ include "marquee.fullname" . }}-audit
{{- else -}}
{{ include "marquee.ledgerName" . }}
{{- end -}}
{{- end -}}

{{/* Where the operator enters what it decides; empty: nowhere, or where ledger.url leads. */}}
{{- define "marquee.auditUrl" -}}
{{- if and .Values.ledger.enabled .Values.audit.enabled -}}
{{ printf "http://%s.%s.svc:8090" (include "marquee.auditName" .) .Release.Namespace }}
{{- end -}}
{{- end -}}

{{/* Whether the operator enters what it decides: there must be somebody who keeps the log. */}}
{{- define "marquee.auditEnabled" -}}
{{- if and .Values.audit.enabled (include "marquee.ledgerUrl" .) -}}true{{- end -}}
{{- end -}}

{{/* Service account and Role of those who answer data subjects, where there is one pod that they can be told of. */}}
{{- define "marquee.privacyOfficer" -}}
{{- $ledger := .Values.ledger -}}
{{- if and .Values.rbac.userRoles $ledger.enabled (or .Values.audit.enabled (not $ledger.database.urlSecret)) -}}
{{ include "marquee.fullname" . }}-privacy-officer
{{- end -}}
{{- end -}}

{{- define "marquee.officerLabels" -}}
{{ merge (dict "app.kubernetes.io/name" "marquee-privacy-officer") (include "marquee.labels" . | fromYaml) | toYaml }}
{{- end -}}

{{/* The Secrets with the log's key and the author's: two, as neither process may have both. */}}
{{- define "marquee.auditLogSecret" -}}
{{ .Values.audit.logKeySecret | default (printf "%s-audit-log-key" (include "marquee.fullname" .)) }}
{{- end -}}

{{- define "marquee.auditAuthorSecret" -}}
{{ .Values.audit.authorKeySecret | default (printf "%s-audit-author-key" (include "marquee.fullname" .)) }}
{{- end -}}

{{/* Names of the log and of the author: in every checkpoint and entry, so they never change by themselves. */}}
{{- define "marquee.auditOrigin" -}}
{{ .Values.audit.origin | default (printf "%s/%s" .Release.Namespace (include "marquee.fullname" .)) }}
{{- end -}}

{{- define "marquee.auditSelectorLabels" -}}
app.kubernetes.io/name: marquee-audit
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "marquee.auditLabels" -}}
{{ merge (include "marquee.auditSelectorLabels" . | fromYaml) (include "marquee.labels" . | fromYaml) | toYaml }}
{{- end -}}

{{/* A key that is made once, as (dict "root" $ "name" SECRET); another one would be another log's, or another author's. */}}
{{- define "marquee.keptKey" -}}
{{- $known := (lookup "v1" "Secret" .root.Release.Namespace .name).data }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "marquee.auditLabels" .root | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  {{- if $known }}
  {{- toYaml $known | nindent 2 }}
  {{- else }}
  key: {{ randAlphaNum 64 | sha256sum | b64enc }}
  {{- end }}
{{- end -}}

{{/* What verdicts for other controllers need: the policy of a model, when a rollout of it begins. */}}
{{- define "marquee.ledgerModelRules" -}}
- apiGroups: [marquee.dev]
  resources: [marketingmodels]
  verbs: [get]
{{- end -}}

{{- define "marquee.ledgerSubjects" -}}
- kind: ServiceAccount
  name: {{ include "marquee.ledgerName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* Settings of the ledger: fields of marquee.ledger.settings.Settings from their values. */}}
{{- define "marquee.ledgerEnvironment" -}}
{{- $ledger := .Values.ledger -}}
{{- if $ledger.database.urlSecret -}}
- name: MARQUEE_LEDGER_DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ $ledger.database.urlSecret }}, key: url}}
{{- else -}}
- {name: MARQUEE_LEDGER_DATABASE_URL, value: "sqlite:////var/lib/marquee/ledger.db"}
# a large statement needs temporary files, and nothing else can be written in the container
- {name: SQLITE_TMPDIR, value: /var/lib/marquee}
{{- end }}
- {name: MARQUEE_LEDGER_HTTP_PORT, value: "8090"}
- {name: MARQUEE_LEDGER_MASTER_KEYS_PATH, value: /etc/marquee/prediction-keys}
{{- if $ledger.apiKeysSecret }}
- {name: MARQUEE_LEDGER_API_KEYS_PATH, value: /etc/marquee/api-keys/keys.json}
{{- end }}
- {name: MARQUEE_LEDGER_OPERATORS, value: {{ printf "%s:%s" .Release.Namespace (include "marquee.serviceAccountName" .) | quote }}}
- {name: MARQUEE_LEDGER_EXPOSURES_PER_SECOND, value: {{ $ledger.quotas.exposuresPerSecond | quote }}}
- {name: MARQUEE_LEDGER_OUTCOMES_PER_SECOND, value: {{ $ledger.quotas.outcomesPerSecond | quote }}}
- {name: MARQUEE_LEDGER_BURST_SECONDS, value: {{ $ledger.quotas.burstSeconds | quote }}}
{{- with include "marquee.privacyOfficer" . }}
- {name: MARQUEE_LEDGER_PRIVACY_OFFICERS, value: {{ printf "%s:%s" $.Release.Namespace . | quote }}}
{{- end }}
{{- if and (not .keepsLog) (include "marquee.auditUrl" .) }}
- {name: MARQUEE_LEDGER_AUDIT_URL, value: {{ include "marquee.auditUrl" . | quote }}}
{{- end }}
{{- if .keepsLog }}
- {name: MARQUEE_LEDGER_AUDIT_PATH, value: /var/lib/marquee/audit}
- {name: MARQUEE_LEDGER_AUDIT_KEYS_PATH, value: /etc/marquee/audit-log}
- {name: MARQUEE_LEDGER_AUDIT_ORIGIN, value: {{ include "marquee.auditOrigin" . | quote }}}
{{- with .Values.audit.witnesses }}
- name: MARQUEE_LEDGER_AUDIT_WITNESSES
  value: "{{ range $number, $one := . }}{{ if $number }},{{ end }}{{ $one.key }} {{ $one.url }}{{ end }}"
- {name: MARQUEE_LEDGER_AUDIT_QUORUM, value: {{ $.Values.audit.quorum | quote }}}
{{- end }}
{{- end }}
- {name: MARQUEE_LEDGER_DRAIN_SECONDS, value: "10"}
- {name: MARQUEE_LEDGER_LOG_LEVEL, value: {{ $ledger.logLevel | quote }}}
{{- end -}}

{{/* The pod, the same in a StatefulSet with SQLite and in a Deployment with PostgreSQL. Of the root's context with
     keepsLog: it writes the audit log on its volume; labels: what it is found by. */}}
{{- define "marquee.ledgerPod" -}}
metadata:
  labels: {{- .labels | nindent 4 }}
spec:
  serviceAccountName: {{ include "marquee.ledgerName" . }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  terminationGracePeriodSeconds: 60
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    # the volume is the ledger's to write
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: ledger
      image: {{ include "marquee.image" (dict "image" .Values.image "default" .Chart.AppVersion) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [python3, -m, marquee.ledger, serve]
      env: {{- include "marquee.ledgerEnvironment" . | nindent 8 }}
      ports:
        - {name: http, containerPort: 8090, protocol: TCP}
      # migrations of a large book take their time
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 3
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 5
        timeoutSeconds: 5
      {{- with .Values.ledger.resources }}
      resources: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: prediction-keys, mountPath: /etc/marquee/prediction-keys, readOnly: true}
        {{- if .Values.ledger.apiKeysSecret }}
        - {name: api-keys, mountPath: /etc/marquee/api-keys, readOnly: true}
        {{- end }}
        {{- if .keepsLog }}
        - {name: audit-log-key, mountPath: /etc/marquee/audit-log, readOnly: true}
        {{- end }}
        {{- if .hasVolume }}
        - {name: data, mountPath: /var/lib/marquee}
        {{- end }}
  volumes:
    - name: prediction-keys
      secret: {secretName: {{ include "marquee.ledgerMasterKeySecret" . }}}
    {{- with .Values.ledger.apiKeysSecret }}
    - name: api-keys
      secret: {secretName: {{ . }}}
    {{- end }}
    {{- if .keepsLog }}
    - name: audit-log-key
      secret: {secretName: {{ include "marquee.auditLogSecret" . }}}
    {{- end }}
    {{- if and .hasVolume (not .Values.ledger.persistence.enabled) }}
    - {name: data, emptyDir: {}}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}


{{/* The volume of the one pod that writes. */}}
{{- define "marquee.ledgerClaim" -}}
{{- with .Values.ledger.persistence }}
{{- if .enabled }}
volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests: {storage: {{ .size }}}
{{- end }}
{{- end }}
{{- end -}}
