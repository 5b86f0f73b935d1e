"""For each bound of a schema an object at the bound and one just past it, made from the valid samples."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.crds.linked import Body, Place, beside_others, settle
from tests.support.crds.rules import ITEM, VALUE, Path, Rule, location

_DIGEST: Final = "sha256:" + "0" * 64
_STATUS: Final[Body] = {
    "phase": "Canary",
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Collecting",
            "message": "revision lead-scoring-2024-11 serves",
            "lastTransitionTime": "2024-11-22T12:00:00Z",
            "observedGeneration": 3,
        }
    ],
    "stable": {"revision": "lead-scoring-2024-11", "digest": _DIGEST, "since": "2024-11-22T12:00:00Z"},
    "canary": {"revision": "lead-scoring-2024-12", "digest": _DIGEST, "since": "2024-12-22T12:00:00Z"},
    "rollout": {
        "name": "lead-scoring-7",
        "revision": "lead-scoring-2024-12",
        "plan": "0123456789abcdef",
        "step": 1,
        "progress": "2 of 3",
        "weight": 25,
        "started": "2024-12-22T12:00:00Z",
        "stepStarted": "2024-12-22T13:00:00Z",
        "verdict": "Hold",
        "message": "no verdict yet",
        "traffic": {"exposuresPerHour": 120000, "outcomesPerMillion": 40000},
        "shortfall": "step 2 at 25 % needs about 9 h",
        "realised": "20 % of connections, by 1 of 5 pods",
        "evidence": [
            {
                "metric": "revenue",
                "counts": "310 of 5020, 912 of 15011",
                "harm": "0.4 of 20",
                "nonInferiority": "3 of 20",
            }
        ],
        "counts": [
            {
                "step": 1,
                "arm": "canary",
                "exposures": 5020,
                "requests": 6100,
                "errors": 2,
                "slow": 31,
                "outcomes": {"revenue": {"successes": 310, "sum": "930012", "sumOfSquares": "4100200300"}},
            }
        ],
        "forecast": "about 3 h",
        "result": "Promoted",
    },
    "drift": {
        "revision": "lead-scoring-2024-11",
        "verdict": "Investigate",
        "window": "2024-11-22T00:00:00Z",
        "rows": 12031,
        "message": "what the model sees differs from its baseline",
        "estimatedAuc": 0.771,
        "usualAuc": 0.774,
        "performance": {
            "verdict": "Stable",
            "outcome": "purchase",
            "message": "412 outcomes of 21,000 answers are what the scores promise",
            "window": "2026-11-12T00:00:00Z",
            "rows": 21_000,
            "outcomes": 412,
            "promisedAuc": 0.771,
            "realisedAuc": 0.768,
            "realisedBrier": 0.0191,
            "calibrationError": 0.0021,
            "calibrationGap": -0.013,
            "meanError": -0.2,
            "rootMeanSquareError": 4.1,
            "loss": -0.004,
        },
        "suspects": [{"feature": "age", "stabilityIndex": 0.021, "pValue": 0.00001}],
    },
    "governance": {
        "revision": "lead-scoring-2024-12",
        "digest": _DIGEST,
        "policy": "0123456789abcdef",
        "required": 2,
        "approvers": ["anna@example.com"],
        "rejected": ["lead-scoring-2024-12-bob: spec.expires: 2024-12-01T00:00:00Z is over"],
    },
    "retraining": {
        "since": "2024-11-01T00:00:00Z",
        "outcome": "GatePassed",
        "runs": [
            {
                "name": "lead-scoring-0123456789ab",
                "trigger": "Drift",
                "asked": "lead-scoring-2024-11/20033",
                "started": "2024-11-22T00:00:00Z",
                "finished": "2024-11-22T01:00:00Z",
                "outcome": "GatePassed",
                "message": "auc is 0.81",
                "revision": "lead-scoring-0123456789ab",
            }
        ],
        "rows": 12031,
        "comparison": [{"metric": "auc", "challenger": 0.81, "champion": 0.8, "baseline": 0.7}],
        "nextAllowed": "2024-11-25T00:00:00Z",
        "answered": "a1",
        "feedBlocked": False,
        "champions": ["lead-scoring-2024-11"],
    },
    "selector": "marquee.dev/model=lead-scoring",
    "url": "http://lead-scoring.crm.svc",
}
"""A status with every field, since samples of users have none."""


def _cron(length: int) -> str:
    minutes = "0" if length % 2 else "00"
    return minutes + ",0" * ((length - len(minutes) - 8) // 2) + " * * * *"


def _moment(length: int) -> str:
    return "2024-11-22T12:00:00." + "0" * (length - 21) + "Z"


def _zone(length: int) -> str:
    """No zone has a name of one letter, and none of 64: the shortest and the longest that there are stand for them."""
    if length > _ZONE_LIMIT:
        return "A" * length
    return "GB" if length == 1 else "America/Argentina/ComodRivadavia"


_ZONE_LIMIT: Final = 64
_TEXTS: Final[dict[str, Callable[[int], str]]] = {
    "spec.serving.service": lambda length: "a" * (length - 2) + ":A",
    "spec.serving.resources.requests.{}": lambda length: "1" * length,
    "spec.serving.resources.limits.{}": lambda length: "1" * length,
    "spec.serving.gpu.resource": lambda length: "a" * (length - 2) + "/a",
    "spec.serving.cost.currency": lambda length: "E" * length,
    "spec.serving.triton.resources.requests.{}": lambda length: "1" * length,
    "spec.serving.triton.resources.limits.{}": lambda length: "1" * length,
    "spec.scaling.schedule[0].start": _cron,
    "spec.scaling.schedule[0].end": _cron,
    "spec.digest": lambda length: _DIGEST + "0" * (length - 71),
    "spec.expires": _moment,
    "spec.first": lambda length: "2026-11-20" + "0" * (length - 10),
    "spec.last": lambda length: "2026-12-02" + "0" * (length - 10),
    "spec.timeZone": _zone,
    "spec.scaling.schedule[0].timeZone": _zone,
    "spec.rollout.freezes[0].timeZone": _zone,
    "spec.rollout.windows[0].timeZone": _zone,
    "spec.retraining.triggers.schedule[0].timeZone": _zone,
    "spec.rollout.freezes[0].first": lambda length: "2026-11-20" + "0" * (length - 10),
    "spec.rollout.freezes[0].last": lambda length: "2026-12-02" + "0" * (length - 10),
    "spec.rollout.windows[0].start": lambda length: "09:00" + "0" * (length - 5),
    "spec.rollout.windows[0].end": lambda length: "16:00" + "0" * (length - 5),
    "spec.drift.calendar[0].start": lambda length: "2026-11-27" + "0" * (length - 10),
    "spec.drift.calendar[0].end": lambda length: "2026-11-30" + "0" * (length - 10),
    "spec.retraining.artifacts.uri": lambda length: "s3://" + "a" * max(1, length - 5),
    "spec.retraining.triggers.schedule[0].cron": _cron,
    "spec.retraining.run.resources.requests.{}": lambda length: "1" * length,
    "spec.retraining.run.resources.limits.{}": lambda length: "1" * length,
    "spec.lineage.codeDigest": lambda length: _DIGEST + "0" * (length - 71),
    "spec.lineage.dataDigest": lambda length: _DIGEST + "0" * (length - 71),
    "spec.lineage.parent": lambda length: _DIGEST + "0" * (length - 71),
    "spec.lineage.windowStart": _moment,
    "spec.lineage.windowEnd": _moment,
    "spec.slices[0].name": lambda length: "a=" + "b" * (length - 2),
    "spec.artifact.uri": lambda length: "s3://" + "a" * max(0, length - 5),
    "spec.artifact.digest": lambda length: _DIGEST + "0" * (length - 71),
    "spec.traffic.pathPrefix": lambda length: "/" + "a" * (length - 1),
    "status.conditions[0].lastTransitionTime": _moment,
    "status.stable.since": _moment,
    "status.canary.since": _moment,
    "status.rollout.started": _moment,
    "status.drift.window": _moment,
    "status.drift.performance.window": _moment,
    "status.retraining.since": _moment,
    "status.retraining.nextAllowed": _moment,
    "status.retraining.runs[0].started": _moment,
    "status.retraining.runs[0].finished": _moment,
    "status.rollout.stepStarted": _moment,
}
"""Texts of a given length where not every text will do."""

_CLASSES: Final = frozenset({"spec.scaling.class", "spec.serving.class"})
"""Values that each ask for other fields, or for fewer."""
_SHORTEST: Final = {"spec.artifact.uri": len("s3://a"), "spec.retraining.artifacts.uri": len("s3://a")}
"""Where another rule asks for more than the minimum length."""


@dataclass(frozen=True)
class Variants:
    """The same object on both sides of one rule."""

    rule: Rule
    accepted: tuple[Body, ...]
    refused: Body
    where: str
    message: str


def is_derived(rule: Rule) -> bool:
    """Whether `variants` knows what the rule accepts; the other rules need samples in `crds/samples`."""
    return rule.keyword in _KEYWORDS


def variants(rule: Rule, valid: Iterable[Body]) -> Variants:
    """Objects on both sides of ``rule``.

    Raises:
        LookupError: no valid sample has the field, so nothing shows that it works.

    """
    path = (*rule.path, rule.value) if rule.keyword == "required" else rule.path
    base, place = _find(rule.kind, path, valid)
    keyword = _KEYWORDS[rule.keyword]
    at, past = keyword.values(rule, _get(base, place))
    blamed: Place = (*place, 1) if rule.keyword == "unique" else place
    return Variants(
        rule=rule,
        accepted=tuple(_with(base, place, value) for value in at),
        refused=_with(base, place, past),
        where="".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in blamed).removeprefix("."),
        message=keyword.message.format(rule.value),
    )


_ABSENT: Final = object()


@dataclass(frozen=True)
class _Keyword:
    """What the server says when the rule is broken, and values: those that the rule allows, and one it does not."""

    message: str
    values: Callable[[Rule, Any], tuple[Sequence[Any], Any]]


def _text(rule: Rule, length: int) -> str:
    make = _TEXTS.get(location(rule.path))
    return make(length) if make is not None else "a" * length


def _short_texts(rule: Rule, _: Any) -> tuple[Sequence[Any], Any]:
    shortest = max(rule.value, _SHORTEST.get(location(rule.path), 0))
    return [_text(rule, shortest)], "a" * (rule.value - 1)


def _enum(rule: Rule, known: Any) -> tuple[Sequence[Any], Any]:
    """Every value, except where the others ask for further fields; the samples have those."""
    return [known] if location(rule.path) in _CLASSES else rule.value, "Unheard-Of"


_KEYWORDS: Final = {
    "minLength": _Keyword("should be at least {} chars long", _short_texts),
    "maxLength": _Keyword(
        "may not be more than {}", lambda rule, _: ([_text(rule, rule.value)], _text(rule, rule.value + 1))
    ),
    "minimum": _Keyword("should be greater than or equal to {}", lambda rule, _: ([rule.value], _past(rule, -1))),
    "maximum": _Keyword("should be less than or equal to {}", lambda rule, _: ([rule.value], _past(rule, +1))),
    "maxItems": _Keyword(
        "must have at most {} items", lambda rule, known: ([_items(known, rule.value)], _items(known, rule.value + 1))
    ),
    "minItems": _Keyword(
        "should have at least {} items",
        lambda rule, known: ([_items(known, rule.value)], _items(known, rule.value - 1)),
    ),
    "minProperties": _Keyword(
        "should have at least {} properties",
        lambda rule, known: ([_entries(known, rule.value)], _entries(known, rule.value - 1)),
    ),
    "maxProperties": _Keyword(
        "must have at most {} items",
        lambda rule, known: ([_entries(known, rule.value)], _entries(known, rule.value + 1)),
    ),
    "enum": _Keyword("Unsupported value", _enum),
    "format": _Keyword("must be of type {}", lambda _, known: ([known], "yesterday")),
    "required": _Keyword("Required value", lambda _, known: ([known], _ABSENT)),
    "unique": _Keyword("Duplicate value", lambda _, known: ([known], [known[0], known[0]])),
}


def _items(known: list[Any], count: int) -> list[Any]:
    return [beside_others(copy.deepcopy(known[0]), index) for index in range(count)]


def _entries(known: Body, count: int) -> Body:
    return {f"example.com/key-{index}": next(iter(known.values())) for index in range(count)}


def _past(rule: Rule, direction: int) -> float:
    """The next number that the rule refuses: for a fraction the nearest that a 64-bit float can say."""
    if isinstance(rule.value, int):
        return rule.value + direction
    return math.nextafter(rule.value, direction * math.inf)


def _with(base: Body, place: Place, value: Any) -> Body:
    """A copy of ``base`` with another value in one place, and what other rules then ask for."""
    body = copy.deepcopy(base)
    parent = _get(body, place[:-1])
    if value is _ABSENT:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
        settle(body, place)
    return body


def _find(kind: str, path: Path, valid: Iterable[Body]) -> tuple[Body, Place]:
    """A sample that has something at ``path``, and where; those in which most fields may not be set come last."""
    for sample in sorted(valid, key=_is_judged_only):
        if sample["kind"] != kind:
            continue
        body = sample | {"status": _STATUS} if path[:1] == ("status",) else sample
        for place in _places(body, path):
            return body, place
    raise LookupError(f"no file in crds/samples/valid has {kind} {location(path)}: add it to one, or add one")


def _is_judged_only(sample: Body) -> bool:
    return bool(sample["spec"].get("serving", {}).get("class") == "External")


def _places(value: Any, path: Path) -> Iterator[Place]:
    if not path:
        yield ()
        return
    head, rest = path[0], path[1:]
    keys: Iterable[str | int] = ()
    if head == ITEM:
        keys = range(len(value)) if isinstance(value, list) else ()
    elif isinstance(value, dict):
        keys = value if head == VALUE else ([head] if head in value else ())
    for key in keys:
        for place in _places(value[key], rest):
            yield (key, *place)


def _get(value: Any, place: Place) -> Any:
    for key in place:
        value = value[key]
    return value
