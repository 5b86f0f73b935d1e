{{/* Name of every object of the release: "marquee" for a release called marquee, else RELEASE-marquee. */}}
{{- define "marquee.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "marquee.selectorLabels" -}}
app.kubernetes.io/name: marquee-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The operator looks for its own objects by managed-by=marquee, so the chart's never carry that value. */}}
{{- define "marquee.labels" -}}
{{ include "marquee.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: marquee
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "marquee.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "marquee.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name must name an existing ServiceAccount when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Image reference of (dict "image" VALUES "default" TAG); a digest wins over the tag. */}}
{{- define "marquee.image" -}}
{{- $tag := .image.tag | default .default -}}
{{- if .image.digest -}}
{{- printf "%s:%s@%s" .image.repository $tag .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository $tag -}}
{{- end -}}
{{- end -}}

{{/* The Secret with the token of those who may ask the operator what models have to do. */}}
{{- define "marquee.demandSecret" -}}
{{ .Values.keda.tokenSecret | default (printf "%s-demand" (include "marquee.fullname" .)) }}
{{- end -}}

{{- define "marquee.demandAuthentication" -}}
{{ include "marquee.fullname" . }}-demand-{{ .Release.Namespace }}
{{- end -}}

{{/* What the operator does in a namespace that it works in; docs/install.md says what each rule is for, and
     tests/api/helm/test_rbac.py fails for one that is missing and for one that nothing uses. */}}
{{- define "marquee.operatorRules" -}}
- apiGroups: [marquee.dev]
  resources: [marketingmodels, modelapprovals, promotionfreezes]
  verbs: [list, watch]
- apiGroups: [marquee.dev]
  resources: [modelrevisions]
  verbs: [list, watch, create]
- apiGroups: [marquee.dev]
  resources: [marketingmodels/status]
  verbs: [patch]
- apiGroups: [marquee.dev]
  resources: [marketingmodels/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch, create, delete]
- apiGroups: [trainer.kubeflow.org]
  resources: [trainjobs, trainingruntimes]
  verbs: [list, watch, create, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
