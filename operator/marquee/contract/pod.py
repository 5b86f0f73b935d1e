"""What the operator and a predictor pod agree on: settings, ports, paths, and how a pod says why it failed.

The operator renders these names into the Deployment; the front reads them. A pod that cannot serve writes a
`Failure` to its termination message and exits with `EXIT_CODE_FAILURE`; the operator turns the reason into
the model's condition.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import orjson
from pydantic import Field, ValidationError

from marquee.contract.manifest import ContractModel

SERVING_PORT: Final = 8080
"""Predictions, health and the probe."""
METRICS_PORT: Final = 9090
"""Prometheus metrics; apart from the serving port so that a NetworkPolicy can tell them apart."""

ARTIFACT_CACHE_PATH: Final = "/var/cache/marquee"
LEDGER_TOKEN_PATH: Final = "/var/run/secrets/marquee/ledger/token"  # noqa: S105 - a path
"""Where the service-account token for the audience `LEDGER_AUDIENCE` is projected."""
LEDGER_AUDIENCE: Final = "marquee-ledger"
PREDICTOR_ACCOUNT_SUFFIX: Final = "-predictor"
"""A model's pods run under the service account of the model's name with this at its end; the ledger goes by it."""
SPOOL_PATH: Final = "/var/spool/marquee"
"""Where an emptyDir keeps what the ledger has not taken yet; it outlives the container, not the pod."""
PURPOSE_KEYS_PATH: Final = "/var/run/secrets/marquee/purposes"
"""Where the Secret of ``spec.privacy.consent.keysSecret`` is mounted: a file for each key, named by its id."""
PVC_MOUNT_ROOT: Final = "/mnt/artifacts"
"""A ``pvc://CLAIM/PATH`` artifact is found at ``PVC_MOUNT_ROOT/CLAIM/PATH``."""
TERMINATION_MESSAGE_PATH: Final = "/dev/termination-log"

EXIT_CODE_FAILURE: Final = 78
"""The pod has said why in its termination message (78 is EX_CONFIG of sysexits.h)."""

HEALTH_LIVE_PATH: Final = "/v2/health/live"
HEALTH_READY_PATH: Final = "/v2/health/ready"
PROBE_PATH: Final = "/marquee/probe"
"""``GET``: predicts the manifest's example through the whole hot path and answers with `ProbeReply`."""
MANIFEST_PATH: Final = "/marquee/manifest"
"""``GET``: what the manifest tells of the model, without data about people: `card.PublicManifest`."""

HEADER_PREDICTION_ID: Final = "marquee-prediction-id"
HEADER_UNIT: Final = "marquee-unit"
"""The identifier of whom a prediction is for; `assignment.unit_hash` makes of it what travels further."""
HEADER_UNIT_HASH: Final = "marquee-unit-hash"
"""The unit's hash as 16 hexadecimal digits, for clients whose users' identifiers do not leave them."""
HEADER_BUCKET: Final = "marquee-bucket"
HEADER_COHORT: Final = "marquee-cohort"
HEADER_ARM: Final = "marquee-arm"
"""``stable`` or ``canary``: a tester's own choice, which is not counted."""
HEADER_DEADLINE: Final = "marquee-deadline-ms"
"""Milliseconds after which the answer is of no use to the client, counted from when the pod has the request's head."""


class Setting(StrEnum):
    """Environment variables of the predictor container."""

    MODEL = "MARQUEE_MODEL"
    NAMESPACE = "MARQUEE_NAMESPACE"
    REVISION = "MARQUEE_REVISION"
    ARTIFACT_URI = "MARQUEE_ARTIFACT_URI"
    ARTIFACT_DIGEST = "MARQUEE_ARTIFACT_DIGEST"
    SERVICE = "MARQUEE_SERVICE"
    MAX_REQUEST_BYTES = "MARQUEE_MAX_REQUEST_BYTES"
    THREADS = "MARQUEE_THREADS"
    DRAIN_SECONDS = "MARQUEE_DRAIN_SECONDS"
    LOG_SAMPLE_RATE = "MARQUEE_LOG_SAMPLE_RATE"
    SLO_P99_MILLISECONDS = "MARQUEE_SLO_P99_MILLISECONDS"
    PREDICTION_CACHE_TTL_SECONDS = "MARQUEE_PREDICTION_CACHE_TTL_SECONDS"
    PREDICTION_CACHE_MAX_ENTRIES = "MARQUEE_PREDICTION_CACHE_MAX_ENTRIES"
    COST_PER_POD_HOUR = "MARQUEE_COST_PER_POD_HOUR"
    COST_CURRENCY = "MARQUEE_COST_CURRENCY"
    PREDICTION_KEY_PATH = "MARQUEE_PREDICTION_KEY_PATH"
    LEDGER_URL = "MARQUEE_LEDGER_URL"
    LEDGER_TOKEN_PATH = "MARQUEE_LEDGER_TOKEN_PATH"  # noqa: S105 - a name
    SPOOL_PATH = "MARQUEE_SPOOL_PATH"
    SPOOL_BYTES = "MARQUEE_SPOOL_BYTES"
    TRITON = "MARQUEE_TRITON"
    STAMPING = "MARQUEE_STAMPING"
    EXPLANATIONS = "MARQUEE_EXPLANATIONS"
    PRIVACY = "MARQUEE_PRIVACY"


class FailureReason(StrEnum):
    """Why a pod cannot serve its revision; each is a condition reason of the model."""

    ARTIFACT_UNREACHABLE = "ArtifactUnreachable"
    ARTIFACT_EMPTY = "ArtifactEmpty"
    DIGEST_MISMATCH = "DigestMismatch"
    MANIFEST_INVALID = "ManifestInvalid"
    SCHEMA_MISMATCH = "SchemaMismatch"
    MODEL_MISMATCH = "ModelMismatch"
    MODEL_LOAD_FAILED = "ModelLoadFailed"
    WARM_UP_FAILED = "WarmUpFailed"
    SETTINGS_INVALID = "SettingsInvalid"
    MODEL_SERVER_UNREACHABLE = "ModelServerUnreachable"
    MODEL_REFUSED = "ModelRefused"


class Failure(ContractModel):
    """A termination message: what happened, where, what to do."""

    reason: FailureReason
    message: str = Field(max_length=2_000)

    def to_text(self) -> str:
        """JSON within the kubelet's 4,096 bytes."""
        return self.model_dump_json(by_alias=True)

    @staticmethod
    def from_text(text: str) -> Failure | None:
        """The failure in a termination message, or None when the message is not one of ours."""
        try:
            return Failure.model_validate(orjson.loads(text))
        except (orjson.JSONDecodeError, ValidationError):
            return None


class ProbeReply(ContractModel):
    """Which bytes a pod serves, said by the pod after a prediction that went through the whole path."""

    model: str
    revision: str
    artifact_digest: str
    outputs: dict[str, float]
    prediction_id: str
