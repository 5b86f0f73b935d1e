"""The ledger's settings: what may differ between installations, with unit, default and reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from marquee.ledger.errors import SettingsError

PREFIX: Final = "MARQUEE_LEDGER_"

Account = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+:[a-z0-9.-]+$")]


class Settings(BaseModel):
    """Each field is read from ``MARQUEE_LEDGER_<FIELD>``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = "sqlite:////var/lib/marquee/ledger.db"
    """``sqlite:////path/to/file`` on a volume of this pod alone, or ``postgresql://user:password@host/database``."""

    http_host: str = "0.0.0.0"  # noqa: S104 - predictors and the kubelet come from outside of the pod
    """Address to listen on."""

    http_port: int = Field(default=8090, ge=0, le=65_535)
    """Port of everything; 0 takes a free one and logs it."""

    master_keys_path: Path = Path("/etc/marquee/prediction-keys")
    """Folder of master keys: one file a key, named by its id, with at least 64 hexadecimal digits."""

    api_keys_path: Path | None = None
    """File of API keys of outcome senders; none: there are no API keys."""

    service_accounts: bool = True
    """Whether service-account tokens are taken, and reviewed by the cluster's API server."""

    service_account_path: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    """Folder of the ledger's own token and the cluster's certificate, as the kubelet mounts it into every pod."""

    operators: tuple[Account, ...] = ("marquee-system:marquee",)
    """``namespace:name`` of the service accounts that declare rollouts and read statistics, separated by commas."""

    privacy_officers: tuple[Account, ...] = ()
    """The same of those that answer data subjects: they read what is kept of one, suppress and erase."""

    audit_path: Path | None = None
    """Folder of the audit log, on a volume of this pod alone: a log has one writer. None: this ledger keeps no log."""

    audit_keys_path: Path = Path("/etc/marquee/audit-log")
    """Folder with the log's private key in a file ``key``, as 64 hexadecimal digits or as its text. Public keys that
    have signed before are in a file ``retired``, one a line, where there are any."""

    audit_origin: str = Field(default="marquee", pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,199}$")
    """Name of the log and of its key. It stands in every checkpoint, so it stays as it is."""

    audit_witnesses: tuple[str, ...] = ()
    """Who is asked to cosign checkpoints: each a witness's public key, a space and its address; separated by commas."""

    audit_quorum: int = Field(default=1, ge=1, le=64)
    """So many of them must have cosigned a checkpoint before proofs are given against it."""

    audit_url: str = ""
    """Where the ledger is that keeps the log, when this one has the same database and no log: erasures are for that
    one. Empty: there is no other."""

    unauthenticated: bool = False
    """Let everybody do everything. Only on a loopback address: for tests and a laptop."""

    exposures_per_second: float = Field(default=20_000, gt=0)
    """Quota of a predictor's service account, over all its pods, in units and counts."""

    outcomes_per_second: float = Field(default=5_000, gt=0)
    """Quota of an outcome sender."""

    burst_seconds: float = Field(default=60, gt=0)
    """So many seconds' worth may come at once; a predictor that sends its spool after an outage needs some."""

    drain_seconds: float = Field(default=10.0, ge=0, le=600)
    """After SIGTERM, the time in which requests are still answered while endpoints go away."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level of a log line."""

    @model_validator(mode="after")
    def _somebody_may_in(self) -> Settings:
        if self.unauthenticated and not _is_loopback(self.http_host):
            raise ValueError(f"unauthenticated is for loopback addresses only, not for {self.http_host}")
        if not (self.unauthenticated or self.service_accounts or self.api_keys_path):
            raise ValueError("nobody could send anything: switch service_accounts on, or set api_keys_path")
        return self


def settings_from(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; an empty variable counts as absent.

    Names that are not known are left alone: Kubernetes sets MARQUEE_LEDGER_PORT and more for a Service of that name.

    Raises:
        SettingsError: a variable has a value that cannot be used.

    """
    given: dict[str, object] = {
        name: value for name in Settings.model_fields if (value := environment.get(PREFIX + name.upper()))
    }
    for name in ("operators", "privacy_officers", "audit_witnesses"):
        if isinstance(parts := given.get(name), str):
            given[name] = tuple(part.strip() for part in parts.split(",") if part.strip())
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        words = [
            f"{PREFIX}{str(item['loc'][0]).upper() if item['loc'] else '*'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        raise SettingsError("; ".join(words)) from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
