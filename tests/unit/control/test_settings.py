from __future__ import annotations

import pytest

from marquee.control.settings import Settings, SettingsError, settings_from


def test_without_a_variable_there_is_no_ledger() -> None:
    """An installation without a ledger sets nothing; the token's place is where the chart projects it."""
    settings = settings_from({})

    assert (settings.ledger_url, settings.evidence_seconds) == ("", 10.0)
    assert settings.ledger_token_path == "/var/run/secrets/marquee-ledger/token"


def test_ledger_is_set_by_the_environment() -> None:
    """Address, token and period each have a variable."""
    settings = settings_from(
        {
            "MARQUEE_OPERATOR_LEDGER_URL": "http://ledger:8090",
            "MARQUEE_OPERATOR_LEDGER_TOKEN_PATH": "/token",
            "MARQUEE_OPERATOR_EVIDENCE_SECONDS": "2.5",
        }
    )

    assert settings == Settings(ledger_url="http://ledger:8090", ledger_token_path="/token", evidence_seconds=2.5)


@pytest.mark.parametrize("text", ["soon", "-1"])
def test_period_that_is_none_names_its_variable(text: str) -> None:
    """A wrong value ends the start with the variable's name."""
    with pytest.raises(SettingsError, match="MARQUEE_OPERATOR_EVIDENCE_SECONDS"):
        settings_from({"MARQUEE_OPERATOR_EVIDENCE_SECONDS": text})
