"""The scaling benchmark's own arithmetic, its reader of somebody's pickle, and the load that it sends."""

from __future__ import annotations

import lzma
from collections import Counter

import numpy as np
import pytest
from aiohttp import web
from numpy.typing import NDArray

from tests.bench.scaling.arrivals import INTERVALS_A_DAY, NotTheArrivalsError, days
from tests.bench.scaling.measuring import (
    Interval,
    Replicas,
    document,
    intervals,
    percentile,
    pod_seconds,
    ready_at,
    slo_kept_share,
)
from tests.bench.scaling.replay import Answer, Replay, due_times
from tests.bench.scaling.world import History

HISTORY = [Replicas(-3.0, 1), Replicas(4.0, 2), Replicas(9.0, 1)]


def _content(table: NDArray[np.int64]) -> bytes:
    """A pickle of NumPy 1, by its opcodes: the call of a function with bytes, type, shape and order."""
    raw = table.tobytes()
    shape = "".join(f"I{size}\n" for size in table.shape).encode()
    bytearray8 = b"\x96" + len(raw).to_bytes(8, "little") + raw
    arguments = b"(" + bytearray8 + b"V<i8\n(" + shape + b"tVC\nt"
    return lzma.compress(b"\x80\x05cnumpy.core.numeric\n_frombuffer\n" + arguments + b"R.")


def test_days_are_read_from_the_table_of_row_numbers_and_counts() -> None:
    """Two whole days of 169 intervals."""
    counts = np.arange(2 * INTERVALS_A_DAY)
    read = days(_content(np.stack([counts + 1, counts * 3])))
    assert read.shape == (2, INTERVALS_A_DAY)
    assert read[1, 0] == INTERVALS_A_DAY * 3


def test_a_file_that_names_anything_else_is_refused() -> None:
    """A pickle can name any function: this one would be told to run one of the system's."""
    with pytest.raises(NotTheArrivalsError, match=r"names posix\.system, which it has no business with"):
        days(lzma.compress(b"cposix\nsystem\n(S'true'\ntR."))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no archive", "not supported"),
        (lzma.compress(b""), "Ran out of input"),
        (lzma.compress(b"N."), "not one table"),
        (_content(np.zeros((2, INTERVALS_A_DAY + 1), dtype=np.int64)), "not one table"),
        (_content(np.zeros((3, INTERVALS_A_DAY), dtype=np.int64)), "not one table"),
    ],
    ids=["no archive", "nothing", "None", "a part of a day", "three columns"],
)
def test_other_bytes_are_no_arrivals(content: bytes, said: str) -> None:
    """Said with the file's name, and what is wrong with it."""
    with pytest.raises(NotTheArrivalsError, match=rf"bank_calls.*{said}"):
        days(content)


def test_an_intervals_requests_are_spread_over_it() -> None:
    """Equal distances, none at the edges; an empty interval sends none."""
    assert list(due_times([2, 0, 1], 5.0)) == pytest.approx([1.25, 3.75, 12.5])


def test_a_kept_objective_is_an_answer_in_time() -> None:
    """Late ones, refusals and requests without an answer break it."""
    answers = [Answer(0, 0.1, 200), Answer(1, 0.25, 200), Answer(2, 0.3, 200), Answer(3, 0.1, 503), Answer(4, 10.0, 0)]
    assert slo_kept_share(answers, 0.25) == pytest.approx(2 / 5)
    with pytest.raises(ValueError, match="no request was sent"):
        slo_kept_share([], 0.25)


@pytest.mark.parametrize(("percent", "found"), [(50, 2.0), (99, 3.0), (100, 3.0), (1, 1.0)])
def test_a_percentile_is_one_of_the_values(percent: float, found: float) -> None:
    """The smallest that so many do not exceed."""
    assert percentile([3.0, 1.0, 2.0], percent) == found
    assert percentile([], percent) == 0.0


@pytest.mark.parametrize(("moment", "ready"), [(-4.0, 0), (-3.0, 1), (3.9, 1), (4.0, 2), (99.0, 1)])
def test_replicas_hold_until_the_next_word(moment: float, ready: int) -> None:
    """Before the first one nobody answers."""
    assert ready_at(HISTORY, moment) == ready


def test_the_replay_in_intervals() -> None:
    """Rate, p99 of what was answered, failures, and the pods at the end of each."""
    answers = [Answer(0.5, 0.010, 200), Answer(4.9, 0.030, 200), Answer(6.0, 0.5, 503), Answer(10.0, 0.020, 200)]
    assert intervals(answers, HISTORY, count=2, seconds=5.0) == (
        Interval(0.0, 0.4, pytest.approx(30.0), 0, 2),  # type: ignore[arg-type]
        Interval(5.0, 0.4, pytest.approx(20.0), 1, 1),  # type: ignore[arg-type]
    )


def test_pod_seconds_count_from_the_start_to_the_end() -> None:
    """One pod for four seconds, two for five, one for one."""
    assert pod_seconds(HISTORY, 10.0) == pytest.approx(4 + 10 + 1)
    assert pod_seconds(HISTORY, 5.0) == pytest.approx(4 + 2)


def test_the_picture_is_drawn_from_hours_of_the_day() -> None:
    """Five seconds at 60 times the speed are five minutes."""
    found = document([Interval(5.0, 2.0, 3.0, 0, 1)], objective_milliseconds=250, speed=60, first_hour=7.0)
    assert found["hours"] == [pytest.approx(7 + 5 / 60)]
    assert found.keys() >= {"requestsPerSecond", "replicas", "p99Milliseconds", "objectiveMilliseconds"}


def test_pods_count_once_they_stay() -> None:
    """A pod that was ready and is gone again is not the one that was waited for."""
    history = History([Replicas(1.0, 1), Replicas(2.0, 2), Replicas(3.0, 1), Replicas(4.0, 2), Replicas(5.0, 3)])
    assert history.until(2, timeout_seconds=1) == 4.0
    assert (history.ready, history.since(4.0)[-1]) == (3, Replicas(1.0, 3))


async def test_every_request_is_sent_when_it_is_due_and_counted(unused_tcp_port: int) -> None:
    """Answers, refusals and a server that hangs up are all kept; latency runs from the due time."""
    seen = Counter[str]()

    async def answer(request: web.Request) -> web.Response:
        seen["all"] += 1
        if seen["all"] == 2:
            return web.Response(status=503)
        if seen["all"] == 3:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/predict", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    try:
        replay = Replay(f"http://127.0.0.1:{unused_tcp_port}/predict", {})
        answers = await replay.run(due_times([2, 2], 0.1))
    finally:
        await runner.cleanup()
    assert sorted(one.status for one in answers) == [0, 200, 200, 503]
    assert [one.due for one in sorted(answers, key=lambda one: one.due)] == pytest.approx([0.025, 0.075, 0.125, 0.175])
    assert all(0 < one.seconds < 5 for one in answers)


def test_load_goes_nowhere_else() -> None:
    """An address outside of the test cluster is refused before anything is sent."""
    with pytest.raises(ValueError, match="loopback or to the test cluster only"):
        Replay("http://192.0.2.1/predict", {})
