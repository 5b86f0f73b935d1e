"""The demo's second act: a better revision is promoted and a harmful one is taken back, on what users do.

Nobody is asked meanwhile. The revisions are the same bytes under other names: what differs is how likely simulated
users buy after their predictions, and that is all that a verdict on business outcomes looks at.
"""

from __future__ import annotations

import base64
import copy
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from demo.audience import Audience
from demo.errors import DemoError
from demo.forwarding import forwarded
from demo.plugin import marquee
from demo.purchases import Purchases
from demo.target import Target
from localcluster.stages import Stages
from marquee.client import LedgerClient, ModelClient
from marquee.ledger.access.keys import ApiKey, ApiKeyFile, new_key

RAMP: Final = Path(__file__).parent / "resources" / "lead-scoring-ramp.yaml"
API_KEYS: Final = "marquee-demo-api-keys"
LEDGER: Final = "marquee-ledger"
LEDGER_PORT: Final = 8090
RATE: Final = 60.0
STABLE_CHANCE: Final = 0.30
BETTER_CHANCE: Final = 0.42
HARMFUL_CHANCE: Final = 0.14
"""How likely a simulated user buys after a prediction of that version."""
VERDICT_SECONDS: Final = 240.0
_POLL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Entrance:
    """The gateway that users come through."""

    name: str
    namespace: str
    url: str


def find_entrance(target: Target, stages: Stages) -> Entrance | None:
    """The local cluster's gateway, or the one of ``$MARQUEE_GATEWAY`` (NAMESPACE/NAME=URL); None: there is none.

    Raises:
        DemoError: the variable says something else.

    """
    if target.local is not None:
        gateway = target.local.gateway(stages)
        return Entrance(gateway.name, gateway.namespace, gateway.url)
    if not (text := os.environ.get("MARQUEE_GATEWAY", "")):
        return None
    where, found, url = text.partition("=")
    namespace, slash, name = where.partition("/")
    if not (found and slash and url.startswith("http")):
        raise DemoError(f"MARQUEE_GATEWAY={text}: say NAMESPACE/NAME=http://ADDRESS of a Gateway and where it answers")
    return Entrance(name, namespace, url)


