"""The guard that the settings of a pod ask for, and whether an artifact fits what they say."""

from __future__ import annotations

import logging
import math
from typing import Final

from bentos.front.failures import CannotServeError
from bentos.front.privacy.consent import BelievedPurposes, Consent, SignedPurposes
from bentos.front.privacy.guarding import Guard
from bentos.front.privacy.keys import PurposeKeys
from bentos.front.privacy.polling import Polling
from bentos.front.privacy.suppressions import Suppressions
from bentos.front.privacy.tokens import Tokens
from bentos.front.reporting.sending import Ledger
from bentos.front.settings import Settings
from marquee.contract.manifest import Manifest
from marquee.contract.pod import FailureReason, Setting
from marquee.contract.privacy import PrivacySettings

log = logging.getLogger(__name__)

MAX_LOGGED_OUTPUTS: Final = 100
"""As the ledger takes them."""
_NAMED: Final = 5


def guard_of(settings: Settings) -> Guard | None:
    """A guard, with a thread that asks the ledger whom the model must not decide about; None: the model has no
    ``spec.privacy``.

    Raises:
        CannotServeError: ``SettingsInvalid``: there is no usable key of tokens, or no ledger that decisions go to.

    """
    privacy = settings.privacy
    if privacy is None:
        return None
    if privacy.log_permille and settings.ledger_url is None:
        raise _invalid(
            f"predictionLog needs a ledger, and {Setting.LEDGER_URL} is not set; leave it out, or install one"
        )
    consent = _consent(privacy, settings)
    if settings.ledger_url is None:
        log.info("there is no ledger: nobody can be suppressed")
        return Guard(privacy, consent=consent)
    suppressions = Suppressions()
    ledger = Ledger(settings.ledger_url, settings.ledger_token_path)
    polling = Polling(suppressions, ledger, settings.model_path, settings.spool_path)
    polling.start()
    return Guard(privacy, consent=consent, suppressions=suppressions, polling=polling)


def _consent(privacy: PrivacySettings, settings: Settings) -> Consent | None:
    if not privacy.purposes:
        return None
    if not privacy.by_token:
        return BelievedPurposes(privacy.purposes)
    keys = PurposeKeys(settings.purpose_keys_path)
    return SignedPurposes(privacy.purposes, Tokens(keys, audience=settings.model_path))


def check_against(privacy: PrivacySettings, manifest: Manifest) -> None:
    """Whether an artifact has what the settings name.

    Raises:
        CannotServeError: ``SettingsInvalid``, naming what it has not, or what is missing.

    """
    outputs, inputs = [field.name for field in manifest.outputs], {field.name for field in manifest.inputs}
    if (answer := privacy.withheld_answer) is not None:
        if unknown := sorted(answer.keys() - set(outputs)):
            raise _invalid(f"withheldAnswer: the artifact has no output {_listed(unknown)}; it has {_listed(outputs)}")
        if missing := [name for name in outputs if name not in answer]:
            raise _invalid(
                f"withheldAnswer: says nothing of the artifact's output {_listed(missing)}; it must be whole"
            )
        if endless := [name for name, value in answer.items() if not math.isfinite(value)]:
            raise _invalid(f"withheldAnswer: {_listed(endless)} must be a finite number")
    if unknown := [name for name in privacy.log_inputs if name not in inputs]:
        raise _invalid(f"predictionLog.inputs: the artifact has no input {_listed(unknown)}; correct or remove it")
    if privacy.log_permille and len(outputs) > MAX_LOGGED_OUTPUTS:
        raise _invalid(f"predictionLog: a decision has up to {MAX_LOGGED_OUTPUTS} outputs, the artifact {len(outputs)}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _invalid(detail: str) -> CannotServeError:
    return CannotServeError(FailureReason.SETTINGS_INVALID, f"{Setting.PRIVACY}: spec.privacy: {detail}")
