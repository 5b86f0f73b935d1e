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


def test_without_a_ledger_and_a_key_nothing_is_reported_or_signed() -> None:
    """All of it is off unless the operator sets it, and the model's path comes from two variables."""
    settings = Settings.from_environment(REQUIRED)
    assert (settings.ledger_url, settings.ledger_token_path, settings.spool_path) == (None, None, None)
    assert (settings.prediction_key_path, settings.slo_p99_milliseconds) == (None, None)
    assert settings.spool_bytes == 32 * 2**20
    assert settings.model_path == "marketing/lead-scoring"


@pytest.mark.parametrize(
    "url", ["http://ledger:8090", "https://[fd00::1]:8443/book", "http://ledger.marquee-system.svc"]
)
def test_a_ledger_may_be_anywhere(url: str) -> None:
    """Plain or encrypted, with or without a port and a path."""
    assert Settings.from_environment({**REQUIRED, "MARQUEE_LEDGER_URL": url}).ledger_url == url


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
        ("MARQUEE_SLO_P99_MILLISECONDS", "0"),
        ("MARQUEE_LEDGER_URL", "ledger:8090"),
        ("MARQUEE_LEDGER_URL", "ftp://ledger"),
        ("MARQUEE_LEDGER_URL", "http://user:secret@ledger"),
        ("MARQUEE_LEDGER_URL", "http://ledger:99999"),
        ("MARQUEE_LEDGER_URL", "http://ledger/?x=1"),
        ("MARQUEE_SPOOL_BYTES", "4096"),
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


def test_tritons_settings_are_json() -> None:
    """What the operator writes is read with all its defaults."""
    text = '{"backend":"python","maxBatchSize":8,"warmUp":{"batchSizes":[1]}}'
    triton = Settings.from_environment({**REQUIRED, "MARQUEE_TRITON": text}).triton
    assert triton is not None
    assert (triton.backend, triton.max_batch_size, triton.timeout_milliseconds) == ("python", 8, 2_000)
    assert triton.warm_up is not None
    assert Settings.from_environment(REQUIRED).triton is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid JSON"),
        ('{"backend": "caffe"}', "'onnxruntime', 'pytorch', 'tensorrt' or 'python'"),
        ('{"maxBatch": 8}', "Extra inputs are not permitted"),
        ('{"maxBatchSize": 0}', "greater than or equal to 1"),
    ],
)
def test_tritons_settings_that_are_wrong_name_the_variable(text: str, words: str) -> None:
    """An operator of another version, or a person, wrote something else."""
    with pytest.raises(CannotServeError) as error:
        Settings.from_environment({**REQUIRED, "MARQUEE_TRITON": text})
    assert error.value.reason is FailureReason.SETTINGS_INVALID
    assert "MARQUEE_TRITON: " in error.value.message
    assert words in error.value.message
