import re
from datetime import UTC, datetime, timedelta, timezone

from marquee.control.runtime.clock import micro_time, monotonic_seconds, utc_now
from tests.unit.control.runtime.virtual_time import run_virtually


def test_micro_time_has_six_decimals_and_utc() -> None:
    """A MicroTime names UTC and keeps its zeros: the API refuses other forms."""
    noon = datetime(2026, 3, 1, 12, 0, 0, 500, tzinfo=timezone(timedelta(hours=2)))

    assert micro_time(noon) == "2026-03-01T10:00:00.000500Z"


def test_wall_clock_knows_its_zone() -> None:
    """The wall clock's times carry UTC, so that they cannot be mistaken for local ones."""
    assert utc_now().tzinfo is UTC
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", micro_time(utc_now()))


def test_monotonic_seconds_are_the_event_loop_s() -> None:
    """Measured time is the time that timers run on, virtual time included."""

    async def start_of_virtual_time() -> float:
        return monotonic_seconds()

    assert run_virtually(start_of_virtual_time()) == 0
