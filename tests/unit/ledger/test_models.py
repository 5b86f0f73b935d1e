"""What the ledger asks the API server about models, and how long it remembers; the real one is asked in tests/api."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marquee.ledger.access.apiserver import ApiServer
from marquee.ledger.access.models import KEPT_SECONDS, Models
from marquee.ledger.errors import ModelsUnavailableError
from marquee.ledger.service import _api_server
from tests.support.ledger import settings_of


class Answering(ApiServer):
    """An API server that answers what it is told to."""

    def __init__(self, status: int = 200, body: Any = None) -> None:
        super().__init__("https://127.0.0.1:1", Path("/nonexistent"), None)
        self.status, self.body = status, body or {"kind": "MarketingModel"}
        self.asked: list[str] = []

    async def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        assert (method, body) == ("GET", None)
        self.asked.append(path)
        return self.status, self.body


async def test_model_is_asked_for_by_its_path_and_kept_for_seconds() -> None:
    """Many questions about one model are one request; then it is read anew."""
    server, now = Answering(), [0.0]
    models = Models(server, clock=lambda: now[0])
    for _ in range(3):
        assert await models.read("shop/search") == {"kind": "MarketingModel"}
    assert server.asked == ["/apis/marquee.dev/v1alpha1/namespaces/shop/marketingmodels/search"]
    now[0] += KEPT_SECONDS
    await models.read("shop/search")
    assert len(server.asked) == 2


async def test_missing_model_is_kept_too_and_a_failure_is_not() -> None:
    """A controller that asks about nothing is no load; an API server that was away is asked again at once."""
    server = Answering(404)
    models = Models(server, clock=lambda: 0.0)
    assert [await models.read("shop/search") for _ in range(2)] == [None, None]
    assert len(server.asked) == 1
    server.status = 403
    for _ in range(2):
        with pytest.raises(ModelsUnavailableError, match=r"answered 403 .* needs the verb get on marketingmodels"):
            await models.read("shop/other")
    assert len(server.asked) == 3


async def test_silent_api_server_is_told(tmp_path: Path) -> None:
    """Nobody at that address: the words name the model that was to be read."""
    (tmp_path / "token").write_text("own", encoding="ascii")
    models = Models(ApiServer("https://127.0.0.1:1", tmp_path / "token", None))
    with pytest.raises(ModelsUnavailableError, match="could not be asked for MarketingModel shop/search"):
        await models.read("shop/search")


def test_pod_without_a_token_starts_where_it_needs_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A ledger that takes API keys alone may run in a pod whose account is not mounted; it judges nothing then."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    assert _api_server(settings_of(tmp_path, service_account_path=tmp_path / "none")) is None
