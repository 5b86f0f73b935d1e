"""A controller that asks the ledger's judge, and the MarketingModels that it reads, as the API server sends them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from marquee.contract.cohort import Arm
from marquee.ledger.access.models import Models
from marquee.ledger.errors import ModelsUnavailableError
from tests.support.ledger import Sender

STEPS: Final = (
    {"weight": 5, "minExposures": 10},
    {"weight": 25, "minExposures": 10},
    {"weight": 50, "minExposures": 10},
)


def external(*, steps: Any = STEPS, analysis: Any = None, **spec: Any) -> dict[str, Any]:
    """A MarketingModel that is only judged, with the API server's defaults filled in."""
    return {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "MarketingModel",
        "metadata": {"name": "any", "namespace": "any"},
        "spec": {
            "useCase": "Recommendation",
            "owner": {"team": "shop", "contact": "shop@example.com"},
            "serving": {"class": "External"},
            "rollout": {"steps": list(steps), "analysis": analysis or {"primary": {"outcome": "purchase"}}},
            **spec,
        },
    }


class KnownModels(Models):
    """Models in memory; the API server's own are read in tests/api."""

    def __init__(self) -> None:
        super().__init__(None)
        self.bodies: dict[str, dict[str, Any]] = {}
        self.away = False
        self.reads = 0

    async def read(self, path: str) -> dict[str, Any] | None:
        """The model, counted."""
        self.reads += 1
        if self.away:
            raise ModelsUnavailableError("the API server does not answer")
        return copy.deepcopy(self.bodies.get(path))


@dataclass
class Controller:
    """Argo Rollouts or Flagger, about one model."""

    http: httpx.Client
    model: str
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, **query: str) -> httpx.Response:
        """As Argo's web metric."""
        return self.http.get(f"/judge/{self.model}", params=query, headers=self.headers)

    def post(self, **query: str) -> httpx.Response:
        """As Argo's web metric with ``method: POST`` and no body."""
        return self.http.post(f"/judge/{self.model}", params=query, headers=self.headers)

    def flagger(self, verdict: str, checksum: str = "aaaa", **body: Any) -> httpx.Response:
        """As Flagger's webhook: the fields of its CanaryWebhookPayload."""
        return self.http.post(
            f"/judge/{self.model}",
            params={"verdict": verdict},
            json=self._payload(checksum) | body,
            headers=self.headers,
        )

    def begin(self, checksum: str = "aaaa") -> httpx.Response:
        """As Flagger's pre-rollout webhook."""
        return self.http.post(f"/judge/{self.model}/begin", json=self._payload(checksum), headers=self.headers)

    @staticmethod
    def _payload(checksum: str) -> dict[str, Any]:
        return {"name": "recommendations", "namespace": "shop", "phase": "Progressing", "checksum": checksum}


def fill(
    sender: Sender, rollout: str, step: int, *, canary: int, stable: int, bought: int, kept: int, tag: str = ""
) -> None:
    """Exposures of both arms in one step, and outcomes of the first so many of each."""
    for arm, count, successes in ((Arm.STABLE, stable, kept), (Arm.CANARY, canary, bought)):
        units = [f"{tag}{arm.label}-{step}-{number}" for number in range(count)]
        answer = sender.expose(sender.batch(units, rollout, step, arm))
        assert answer.status_code == 200, answer.text
        found = [{"model": sender.model, "rollout": rollout, "unit": unit, "outcome": "purchase"} for unit in units]
        for start in range(0, successes, 5_000):
            answer = sender.report(*found[start : min(successes, start + 5_000)])
            assert answer.status_code == 200, answer.text


def good(sender: Sender, rollout: str, step: int, **more: Any) -> None:
    """A step whose canary is shown to lose nothing, at the step's share."""
    stable, kept = ((1_900, 400), (300, 60), (100, 20))[step]
    fill(sender, rollout, step, canary=100, stable=stable, bought=60, kept=kept, **more)


def bad(sender: Sender, rollout: str, step: int = 0) -> None:
    """A step whose canary is shown to do harm."""
    fill(sender, rollout, step, canary=100, stable=1_900, bought=2, kept=400)
