"""Every file call of an append goes wrong in every way: ``fsck`` accepts what is left, nothing acknowledged is lost."""

from __future__ import annotations

import pytest

from tests.support.audit.disk import KINDS
from tests.support.audit.faults import BEFORE_FULL, faults_of, try_fault

EVERY = 4


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_may_go_wrong(kind: str) -> None:
    """Beginning a log, appending, signing, closing: whichever call it is, the story goes on from there.

    Each call in one or two of the ways; the benchmark tries every call in every way.
    """
    outcomes = [try_fault(fault, 0) for fault in faults_of(kind, 0, first=1 + KINDS.index(kind) % EVERY, every=EVERY)]
    assert all(outcome.happened for outcome in outcomes)
    assert len(outcomes) >= 3
    assert [outcome for outcome in outcomes if outcome.problems] == []


@pytest.mark.parametrize("kind", KINDS)
def test_calls_may_go_wrong_where_a_tile_becomes_full(kind: str) -> None:
    """Then every kind of file is written. The benchmark tries every call here too."""
    outcomes = [try_fault(fault, BEFORE_FULL) for fault in faults_of(kind, BEFORE_FULL, every=61)]
    assert [outcome for outcome in outcomes if outcome.problems] == []


def test_the_harness_sees_a_loss() -> None:
    """A disk that confirms flushes that it does not do loses what was acknowledged, and this is noticed."""
    assert try_fault(None, 3, lies=True).problems != []
