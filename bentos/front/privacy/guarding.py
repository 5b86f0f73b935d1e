"""Says of each request whether the model may be asked about its subject, and counts those about whom it may not."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Literal

from bentos.front.heads import Head
from bentos.front.privacy.consent import Consent
from bentos.front.privacy.polling import Polling
from bentos.front.privacy.suppressions import Suppressions
from bentos.front.problems import ProblemError
from marquee.contract.pod import HEADER_UNIT
from marquee.contract.privacy import HEADER_PURPOSE_TOKEN, HEADER_PURPOSES, PrivacySettings

Reason = Literal["consent", "suppressed"]
REASONS: Final[tuple[Reason, ...]] = ("consent", "suppressed")


class Guard:
    """Of one model; for the event loop alone.

    Args:
        settings: what ``spec.privacy`` says.
        consent: how it is shown; None: it is not asked for.
        suppressions: as the ledger tells them; None: there is no ledger.
        polling: keeps them up to date.

    """

    def __init__(
        self,
        settings: PrivacySettings,
        *,
        consent: Consent | None = None,
        suppressions: Suppressions | None = None,
        polling: Polling | None = None,
    ) -> None:
        self.settings = settings
        self.consent = consent
        self.suppressions = suppressions
        self.polling = polling
        self.withheld = dict.fromkeys(REASONS, 0)
        """Requests that were answered without the model, or refused."""

    def why_withheld(self, head: Head) -> Reason | None:
        """Why the model may not be asked; None: it may. Who is suppressed is so whatever the request says.

        Raises:
            ProblemError: 403 ``purpose-token-invalid``.

        """
        given = self.consent is None or self.consent.is_given(head)
        unit = head.caller.named
        reason: Reason
        if self.suppressions is not None and unit is not None and unit in self.suppressions:
            reason = "suppressed"
        elif not given:
            reason = "consent"
        else:
            return None
        self.withheld[reason] += 1
        return reason

    def refusal(self, reason: Reason) -> ProblemError:
        """403, where nothing is answered instead."""
        if reason == "suppressed":
            return ProblemError(
                HTTPStatus.FORBIDDEN,
                "subject-suppressed",
                f"the model does not decide about the unit that {HEADER_UNIT} names; take your default for it",
            )
        header = HEADER_PURPOSE_TOKEN if self.settings.by_token else HEADER_PURPOSES
        needed = ", ".join(self.settings.purposes)
        return ProblemError(
            HTTPStatus.FORBIDDEN,
            "consent-missing",
            f"the model needs its subject's consent to: {needed}; {header} does not show it. Take your default",
        )
