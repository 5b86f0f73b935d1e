"""The text that the database makes of its rows, on both stores: exact, whole and in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from marquee.contract.ledger import RolloutDeclaration
from marquee.ledger.book import statistics
from marquee.ledger.book.entries import Declare, RolloutKey
from marquee.ledger.book.posting import post
from marquee.ledger.store.database import Database
from marquee.ledger.store.schema import cohorts, credits_, metrics, rollouts
from tests.support.examples import examples

MODEL: Final = "crm/texts"
OUTCOMES: Final = ("spend", "buy", "re-Turn_2")
ALLOWED: Final = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
"""Each case has a rollout of its own, and a busy disk is no fault of the ledger."""
INTEGERS: Final = st.integers(-(2**63), 2**63 - 1)
_names = itertools.count(1)


@dataclass(frozen=True)
class Rollout:
    """A rollout in a transaction, and its rows."""

    connection: Connection
    key: RolloutKey
    number: int
    metrics: dict[str, int]
    """Their numbers, by outcome."""

    def add_cohort(self, place: int, **changed: int) -> None:
        """A row of integers; all of them 0 that are not given."""
        numbers = {"exposures": 0, "requests": 0, "errors": 0, "slow": 0, "revision": 1} | changed
        self.connection.execute(insert(cohorts).values(rollout_id=self.number, place=place, **numbers))

    def add_credit(self, outcome: str, place: int, **changed: int) -> None:
        """The same of an outcome."""
        numbers = {"successes": 0, "total": 0, "squares_high": 0, "squares_low": 0, "revision": 1} | changed
        self.connection.execute(insert(credits_).values(metric_id=self.metrics[outcome], place=place, **numbers))

    def told(self) -> dict[str, Any]:
        """What is read of it."""
        (integers,) = statistics.read(self.connection, [self.key])
        assert integers.rollout == self.key
        return dict(orjson.loads(integers.document))


@contextmanager
def declared(database: Database, *outcomes: str) -> Iterator[Rollout]:
    """A new rollout with these metrics; it is gone afterwards, for no rows of units agree with its integers."""
    key = RolloutKey(MODEL, f"r{next(_names)}")
    declaration = RolloutDeclaration.model_validate({"metrics": [{"outcome": outcome} for outcome in outcomes]})
    with database.writer.connect() as connection, connection.begin() as transaction:
        post(connection, database.bulk, [Declare(key, declaration)])
        named = select(rollouts.c.id).where(rollouts.c.model == key.model, rollouts.c.name == key.name)
        number = connection.execute(named).scalar_one()
        rows = connection.execute(select(metrics.c.outcome, metrics.c.id).where(metrics.c.rollout_id == number))
        yield Rollout(connection, key, number, {row.outcome: row.id for row in rows})
        transaction.rollback()


@settings(max_examples=examples(30), suppress_health_check=ALLOWED)
@given(high=INTEGERS, low=INTEGERS, total=INTEGERS)
@example(high=2**30, low=0, total=0)
@example(high=2**30 - 1, low=2**62 - 1, total=2**63 - 1)
@example(high=-1, low=2**32, total=0)
@example(high=-(2**30), low=0, total=-(2**63))
@example(high=0, low=2**62, total=0)
def test_sums_are_exact_beyond_64_bits(database: Database, high: int, low: int, total: int) -> None:
    """Whatever two columns hold of a sum of squares, its text is the whole number; so is that of a sum."""
    with declared(database, "spend") as rollout:
        rollout.add_cohort(0)
        rollout.add_credit("spend", 0, total=total, squares_high=high, squares_low=low)
        (cohort,) = rollout.told()["cohorts"]
    assert cohort["outcomes"] == {"spend": {"successes": 0, "sum": str(total), "sumOfSquares": str(high * 2**32 + low)}}


def test_each_cohort_has_every_declared_outcome(database: Database) -> None:
    """What nobody has credited yet is nothing, not missing; cohorts come in the order of steps, stable first."""
    with declared(database, *OUTCOMES) as rollout:
        for place in (3, 0, 12, 1):
            rollout.add_cohort(place, exposures=place)
        rollout.add_credit("buy", 3, successes=2, total=2, squares_low=4)
        rollout.add_credit("re-Turn_2", 12, successes=1, total=1, squares_low=1)
        found = rollout.told()["cohorts"]
    cohorts_found = [(one["step"], one["arm"], one["exposures"]) for one in found]
    assert cohorts_found == [(0, "stable", 0), (0, "canary", 1), (1, "canary", 3), (6, "stable", 12)]
    nothing = {"successes": 0, "sum": "0", "sumOfSquares": "0"}
    expected = [dict.fromkeys(OUTCOMES, nothing) for _ in found]
    expected[2] = expected[2] | {"buy": {"successes": 2, "sum": "2", "sumOfSquares": "4"}}
    expected[3] = expected[3] | {"re-Turn_2": {"successes": 1, "sum": "1", "sumOfSquares": "1"}}
    assert [one["outcomes"] for one in found] == expected


def test_revision_counts_the_changes_of_all_rows(database: Database) -> None:
    """Declaring is one change; each row of a cohort or of a metric in a cohort knows its own."""
    with declared(database, "buy", "spend") as rollout:
        for place, changes in ((0, 5), (1, 7)):
            rollout.add_cohort(place, revision=changes)
        for outcome, place, changes in (("buy", 0, 100), ("spend", 0, 1_000), ("spend", 1, 10_000)):
            rollout.add_credit(outcome, place, revision=changes)
        assert rollout.told()["revision"] == 1 + 5 + 7 + 11_100


@pytest.mark.parametrize("outcomes", [(), ("buy",)])
def test_rollout_without_cohorts_has_none(database: Database, outcomes: tuple[str, ...]) -> None:
    """Nothing was seen of it yet; what is declared stands there all the same."""
    with declared(database, *outcomes) as rollout:
        found = rollout.told()
    assert found["cohorts"] == []
    assert [metric["outcome"] for metric in found["metrics"]] == list(outcomes)


def test_rollout_without_metrics_has_cohorts_without_outcomes(database: Database) -> None:
    """A declaration may name nothing that is measured; requests are counted still."""
    with declared(database) as rollout:
        rollout.add_cohort(2, requests=9, errors=2, slow=1)
        found = rollout.told()["cohorts"]
    assert found == [
        {"step": 1, "arm": "stable", "exposures": 0, "requests": 9, "errors": 2, "slow": 1, "outcomes": {}}
    ]
