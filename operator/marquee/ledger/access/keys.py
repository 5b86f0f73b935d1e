"""API keys of outcome senders. The file holds hashes alone, so whoever reads the Secret has no key.

A key is ``mqk_`` and 43 characters of URL-safe base64: 256 random bits. Nobody can guess such a key or find it from
its hash, so a plain SHA-256 is enough; slow password hashes protect short passwords.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError, field_validator

from marquee.contract.manifest import ContractModel
from marquee.ledger.access.senders import Role, Sender, UnauthenticatedError
from marquee.ledger.complaints import complaint
from marquee.ledger.errors import SettingsError

PREFIX: Final = "mqk_"
_RELOAD_SECONDS: Final = 10.0
"""How soon a key that was taken out of the file stops working; the kubelet needs up to a minute before that."""


class ApiKey(ContractModel):
    """One entry of the file."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] = Field(description="of the whole key")
    roles: tuple[Role, ...] = (Role.OUTCOMES,)
    models: tuple[Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9-]+/(\*|[a-z0-9-]+))$")], ...]

    @field_validator("roles")
    @classmethod
    def _no_author(cls, roles: tuple[Role, ...]) -> tuple[Role, ...]:
        if Role.AUDIT in roles:
            raise ValueError("audit: entries come from the operator's service account alone")
        return roles


class ApiKeyFile(ContractModel):
    """The file, as JSON: ``{"keys": [...]}``."""

    keys: tuple[ApiKey, ...] = Field(max_length=10_000)


class ApiKeys:
    """The keys of a file, which is read again when it changes.

    Raises:
        SettingsError: the file cannot be read, at the start. Later a broken file leaves the old keys in force.

    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._senders = _read(path)
        self._read_at = clock()
        self.broken = ""
        """Why the file could not be read when it was looked at last; empty when it could."""

    def sender(self, key: str) -> Sender:
        """The sender that a key belongs to.

        Raises:
            UnauthenticatedError: to none.

        """
        self._refresh()
        sender = self._senders.get(hashlib.sha256(key.encode()).hexdigest())
        if sender is None:
            raise UnauthenticatedError("the API key is not known, or was withdrawn")
        return sender

    def _refresh(self) -> None:
        if self._clock() - self._read_at < _RELOAD_SECONDS:
            return
        self._read_at = self._clock()
        try:
            self._senders = _read(self._path)
            self.broken = ""
        except SettingsError as error:
            self.broken = str(error)


def new_key() -> tuple[str, str]:
    """A new key, and the SHA-256 that goes into the file."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, hashlib.sha256(key.encode()).hexdigest()


def _read(path: Path) -> dict[str, Sender]:
    try:
        keys = ApiKeyFile.model_validate_json(path.read_bytes()).keys
    except OSError as error:
        raise SettingsError(f"the API keys cannot be read: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {complaint(error)}") from None
    return {key.sha256: Sender(f"key:{key.name}", frozenset(key.roles), key.models) for key in keys}
