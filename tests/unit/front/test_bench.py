"""The benchmarks' own arithmetic: reading wrk and h2load, goals, and the file that a run leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.front.load import Load, parse_wrk
from tests.bench.overload.answers import goodput, parse_log, rate, recovery_seconds, shed_p99_milliseconds
from tests.bench.overload.clients import Crowd
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
        ("3.36ms", 45_703, "4.00s", Load(45_703, 11_425.75, 1.31, 3.36)),
        ("980.00us", 100, "500.00ms", Load(100, 200.0, 1.31, 0.98)),
        ("1.61s ", 120, "2.00m", Load(120, 1.0, 1.31, 1_610.0)),
        ("1.25s", 120, "2.00m", Load(120, 1.0, 1.31, 1_250.0)),
    ],
)
def test_wrks_units_are_understood(p99: str, requests: int, duration: str, load: Load) -> None:
    """Latencies and durations come in whatever unit is shortest."""
    measured = parse_wrk(WRK.format(p99=p99, requests=requests, duration=duration))
    assert measured.requests_per_second == pytest.approx(load.requests_per_second)
    assert measured.p99_milliseconds == pytest.approx(load.p99_milliseconds)
    assert (measured.requests, measured.p50_milliseconds) == (load.requests, load.p50_milliseconds)


@pytest.mark.parametrize("line", ["  Non-2xx or 3xx responses: 1\n", "  Socket errors: connect 0, read 1\n", None])
def test_a_run_with_failed_requests_is_no_measurement(line: str | None) -> None:
    """One failed request, or a report that is not understood, stops the benchmark."""
    report = "" if line is None else WRK.format(p99="1.00ms", requests=1, duration="1.00s") + line
    with pytest.raises(RuntimeError):
        parse_wrk(report)


LOG = ["1000000\t200\t40000", "1100000\t503\t2000", "1200000\t200\t300000", "1900000\t503\t9000", "1950000\t-1\t50000"]


def test_the_figures_of_an_overload() -> None:
    """Goodput is what came in time; the last answer that was lost, late or none ends the recovery."""
    answers = parse_log(LOG)
    assert [answer.status for answer in answers] == [200, 503, 200, 503, -1]
    assert rate(answers) == pytest.approx(5)
    assert goodput(answers, 0.1) == pytest.approx(1)
    assert goodput(answers, 0.3) == pytest.approx(2)
    assert shed_p99_milliseconds(answers) == pytest.approx(9)
    assert recovery_seconds(answers, 1.5, 0.1) == pytest.approx(0.5)


def test_without_sheds_and_failures_there_is_nothing_to_wait_for() -> None:
    """A run in which all went well."""
    answers = parse_log(LOG[:1])
    assert shed_p99_milliseconds(answers) == 0
    assert recovery_seconds(answers, 0.5, 0.1) == 0


def test_a_rate_is_shared_by_the_clients() -> None:
    """h2load takes it for each of them."""
    coming = ["--rate=30", "--rate-period=10ms"]
    assert Crowd(clients=200, requests=10, rate=3_000).options() == ["-c", "200", "-n", "10", "--rps=15.0000", *coming]
    assert "--rate=16" in Crowd(clients=16, requests=10, rate=3_000).options()
    assert Crowd(clients=16, requests=10).options() == ["-c", "16", "-n", "10"]


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
