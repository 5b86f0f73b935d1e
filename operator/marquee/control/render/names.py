"""Names, labels and annotations of every object that Marquee makes."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson

from marquee.api.marketing_model import MarketingModel
from marquee.api.types import API_VERSION, GROUP
from marquee.contract.pod import PREDICTOR_ACCOUNT_SUFFIX

CONTAINER: Final = "predictor"
"""Container of the front."""
SIDECAR: Final = "triton"
"""Container beside it, where the model asks for Triton."""

LABEL_NAME: Final = "app.kubernetes.io/name"
PREDICTOR: Final = "marquee-predictor"
TRAINER: Final = "marquee-trainer"
LABEL_MODEL: Final = f"{GROUP}/model"
LABEL_REVISION: Final = f"{GROUP}/revision"
LABEL_TEAM: Final = f"{GROUP}/team"
LABEL_USE_CASE: Final = f"{GROUP}/use-case"
LABEL_TRAINS: Final = f"{GROUP}/trains"
"""On a trainer's pod: its model. Not `LABEL_MODEL`, by which the model's PodDisruptionBudget and NetworkPolicy select
the pods that serve."""
LABEL_RUN: Final = f"{GROUP}/run"
"""On a ModelRevision that was trained, and on a TrainJob and its pods: the run."""
LABEL_TRIGGER: Final = f"{GROUP}/trigger"
"""On a Job or TrainJob: digest of what it answers, so that no second one does."""
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY: Final = "marquee"
MANAGED_SELECTOR: Final = f"{LABEL_MANAGED_BY}={MANAGED_BY}"
TRAINER_SELECTOR: Final = f"{LABEL_NAME}={TRAINER},{LABEL_TRAINS}"
"""Selects the pods that train."""

ANNOTATION_RENDERED: Final = f"{GROUP}/rendered"
"""Digest of the manifest as it was applied: tells apart "somebody removed a field" from "we never set it"."""
ANNOTATION_CONTACT: Final = f"{GROUP}/contact"
ANNOTATION_DEFAULTS: Final = f"{GROUP}/defaults"
"""On a Deployment: the operator's defaults of the time when its revision was first deployed."""
ANNOTATION_SERVING_REVISION: Final = f"{GROUP}/serving-revision"
"""On the Service: the revision in its selector, as we wrote it."""
ANNOTATION_SWITCHED_AT: Final = f"{GROUP}/switched-at"
ANNOTATION_PREVIOUS_REVISION: Final = f"{GROUP}/previous-revision"
ANNOTATION_ROLLOUT: Final = f"{GROUP}/rollout"
"""On the Service: the newest rollout with steps, see `marquee.control.render.record`."""

ANNOTATION_INCIDENT: Final = f"{GROUP}/incident"
"""On the Service: the newest turn of the kill switch, see `marquee.control.render.incident`."""
ANNOTATION_APPROVALS: Final = f"{GROUP}/approvals"
"""On the Service: approvals that the audit log has, see `marquee.control.render.known_approvals`."""
ANNOTATION_ORDER: Final = f"{GROUP}/order"
"""On a Job or TrainJob: what was asked for, see `marquee.control.render.retraining`."""
ANNOTATION_UNLOGGED: Final = f"{GROUP}/unlogged"
"""On the Service: entries that the audit log is owed, see `marquee.control.render.debts`."""


def model_labels(model: MarketingModel) -> dict[str, str]:
    """Labels of every object of a model, pods included."""
    return {
        LABEL_NAME: PREDICTOR,
        "app.kubernetes.io/instance": model.metadata.name,
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_MODEL: model.metadata.name,
        LABEL_TEAM: model.spec.owner.team,
        LABEL_USE_CASE: model.spec.use_case.value,
    }


def pod_selector(model: MarketingModel, revision: str) -> dict[str, str]:
    """Selects the pods of one arm; immutable in a Deployment, so it holds nothing that may change."""
    return {LABEL_MODEL: model.metadata.name, LABEL_REVISION: revision}


def arms_selector(model: MarketingModel) -> dict[str, str]:
    """Selects the pods of every revision of a model: of both arms, while there are no others."""
    return {LABEL_MODEL: model.metadata.name, LABEL_NAME: PREDICTOR}


def service_account_name(model: MarketingModel) -> str:
    """Apart from the model's name, which may well be the name of somebody's own ServiceAccount."""
    return f"{model.metadata.name}{PREDICTOR_ACCOUNT_SUFFIX}"


def manifest(
    model: MarketingModel,
    api_version: str,
    kind: str,
    name: str,
    content: dict[str, Any],
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A child's manifest: owned by the model, labelled, and stamped with the digest of what it says."""
    body: dict[str, Any] = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": model.metadata.namespace,
            "labels": model_labels(model) | (labels or {}),
            "annotations": {ANNOTATION_CONTACT: model.spec.owner.contact} | (annotations or {}),
            "ownerReferences": [owner_reference(model)],
        },
        **content,
    }
    digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    body["metadata"]["annotations"][ANNOTATION_RENDERED] = digest
    return body


def owner_reference(model: MarketingModel) -> dict[str, Any]:
    """Makes the API server's garbage collector remove the child with its model."""
    return {
        "apiVersion": API_VERSION,
        "kind": MarketingModel.KIND,
        "name": model.metadata.name,
        "uid": model.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
