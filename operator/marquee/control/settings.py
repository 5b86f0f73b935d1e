"""The operator's settings: what may differ between clusters, with unit, default and reason."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final

_PREFIX: Final = "MARQUEE_OPERATOR_"


class SettingsError(ValueError):
    """An environment variable of the operator has a value that it cannot use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field is read from ``MARQUEE_OPERATOR_<FIELD>``; the chart sets them from its values."""

    predictor_image: str = "marquee/predictor:0.1.0"
    """Image of pods whose model names none."""

    predictor_image_pull_policy: str = "IfNotPresent"
    """A tag is expected never to move; the artifact's digest is what pins the model."""

    predictor_image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the models' namespaces, separated by commas in the environment."""

    triton_image: str = "nvcr.io/nvidia/tritonserver:24.10-py3"
    """Image of Triton for models that ask for it and name none: of the release that Marquee is tested with."""

    trainer_image: str = "marquee/trainer:0.1.0"
    """Image of retraining runs whose model names none."""

    trainer_image_pull_policy: str = "IfNotPresent"
    """A tag is expected never to move."""

    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to work in, separated by commas; empty: all of them."""

    pod_name: str = "marquee-operator"
    """Identity in the Lease; the chart passes the pod's name."""

    pod_namespace: str = "marquee-system"
    """Where the Lease is kept."""

    user_name: str = ""
    """As whom the API server knows the operator: the author of revisions that come from retraining. Empty: none is
    said, and such revisions cannot be approved."""

    lease_name: str = "marquee-operator"
    """Operators with the same Lease take turns; two installations in one cluster need two names."""

    http_host: str = "0.0.0.0"  # noqa: S104 - the kubelet's probes come from outside of the pod
    """Address of the operator's own health and metrics pages."""

    http_port: int = 8081
    """Port of ``/healthz``, ``/readyz`` and ``/metrics``; 0 takes a free one (tests)."""

    workers: int = 10
    """Models reconciled at once: the API server is the brake, and it needs some parallelism to be quick."""

    resync_seconds: float = 600.0
    """Every model is looked at again this often, in case an event was lost. A converged model costs no write."""

    catch_up_seconds: float = 60.0
    """Longest wait, after a start, for the watch to deliver what exists; then work begins with what is known."""

    probe_timeout_seconds: float = 10.0
    """A probe prediction that takes longer has failed."""

    ledger_url: str = ""
    """Address of the ledger, such as ``http://marquee-ledger.marquee-system:8090``; empty: there is none, and no
    rollout can be judged."""

    ledger_token_path: str = "/var/run/secrets/marquee-ledger/token"  # noqa: S105 - a path, not a token
    """File of the service-account token that is projected for the ledger's audience; empty: send none, for a ledger
    that lets everybody in (a laptop)."""

    audit_key_path: str = ""
    """File with the private key that entries of the audit log are signed with, as 64 hexadecimal digits or as its text;
    empty: nothing is entered."""

    audit_author: str = "marquee-operator"
    """Name of that key, where the file does not say it."""

    audit_url: str = ""
    """Address of the ledger that keeps the audit log; empty: the one that counts."""

    evidence_seconds: float = 10.0
    """How often the ledger is asked for the integers of running rollouts. A step lasts minutes at least."""

    drift_seconds: float = 300.0
    """How often the ledger is asked for the windows of a model that is watched for drift. A window lasts 15 minutes at
    least, and is complete 5 minutes after its end."""

    demand_url: str = ""
    """Where KEDA asks what a revision has to do: this process's page, such as
    ``http://marquee-metrics.marquee-system.svc:8081/demand``; empty: models can't be scaled by requests."""

    demand_authentication: str = ""
    """Name of KEDA's ClusterTriggerAuthentication for that page; empty: it needs none."""

    demand_token_path: str = ""
    """File of the token that whoever asks there must bear; empty: everybody who reaches the port may ask."""

    log_level: str = "INFO"
    """``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``."""

    log_format: str = field(default="json")
    """``json`` for machines, ``console`` for people."""


def settings_from(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a variable cannot be converted, with its name and what it should look like.

    """
    values: dict[str, object] = {}
    for setting in fields(Settings):
        variable = _PREFIX + setting.name.upper()
        if (text := environment.get(variable)) is None or text == "":
            continue
        values[setting.name] = _convert(variable, text, setting.default)
    return Settings(**values)  # type: ignore[arg-type]


def _convert(variable: str, text: str, default: object) -> object:
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, str):
        return text
    kind = type(default)
    try:
        number = kind(text)  # type: ignore[call-arg]
    except ValueError:
        raise SettingsError(f"{variable}={text!r}: must be a number ({kind.__name__}), e.g. {default}") from None
    if number < 0:  # type: ignore[operator]
        raise SettingsError(f"{variable}={text!r}: must not be negative")
    return number
