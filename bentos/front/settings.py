"""The settings of a predictor pod, read from its environment and checked before anything else happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from bentos.front.failures import CannotServeError
from marquee.contract.manifest import ModelName, Sha256
from marquee.contract.pod import (
    ARTIFACT_CACHE_PATH,
    METRICS_PORT,
    PURPOSE_KEYS_PATH,
    PVC_MOUNT_ROOT,
    SERVING_PORT,
    TERMINATION_MESSAGE_PATH,
    FailureReason,
    Setting,
)
from marquee.contract.privacy import PrivacySettings
from marquee.contract.triton import GRPC_ADDRESS, REPOSITORY_PATH, TritonSettings
from marquee.contract.triton import METRICS_PORT as TRITON_METRICS_PORT

DEFAULT_SERVICE: Final = "bentos.generic.service:GenericModel"

KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
ServicePath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
ListenAddress = Annotated[str, StringConstraints(pattern=r"^[^\s]*:\d{1,5}$")]
LedgerUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$")]


class Settings(BaseModel):
    """What a pod was told. Each field is the environment variable ``MARQUEE_<FIELD>``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: ModelName
    namespace: KubernetesName
    revision: KubernetesName
    artifact_uri: Annotated[str, StringConstraints(min_length=1, max_length=2_048)]
    artifact_digest: Sha256
    service: ServicePath = DEFAULT_SERVICE
    max_request_bytes: int = Field(default=2**20, ge=1_024, le=64 * 2**20)
    threads: int = Field(default=1, ge=1, le=64)
    drain_seconds: float = Field(default=15.0, ge=0, le=3_600)
    log_sample_rate: float = Field(default=0.01, ge=0, le=1)
    slo_p99_milliseconds: float | None = Field(default=None, gt=0)
    """Slower answers are counted as slow; None: none are."""
    prediction_cache_ttl_seconds: int | None = Field(default=None, ge=1, le=86_400)
    """How long an answer may be given again for the same input; None: the model is asked each time."""
    prediction_cache_max_entries: int = Field(default=10_000, ge=1, le=100_000)
    cost_per_pod_hour: float | None = Field(default=None, gt=0)
    """Price of this pod; None: no cost is shown."""
    cost_currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "XXX"
    """ISO 4217; XXX is its code for no currency."""
    prediction_key_path: Path | None = None
    """Key of signed prediction ids; None: ids are random."""
    ledger_url: LedgerUrl | None = None
    """Where exposures are reported; None: nowhere."""
    ledger_token_path: Path | None = None
    stamping: Literal["gateway", "pod"] = "gateway"
    """Who says which cohort a request belongs to; the pod itself does by what the ledger tells it."""
    spool_path: Path | None = None
    """Folder of what waits for the ledger; None: it waits in memory."""
    spool_bytes: int = Field(default=32 * 2**20, ge=2**20, le=2**40)
    """A pod that answers 5,000 requests of new units a second fills 27 MB in ten minutes."""

    explanations: bool = False
    """Whether questions for explanations are answered."""
    privacy: PrivacySettings | None = None
    """Consent, suppression, and decisions that are kept; None: the model has no ``spec.privacy``."""
    triton: TritonSettings | None = None
    """How the Triton beside the front serves the model; None: it runs in this process."""

    listen: ListenAddress = f":{SERVING_PORT}"
    """``host:port``; no host means every address. This and the rest is for runs outside of a pod."""
    metrics_listen: ListenAddress = f":{METRICS_PORT}"
    triton_address: ListenAddress = GRPC_ADDRESS
    triton_metrics_address: ListenAddress = f"127.0.0.1:{TRITON_METRICS_PORT}"
    triton_repository_path: Path = Path(REPOSITORY_PATH)
    cache_path: Path = Path(ARTIFACT_CACHE_PATH)
    purpose_keys_path: Path = Path(PURPOSE_KEYS_PATH)
    pvc_root: Path = Path(PVC_MOUNT_ROOT)
    termination_message_path: Path = Path(TERMINATION_MESSAGE_PATH)

    @property
    def model_path(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.model}"

    @field_validator("ledger_url")
    @classmethod
    def _port_is_a_number(cls, url: str | None) -> str | None:
        if url is not None:
            _ = urlsplit(url).port  # raises ValueError
        return url

    @field_validator("triton", mode="before")
    @classmethod
    def _triton_is_json(cls, given: object) -> object:
        return TritonSettings.model_validate_json(given) if isinstance(given, str) else given

    @field_validator("privacy", mode="before")
    @classmethod
    def _privacy_is_json(cls, given: object) -> object:
        return PrivacySettings.model_validate_json(given) if isinstance(given, str) else given

    @field_validator("stamping")
    @classmethod
    def _somebody_tells(cls, stamping: str, info: ValidationInfo) -> str:
        if stamping == "pod" and info.data.get("ledger_url") is None:
            raise ValueError(f"pod needs {Setting.LEDGER_URL}: the ledger tells which cohort it is")
        return stamping

    @field_validator("listen", "metrics_listen", "triton_address", "triton_metrics_address")
    @classmethod
    def _port_in_range(cls, address: str) -> str:
        if int(address.rpartition(":")[2]) > 65_535:
            raise ValueError("a port is at most 65535")
        return address

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from environment variables; an empty variable counts as absent.

        Raises:
            CannotServeError: ``SettingsInvalid``, naming each variable that is missing or wrong.

        """
        given = {name: environ[variable(name)] for name in cls.model_fields if environ.get(variable(name))}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            words = [
                f"{variable(str(item['loc'][0]))}: {_complaint(item['type'], item['msg'])}"
                for item in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            raise CannotServeError(FailureReason.SETTINGS_INVALID, "; ".join(words)) from None


def variable(name: str) -> str:
    """The environment variable of a field; the operator's names are those of `Setting`."""
    contract = Setting.__members__.get(name.upper())
    return contract.value if contract else f"MARQUEE_{name.upper()}"


def _complaint(kind: str, message: str) -> str:
    return "is not set, and has no default" if kind == "missing" else message
