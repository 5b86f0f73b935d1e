"""The benchmark's own arithmetic: reading wrk, goals, and the file that a run leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.front.load import Load, parse_wrk
from tests.bench.report import Goal, table, write_report

WRK = """Running 4s test @ http://127.0.0.1:8080/predict
  1 threads and 16 connections
  Latency Distribution
     50%    1.31ms
     99%    {p99}
  {requests} requests in {duration}, 17.39MB read
Requests/sec:  11425.75
"""


@pytest.mark.parametrize(
    ("p99", "requests", "duration", "load"),
    [
        ("3.36ms", 45_703, "4.00s", Load(11_425.75, 3.36)),
        ("980.00us", 100, "500.00ms", Load(200.0, 0.98)),
        ("1.25s", 120, "2.00m", Load(1.0, 1_250.0)),
    ],
)
def test_wrks_units_are_understood(p99: str, requests: int, duration: str, load: Load) -> None:
    """Latencies and durations come in whatever unit is shortest."""
    measured = parse_wrk(WRK.format(p99=p99, requests=requests, duration=duration))
    assert measured.requests_per_second == pytest.approx(load.requests_per_second)
    assert measured.p99_milliseconds == pytest.approx(load.p99_milliseconds)


@pytest.mark.parametrize("line", ["  Non-2xx or 3xx responses: 1\n", "  Socket errors: connect 0, read 1\n", None])
def test_a_run_with_failed_requests_is_no_measurement(line: str | None) -> None:
    """One failed request, or a report that is not understood, stops the benchmark."""
    report = "" if line is None else WRK.format(p99="1.00ms", requests=1, duration="1.00s") + line
    with pytest.raises(RuntimeError):
        parse_wrk(report)


def test_a_report_is_written_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has suite, date, machine and metrics; the verdict needs every goal measured and met."""
    goals = {"fast": Goal("<=", 2), "many": Goal(">=", 8)}
    assert write_report("suite", {"fast": 2.0, "many": 8.00001, "raw": 1 / 3}, goals, folder=tmp_path / "a")
    document = json.loads((tmp_path / "a" / "suite.json").read_text(encoding="utf-8"))
    assert document.keys() == {"suite", "date", "machine", "metrics"}
    assert document["metrics"] == {"fast": 2.0, "many": 8.0, "raw": 0.3333}
    assert "cores" in document["machine"]
    assert not write_report("suite", {"fast": 2.1, "many": 9}, goals, folder=tmp_path / "b")
    assert not write_report("suite", {"fast": 1}, goals, folder=tmp_path / "c")
    assert "suite:" in capsys.readouterr().out


def test_a_missed_goal_is_marked() -> None:
    """A person sees at once which line is the problem."""
    lines = table("suite", {"fast": 3.0, "raw": 1.0}, {"fast": Goal("<=", 2), "many": Goal(">=", 8)}).splitlines()
    missed = [line for line in lines if line.endswith("MISSED")]
    assert [line.split()[0] for line in missed] == ["fast", "many"]
    assert "not measured" in missed[1]
