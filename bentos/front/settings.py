"""The settings of a predictor pod, read from its environment and checked before anything else happens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from bentos.front.failures import CannotServeError
from marquee.contract.manifest import ModelName, Sha256
from marquee.contract.pod import (
    ARTIFACT_CACHE_PATH,
    METRICS_PORT,
    PVC_MOUNT_ROOT,
    SERVING_PORT,
    TERMINATION_MESSAGE_PATH,
    FailureReason,
    Setting,
)

DEFAULT_SERVICE: Final = "bentos.generic.service:GenericModel"

KubernetesName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
ServicePath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
ListenAddress = Annotated[str, StringConstraints(pattern=r"^[^\s]*:\d{1,5}$")]


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

    listen: ListenAddress = f":{SERVING_PORT}"
    """``host:port``; no host means every address. This and the rest is for runs outside of a pod."""
    metrics_listen: ListenAddress = f":{METRICS_PORT}"
    cache_path: Path = Path(ARTIFACT_CACHE_PATH)
    pvc_root: Path = Path(PVC_MOUNT_ROOT)
    termination_message_path: Path = Path(TERMINATION_MESSAGE_PATH)

    @field_validator("listen", "metrics_listen")
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
