"""The integers are the same for any order, duplication and split of batches and outcomes; on both stores."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import ExposureBatch, ExposureGroup
from marquee.contract.ledger import CohortCounts, CountsBatch, RolloutDeclaration
from marquee.ledger.book import statistics
from marquee.ledger.book.entries import Count, Declare, Entry, Expose, Outcome, Report, RolloutKey
from marquee.ledger.book.posting import post
from marquee.ledger.book.verifying import verify
from marquee.ledger.store.database import Database
from tests.support.examples import examples

MODEL: Final = "crm/order"
CAP: Final = 500
DECLARATION: Final = RolloutDeclaration.model_validate(
    {"metrics": [{"outcome": "buy"}, {"outcome": "spend", "kind": "Mean", "cap": CAP / 100}]}
)
ALLOWED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
"""Each case has a rollout of its own in the one database, and a busy disk is no fault of the ledger."""
_names = itertools.count(1)


@dataclass(frozen=True)
class Seen:
    """A unit was seen at a place."""

    unit: int
    place: int


@dataclass(frozen=True)
class Happened:
    """A unit did something after one of its predictions; values are in hundredths."""

    unit: int
    prediction: int
    value: int


def expected(facts: Sequence[Seen | Happened]) -> dict[int, dict[str, Any]]:
    """The integers by place, computed the slow and obvious way."""
    first: dict[int, int] = {}
    values: dict[tuple[int, int], int] = {}
    for fact in facts:
        if isinstance(fact, Seen):
            first[fact.unit] = min(fact.place, first.get(fact.unit, fact.place))
        else:
            values[fact.unit, fact.prediction] = fact.value
    sums: defaultdict[int, int] = defaultdict(int)
    for (unit, _), value in values.items():
        sums[unit] += value
    found: dict[int, dict[str, Any]] = {}
    for place in sorted(set(first.values())):
        units = [unit for unit, where in first.items() if where == place]
        spent = [min(sums[unit], CAP) for unit in units if sums.get(unit)]
        bought = sum(unit in sums for unit in units)
        found[place] = {
            "exposures": len(units),
            "buy": (bought, bought, bought),
            "spend": (len(spent), sum(spent), sum(value * value for value in spent)),
        }
    return found


def kept(database: Database, key: RolloutKey) -> dict[int, dict[str, Any]]:
    """The integers by place as the ledger shows them; cohorts whose last unit moved away are left out."""
    with database.reader.begin() as connection:
        (integers,) = statistics.read(connection, [key])
        assert verify(connection) == []
    return {
        2 * cohort["step"] + ("stable", "canary").index(cohort["arm"]): {
            "exposures": cohort["exposures"],
            **{
                name: (numbers["successes"], int(numbers["sum"]), int(numbers["sumOfSquares"]))
                for name, numbers in cohort["outcomes"].items()
            },
        }
        for cohort in orjson.loads(integers.document)["cohorts"]
        if cohort["exposures"]
    }


def entries_of(key: RolloutKey, fact: Seen | Happened, number: int) -> list[Entry]:
    """What a predictor or a shop sends of a fact; sent again it has the same batch id."""
    if isinstance(fact, Seen):
        cohort = Cohort(key.name, fact.place // 2, Arm(fact.place % 2))
        group = ExposureGroup(cohort, fact.unit.to_bytes(8, "big", signed=True))
        batch_id = number.to_bytes(4, "big") + key.name.encode().rjust(12, b"-")
        return [Expose(ExposureBatch(batch_id, key.model, (group,)), digest=fact.unit)]
    value = Decimal(fact.value) / 100
    spend = Outcome(key, fact.unit, fact.prediction, "spend", value)
    return [Report([spend, Outcome(key, fact.unit, fact.prediction, "buy", Decimal(1))])]


facts = st.lists(
    st.one_of(
        st.builds(Seen, st.integers(-3, 3), st.integers(0, 5)),
        st.builds(Happened, st.integers(-3, 3), st.integers(0, 2), st.just(0)),
    ),
    min_size=1,
    max_size=25,
).map(lambda drawn: [
    # one value for each prediction: what differs between two reports of one prediction is a duplicate's content
    Happened(fact.unit, fact.prediction, 40 * (fact.unit + 4) * fact.prediction) if isinstance(fact, Happened) else fact
    for fact in drawn
])  # fmt: skip


@settings(max_examples=examples(20), suppress_health_check=ALLOWED)
@given(facts=facts, data=st.data())
def test_integers_do_not_depend_on_the_order(
    database: Database, facts: list[Seen | Happened], data: st.DataObject
) -> None:
    """Facts in any order, some twice, in transactions of any size, give the sums that counting by hand gives."""
    key = RolloutKey(MODEL, f"r{next(_names)}")
    entries = [entry for number, fact in enumerate(facts) for entry in entries_of(key, fact, number)]
    again = data.draw(st.lists(st.sampled_from(entries), max_size=8), label="sent again")
    order = data.draw(st.permutations(entries + again), label="order")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=4), label="transactions"))
    with database.writer.begin() as connection:
        post(connection, database.bulk, [Declare(key, DECLARATION)])
    for start, end in itertools.pairwise([0, *cuts, len(order)]):
        with database.writer.begin() as connection:
            post(connection, database.bulk, order[start:end])
    assert kept(database, key) == expected(facts)


@settings(max_examples=examples(10), suppress_health_check=ALLOWED)
@given(numbers=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=10), data=st.data())
def test_counts_do_not_depend_on_the_order(
    database: Database, numbers: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Increments add up to the same, in any order and however often their batches come."""
    key = RolloutKey(MODEL, f"r{next(_names)}")
    entries = []
    for number, (step, requests) in enumerate(numbers):
        counts = CohortCounts(rollout=key.name, step=step, arm="canary", requests=requests, errors=requests // 2)
        batch_id = (number.to_bytes(4, "big") + key.name.encode().rjust(12, b"-")).hex()
        entries.append(Count(CountsBatch(batch_id=batch_id, model=MODEL, counts=(counts,)), digest=number))
    order = data.draw(st.permutations(entries * 2), label="order")
    middle = data.draw(st.integers(0, len(order)), label="transactions")
    for part in (order[:middle], order[middle:]):
        with database.writer.begin() as connection:
            post(connection, database.bulk, part)
    with database.reader.begin() as connection:
        (integers,) = statistics.read(connection, [key])
    found = {
        cohort["step"]: (cohort["requests"], cohort["errors"]) for cohort in orjson.loads(integers.document)["cohorts"]
    }
    wanted = {
        step: (sum(n for s, n in numbers if s == step), sum(n // 2 for s, n in numbers if s == step))
        for step, _ in numbers
    }
    assert found == wanted
