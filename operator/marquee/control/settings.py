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

    watch_namespaces: tuple[str, ...] = ()
    """Namespaces to work in, separated by commas; empty: all of them."""

    pod_name: str = "marquee-operator"
    """Identity in the Lease; the chart passes the pod's name."""

    pod_namespace: str = "marquee-system"
    """Where the Lease is kept."""

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
