"""Who talks to the ledger, and the port that finds it out."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

ANY_MODEL: Final = "*"


class Role(StrEnum):
    """What a sender may do."""

    EXPOSURES = "exposures"
    """Send exposures and counts: predictors."""
    OUTCOMES = "outcomes"
    """Report outcomes: shops, apps, data pipelines."""
    STATISTICS = "statistics"
    """Read the integers."""
    ROLLOUTS = "rollouts"
    """Declare and close rollouts: the operator."""
    VERDICTS = "verdicts"
    """Ask for verdicts, and move a rollout on by them: Argo Rollouts, Flagger."""
    SUBJECTS = "subjects"
    """Read what is kept of a data subject, suppress and erase: whoever answers for the people."""
    AUDIT = "audit"
    """Append to the audit log: the operator's service account, and no key."""


class UnauthenticatedError(Exception):
    """The credentials are missing, wrong or expired."""


class ReviewUnavailableError(Exception):
    """Nobody could say whether the credentials are good; they may be tried again."""


@dataclass(frozen=True, slots=True)
class Sender:
    """An authenticated sender."""

    name: str
    """For metrics, quotas and logs: ``system:serviceaccount:marketing:default``, ``key:shop``."""
    roles: frozenset[Role]
    models: tuple[str, ...]
    """``namespace/name``, ``namespace/*`` or ``*``."""
    predictor_of: str = ""
    """``namespace/name`` of the model whose pods have this identity."""

    def may(self, role: Role, model: str) -> bool:
        """Whether the sender may do something about a model."""
        return role in self.roles and any(_covers(pattern, model) for pattern in self.models)

    def serves(self, model: str) -> bool:
        """Whether the sender is a pod of that very model, by its service account."""
        return self.predictor_of in {model, ANY_MODEL}


class Authenticator(Protocol):
    """Finds out who is asking."""

    async def authenticate(self, authorization: str) -> Sender:
        """The sender behind an ``Authorization`` header, which may be empty.

        Raises:
            UnauthenticatedError: with what is wrong.
            ReviewUnavailableError: it cannot be found out at the moment.

        """


class Everybody:
    """Lets everybody do everything: for tests and a laptop, and only on a loopback address."""

    async def authenticate(self, authorization: str) -> Sender:  # noqa: ARG002 - the port's signature
        """A sender with all roles."""
        return Sender("everybody", frozenset(Role), ("*",), predictor_of=ANY_MODEL)


def token_of(authorization: str) -> str:
    """The token of a ``Bearer`` header, or the password of a ``Basic`` one: all that a URL can carry.

    Raises:
        UnauthenticatedError: there is none.

    """
    scheme, _, credentials = authorization.partition(" ")
    token = credentials.strip()
    if scheme.lower() == "basic":
        token = _password(token)
    elif scheme.lower() != "bearer":
        token = ""
    if not token:
        raise UnauthenticatedError("send 'Authorization: Bearer ...' with a service-account token or an API key")
    return token


def _password(credentials: str) -> str:
    """RFC 7617: what stands behind the first colon; empty when it cannot be read."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""


def _covers(pattern: str, model: str) -> bool:
    return pattern in {"*", model} or (pattern.endswith("/*") and model.startswith(pattern[:-1]))