def provide_api_key(target: Target, namespace: str) -> str:
    """The API key by which the demo reports outcomes; an earlier run's, or a new one."""
    stored = target.get("secret", API_KEYS, namespace)
    if stored is not None:
        return base64.b64decode(stored["data"]["key"]).decode()
    key, digest = new_key()
    file = ApiKeyFile(keys=(ApiKey(name="demo", sha256=digest, models=("*",)),))
    target.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": API_KEYS, "namespace": namespace},
            "stringData": {"key": key, "keys.json": file.model_dump_json(by_alias=True)},
        },
    )
    return key


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the act is played, and what it needs."""

    target: Target
    entrance: Entrance
    system: str
    """Namespace of the operator and the ledger."""
    api_key: str
    inputs: dict[str, Any]
    """What users ask."""
    stages: Stages


def with_ramp(body: dict[str, Any], entrance: Entrance) -> dict[str, Any]:
    """The model behind this gateway, with the blocks of `RAMP`."""
    added = _ramp()
    added["traffic"]["gateway"] = {"name": entrance.name, "namespace": entrance.namespace}
    return body | {"spec": body["spec"] | added}


def _ramp() -> dict[str, Any]:
    blocks: dict[str, Any] = yaml.safe_load(RAMP.read_text())["spec"]
    return blocks


def forget_rejected(target: Target, namespace: str, model: str, stages: Stages) -> None:
    """Remove the revision that an earlier run has seen taken back: it is the newest, and would be wanted still."""
    rollout = _status(target, namespace, model).get("rollout") or {}
    if rollout.get("result") in {"RolledBack", "Aborted"}:
        target.kubectl("delete", "modelrevision", rollout["revision"], "-n", namespace, "--ignore-not-found")
        stages.say(f"revision {rollout['revision']}: taken back by an earlier run, removed")


def play(stage: Stage, namespace: str, model: str) -> None:
    """Promote a better version, take a harmful one back.

    Raises:
        DemoError: a verdict is missing, or is not the one that the simulated users deserve.

    """
    status = _status(stage.target, namespace, model)
    stable, rollout = status["stable"]["revision"], status.get("rollout") or {}
    # the one that was removed has still been taken back: its name is not used again
    known = [*_revisions(stage.target, namespace, model), rollout.get("revision", stable)]
    number = 1 + max(int(name.rpartition("-v")[2]) for name in known)
    better, harmful = f"{model}-v{number}", f"{model}-v{number + 1}"
    chances = {stable: STABLE_CHANCE, better: BETTER_CHANCE, harmful: HARMFUL_CHANCE}
    with _audience(stage, namespace, model, chances) as audience:
        for revision, after, deserved in ((better, stable, "Promoted"), (harmful, better, "RolledBack")):
            _release(stage.target, namespace, revision, after)
            stage.stages.say(f"revision {revision}: applied; its users buy with {chances[revision]:.0%} chance")
            started = time.monotonic()
            result = _result(stage, namespace, model, revision, audience)
            stage.stages.say(f"revision {revision}: {result} after {time.monotonic() - started:.0f} s")
            if result != deserved:
                raise DemoError(f"revision {revision} was {result}, and its users deserved {deserved}")
            _show(stage.target, namespace, model)
    answered = ", ".join(f"{count:,} by {name}" for name, count in sorted(audience.answered.items()))
    stage.stages.say(f"users: {answered}; {len(audience.failures)} requests failed")


@contextmanager
def _audience(stage: Stage, namespace: str, model: str, chances: dict[str, float]) -> Iterator[Audience]:
    """Simulated users that ask through the gateway while the block runs."""
    prefix = _ramp()["traffic"]["pathPrefix"]
    with (
        forwarded(stage.target, LEDGER, stage.system, port=LEDGER_PORT) as ledger_url,
        ModelClient(f"{namespace}/{model}", f"{stage.entrance.url}{prefix}", timeout_seconds=5.0) as asked,
        LedgerClient(ledger_url, api_key=stage.api_key) as ledger,
        Audience(asked, stage.inputs, Purchases(ledger, chances), RATE).asking() as audience,
    ):
        yield audience


def _release(target: Target, namespace: str, name: str, after: str) -> None:
    """Apply a revision of the same artifact as the one after which it comes; labels make the model follow it."""
    body = target.get("modelrevision", after, namespace)
    if body is None:
        raise DemoError(f"revision {after} is gone")
    revision = copy.deepcopy(body)
    revision["metadata"] = {"name": name, "namespace": namespace, "labels": body["metadata"]["labels"]}
    target.apply(revision)


def _result(stage: Stage, namespace: str, model: str, revision: str, audience: Audience) -> str:
    """How the rollout of a revision ended, telling each step on the way.

    Raises:
        DemoError: it did not end in time.

    """
    deadline, told = time.monotonic() + VERDICT_SECONDS, ""
    while time.monotonic() < deadline:
        rollout = _status(stage.target, namespace, model).get("rollout") or {}
        if rollout.get("revision") == revision:
            line = f"step {rollout['progress']} at {rollout['weight']} %: {rollout.get('verdict') or 'no verdict yet'}"
            if line != told:
                stage.stages.say(f"  {line}")
                told = line
            if rollout.get("result"):
                return str(rollout["result"])
        time.sleep(_POLL_SECONDS)
    purchases = audience.purchases
    raise DemoError(
        f"no verdict on {revision} within {VERDICT_SECONDS:.0f} s\n"
        f"{stage.target.kubectl('describe', 'marketingmodel', model, '-n', namespace)}\n"
        f"users: {dict(audience.answered)}, bought: {dict(purchases.bought)}, "
        f"failures: {audience.failures[:3]}, refused: {(purchases.refused + purchases.given_up)[:3]}"
    )


def _revisions(target: Target, namespace: str, model: str) -> list[str]:
    found = target.list("modelrevisions", namespace)
    return [body["metadata"]["name"] for body in found if body["spec"]["model"] == model]


def _status(target: Target, namespace: str, model: str) -> dict[str, Any]:
    status: dict[str, Any] = (target.get("marketingmodel", model, namespace) or {}).get("status", {})
    return status


def _show(target: Target, namespace: str, model: str) -> None:
    """The evidence, as `kubectl marquee evidence` computes it again from the ledger's integers."""
    print(f"\n$ kubectl marquee evidence {model} -n {namespace}\n{marquee(target, 'evidence', model, '-n', namespace)}")
