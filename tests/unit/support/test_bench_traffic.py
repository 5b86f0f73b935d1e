"""The traffic benchmark's own arithmetic: shares while a weight was in force, and the last answer after an abort."""

from __future__ import annotations

import pytest

from marquee.control.render.buckets import canary_buckets
from tests.bench.traffic.measuring import Answer, Hold, Share, Shares, seconds_until_gone, shares

HOLD = Hold("lead-v2-0a1b2c3d", "v2", 10, begin=10.0, end=20.0)
INSIDE = canary_buckets(HOLD.rollout, 10, 0).start
OUTSIDE = (INSIDE + 500) % 1000


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Answer(9.9, "v2", None), Shares()),
        (Answer(20.1, "v2", INSIDE), Shares()),
        (Answer(10.0, "v2", None), Shares(without=Share(1, 1))),
        (Answer(15.0, "v1", None), Shares(without=Share(0, 1))),
        (Answer(15.0, "v2", INSIDE), Shares(with_bucket=Share(1, 1))),
        (Answer(15.0, "v1", OUTSIDE), Shares(with_bucket=Share(0, 1))),
        (Answer(15.0, "v1", INSIDE), Shares(with_bucket=Share(0, 1), astray=1)),
        (Answer(20.0, "v2", OUTSIDE), Shares(with_bucket=Share(1, 1), astray=1)),
    ],
)
def test_an_answer_counts_for_its_kind_while_the_weight_was_in_force(answer: Answer, found: Shares) -> None:
    """A bucket that the other arm answered is astray; what came before or after the hold is left out."""
    assert shares([answer], HOLD) == found


def test_shares_of_several_holds_add_up() -> None:
    """Each hold has its own rollout, and so its own buckets."""
    total = Shares(Share(1, 4), Share(2, 10), 1) + Shares(Share(1, 4), Share(0, 10), 0)
    assert total == Shares(Share(2, 8), Share(2, 20), 1)
    assert (total.with_bucket.value, Share().value) == (0.25, 0.0)
    assert Share(0, 900).standard_error(0.1) == pytest.approx(0.01)


def test_the_last_answer_after_an_abort_counts() -> None:
    """Earlier ones do not, nor do those of stable; a canary that was gone before took no time."""
    answers = [Answer(1.0, "v2", None), Answer(4.5, "v2", None), Answer(9.0, "v1", None)]
    assert seconds_until_gone(answers, "v2", since=4.0) == 0.5
    assert seconds_until_gone(answers, "v3", since=4.0) == 0.0
    assert seconds_until_gone(answers, "v2", since=5.0) == 0.0
