"""Settings from the environment, and what is said when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from bentos.front.failures import CannotServeError
from bentos.front.settings import DEFAULT_SERVICE, Settings, variable
from marquee.contract.pod import FailureReason, Setting

REQUIRED = {
    "MARQUEE_MODEL": "lead-scoring",
    "MARQUEE_NAMESPACE": "marketing",
    "MARQUEE_REVISION": "lead-scoring-3",
    "MARQUEE_ARTIFACT_URI": "pvc://models/lead-scoring/3",
    "MARQUEE_ARTIFACT_DIGEST": "sha256:" + "a" * 64,
}


def test_defaults_fill_what_is_not_set() -> None:
    """A pod needs five variables; everything else has a default."""
    settings = Settings.from_environment(REQUIRED)
    assert settings.model == "lead-scoring"
    assert (settings.service, settings.threads, settings.drain_seconds) == (DEFAULT_SERVICE, 1, 15)
    assert settings.max_request_bytes == 2**20
    assert settings.listen == ":8080"
    assert settings.cache_path == Path("/var/cache/marquee")


def test_every_name_of_the_contract_is_read() -> None:
    """What the operator may render is what the front reads."""
    read = {variable(name) for name in Settings.model_fields}
    assert {setting.value for setting in Setting} <= read


def test_an_empty_variable_is_as_good_as_none() -> None:
    """A template that renders an empty string gets the default."""
    settings = Settings.from_environment({**REQUIRED, "MARQUEE_THREADS": "", "MARQUEE_SERVICE": ""})
    assert (settings.threads, settings.service) == (1, DEFAULT_SERVICE)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MARQUEE_MODEL", "Lead Scoring"),
        ("MARQUEE_ARTIFACT_DIGEST", "sha256:123"),
        ("MARQUEE_THREADS", "0"),
        ("MARQUEE_THREADS", "many"),
        ("MARQUEE_MAX_REQUEST_BYTES", "10"),
        ("MARQUEE_DRAIN_SECONDS", "-1"),
        ("MARQUEE_LOG_SAMPLE_RATE", "1.5"),
        ("MARQUEE_SERVICE", "not a path"),
        ("MARQUEE_LISTEN", "8080"),
        ("MARQUEE_METRICS_LISTEN", ":99999"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    """The message opens with the variable that is to be changed."""
    with pytest.raises(CannotServeError) as refused:
        Settings.from_environment({**REQUIRED, name: value})
    assert refused.value.reason is FailureReason.SETTINGS_INVALID
    assert refused.value.message.startswith(f"{name}: ")


def test_all_missing_variables_are_named_at_once() -> None:
    """Nobody has to start a pod five times to learn five names."""
    with pytest.raises(CannotServeError) as refused:
        Settings.from_environment({})
    for name in REQUIRED:
        assert f"{name}: is not set" in refused.value.message
