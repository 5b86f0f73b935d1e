"""The cohort in a header: one way to write it, and everything else is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.contract.cohort import MAX_STEP, Arm, Cohort, CohortError

cohorts = st.builds(
    Cohort,
    rollout=st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", fullmatch=True),
    step=st.integers(0, MAX_STEP),
    arm=st.sampled_from(Arm),
)

REFUSED = {
    "": "is not <rollout>/<step>/<arm>",
    "lead-v2/1": "is not <rollout>/<step>/<arm>",
    "lead-v2/1/canary/x": "is not <rollout>/<step>/<arm>",
    "lead-v2/01/canary": "is no step",
    "lead-v2/-1/canary": "is no step",
    "lead-v2/1000/canary": "is no step",
    "lead-v2/²/canary": "is no step",
    "lead-v2/1/Canary": "is no arm: stable or canary",
    "Lead/1/canary": "is no name of a rollout",
    "/1/canary": "is no name of a rollout",
}


@pytest.mark.parametrize("header", REFUSED)
def test_what_is_no_cohort_is_refused_with_a_reason(header: str) -> None:
    """A header comes from the network; its error is shown to whoever sent it."""
    with pytest.raises(CohortError, match=REFUSED[header]):
        Cohort.parse(header)


def test_a_step_out_of_bounds_is_refused() -> None:
    """Also where nothing is parsed."""
    with pytest.raises(CohortError, match="step 1000 is not between 0 and 999"):
        Cohort("lead-v2", 1000, Arm.CANARY)


@given(cohorts)
def test_what_is_written_is_read_back(cohort: Cohort) -> None:
    """And only that text gives that cohort."""
    assert Cohort.parse(str(cohort)) == cohort


def test_how_a_cohort_is_written() -> None:
    """As the gateway stamps it."""
    assert str(Cohort("lead-v2", 1, Arm.CANARY)) == "lead-v2/1/canary"
