"""What a model's pods send about data subjects, and what whoever answers for them asks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from marquee.contract.assignment import unit_hash
from marquee.contract.privacy import ERASURES_PATH, PREDICTION_LOG_PATH, SUPPRESSIONS_PATH


@dataclass(frozen=True)
class People:
    """About one model."""

    http: httpx.Client
    model: str

    def decision(self, unit: str, *, at: float = 0, **changes: Any) -> dict[str, Any]:
        """One decision about a unit, made now unless a time in seconds is given."""
        given = {
            "subject": unit_hash(self.model, unit).hex(),
            "milliseconds": round((at or time.time()) * 1_000),
            "rollout": "r",
            "arm": "canary",
            "inputs": {"visits": 3.0, "country": "CH", "age": None},
            "outputs": {"probability": 0.25},
            "reasons": {"visits": 0.125},
        }
        return given | changes

    def batch(self, decisions: Iterable[dict[str, Any]], **changes: Any) -> dict[str, Any]:
        """A batch of them."""
        given = {
            "batchId": secrets.token_hex(16),
            "model": self.model,
            "revision": "lead-v1",
            "retentionDays": 180,
            "decisions": list(decisions),
        }
        return given | changes

    def send(self, batch: dict[str, Any], **headers: str) -> httpx.Response:
        """POST it."""
        return self.http.post(PREDICTION_LOG_PATH, json=batch, headers=headers)

    def log(self, *units: str, **changes: Any) -> None:
        """A decision about each unit, kept."""
        answer = self.send(self.batch([self.decision(unit, **changes) for unit in units]))
        assert answer.status_code == 200, answer.text

    def ask(self, unit: str, **params: str) -> dict[str, Any]:
        """What is kept of a unit."""
        answer = self.http.get(f"{PREDICTION_LOG_PATH}/{self.model}", params={"unit": unit, **params})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def kept(self, unit: str) -> int:
        """How many decisions."""
        return len(self.ask(unit)["decisions"])

    def listed(self, method: str, *units: str, **headers: str) -> httpx.Response:
        """POST or DELETE of the suppression list."""
        return self.http.request(
            method, f"{SUPPRESSIONS_PATH}/{self.model}", json={"units": list(units)}, headers=headers
        )

    def suppressions(self, after: str = "", **headers: str) -> httpx.Response:
        """A page of the list."""
        params = {"after": after} if after else {}
        return self.http.get(f"{SUPPRESSIONS_PATH}/{self.model}", params=params, headers=headers)

    def erase(self, unit: str, **changes: Any) -> httpx.Response:
        """Forget a unit, of this model unless another one or none is given."""
        given = {"unit": unit, "model": self.model} | changes
        body = {name: value for name, value in given.items() if value is not None}
        return self.http.post(ERASURES_PATH, json=body)


def kind_of(answer: httpx.Response) -> str:
    """The kind of a problem."""
    return str(answer.json()["type"]).rpartition(":")[2]
