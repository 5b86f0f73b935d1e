import random

from hypothesis import given
from hypothesis import strategies as st

from marquee.control.runtime.backoff import Backoff


def test_waits_double_up_to_the_ceiling() -> None:
    """Each failure in a row doubles the longest wait until the maximum is reached."""
    backoff = Backoff(initial_seconds=1, factor=2, maximum_seconds=10)

    assert [backoff.ceiling_seconds(failures) for failures in range(7)] == [0, 1, 2, 4, 8, 10, 10]


def test_no_failure_is_no_wait() -> None:
    """Without a failure there is nothing to wait for."""
    assert Backoff().delay_seconds(0, random.Random(0)) == 0


@given(failures=st.integers(1, 10**9), seed=st.integers(), jitter=st.floats(0, 1))
def test_jitter_stays_between_its_share_and_the_ceiling(failures: int, seed: int, jitter: float) -> None:
    """However many failures, a wait is finite and within the jitter's share below its ceiling."""
    backoff = Backoff(jitter=jitter)
    ceiling = backoff.ceiling_seconds(failures)

    delay = backoff.delay_seconds(failures, random.Random(seed))

    assert (1 - jitter) * ceiling <= delay <= ceiling <= backoff.maximum_seconds


def test_jitter_spreads_callers_that_failed_together() -> None:
    """A hundred callers that fail at once come back at clearly different moments."""
    rng = random.Random(7)
    delays = sorted(Backoff(initial_seconds=10).delay_seconds(1, rng) for _ in range(100))

    assert delays[-1] - delays[0] > 4
    assert len({round(delay, 2) for delay in delays}) > 80
