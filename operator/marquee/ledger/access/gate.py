"""The authenticator of a running ledger: API keys by their prefix, everything else as a service-account token."""

from __future__ import annotations

from marquee.ledger.access.keys import PREFIX, ApiKeys
from marquee.ledger.access.reviews import ServiceAccounts
from marquee.ledger.access.senders import Sender, UnauthenticatedError, token_of


class Gate:
    """Either kind of credentials may be switched off."""

    def __init__(self, keys: ApiKeys | None, accounts: ServiceAccounts | None) -> None:
        self._keys = keys
        self._accounts = accounts

    async def authenticate(self, authorization: str) -> Sender:
        """The sender behind an ``Authorization`` header.

        Raises:
            UnauthenticatedError: there is none.
            ReviewUnavailableError: nobody can say at the moment.

        """
        token = token_of(authorization)
        if token.startswith(PREFIX):
            if self._keys is None:
                raise UnauthenticatedError("this ledger has no API keys")
            return self._keys.sender(token)
        if self._accounts is None:
            raise UnauthenticatedError("this ledger takes API keys only")
        return await self._accounts.sender(token)
