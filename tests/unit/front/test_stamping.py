"""Requests that the pod stamps itself: what the ledger says, when it begins, and what a client may not say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bentos.front import asking
from bentos.front.asking import stamping_of
from bentos.front.callers import Callers
from bentos.front.failures import CannotServeError
from bentos.front.metrics import Metrics
from bentos.front.reporting.counting import Counting
from bentos.front.reporting.statistics import Statistics
from bentos.front.settings import Settings
from bentos.front.stamping import REQUESTS_A_CONNECTION, Stamping
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.pod import HEADER_BUCKET, HEADER_COHORT, HEADER_UNIT
from marquee.contract.stamping import StampedStep, StampingReply
from tests.support.ledger import Ledger, Sender, settings_of
from tests.support.operator import free_port
from tests.support.plainhttp import http_client

Make = Callable[..., Settings]
MODEL = "ns/fixture"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def reply(**begins: float) -> StampingReply:
    """Steps and the seconds until they begin."""
    steps = tuple(StampedStep(step=int(name[1:]), in_seconds=seconds) for name, seconds in begins.items())
    return StampingReply(rollout="r", stable="fixture-1", canary="fixture-2", steps=steps)


def stamped(revision: str = "fixture-1", clock: Clock | None = None, **begins: float) -> Stamping:
    made = Stamping(revision, clock or Clock())
    made.hear(reply(**begins))
    return made


@pytest.mark.parametrize("environment", [{"MARQUEE_STAMPING": "both"}, {"MARQUEE_STAMPING": "pod"}])
def test_a_setting_that_cannot_work_is_refused(environment: dict[str, str], settings: Make) -> None:
    """An unknown word, and a pod that nobody would tell anything."""
    given = settings().model_dump(include={"model", "namespace", "revision", "artifact_uri", "artifact_digest"})
    names = {f"MARQUEE_{name.upper()}": str(value) for name, value in given.items()}
    with pytest.raises(CannotServeError, match="MARQUEE_STAMPING"):
        Settings.from_environment(names | environment)


def test_a_pod_that_was_told_nothing_stamps_nothing() -> None:
    """Before the ledger has answered, without a rollout, and when the rollout is about others."""
    assert Stamping("fixture-1").now() is None
    for told in (StampingReply(), reply()):
        made = stamped(s0=-1)
        made.hear(told)
        assert made.now() is None
    assert stamped("fixture-3", s0=-1).now() is None


@pytest.mark.parametrize(("revision", "arm"), [("fixture-1", Arm.STABLE), ("fixture-2", Arm.CANARY)])
def test_the_revision_is_the_arm(revision: str, arm: Arm) -> None:
    """Every pod of a revision says the same."""
    stamp = stamped(revision, s0=-1).now()
    assert stamp is not None
    assert (stamp.cohort, stamp.text) == (Cohort("r", 0, arm), f"r/0/{arm.label}".encode())


def test_steps_begin_at_their_moment_whenever_it_was_told() -> None:
    """Two pods that heard at different times change over together, and neither before."""
    clocks = Clock(), Clock()
    early, late = (stamped(clock=clock, s0=-100, s1=15) for clock in clocks)
    clocks[1].seconds += 9
    late.hear(reply(s0=-109, s1=6))
    for after, step in ((9, 0), (14.9, 0), (15, 1), (500, 1)):
        for made, clock in zip((early, late), clocks, strict=True):
            clock.seconds = 1_000 + after
            stamp = made.now()
            assert stamp is not None
            assert stamp.cohort.step == step


def test_before_its_first_step_a_rollout_counts_nobody() -> None:
    """The canary may have its users already; nobody counts them until all pods do."""
    clock = Clock()
    made = stamped(clock=clock, s0=15)
    assert made.now() is None
    clock.seconds += 15
    assert made.now() is not None


def test_what_a_client_says_of_its_cohort_means_nothing() -> None:
    """Neither a forged stamp nor a bucket; a malformed unit is refused as ever."""
    metrics = Metrics()
    callers = Callers(MODEL, metrics, stamped(s3=-1))
    for stamp in (b"x/0/canary", b"nonsense"):
        caller = callers.read([(HEADER_COHORT.encode(), stamp), (HEADER_BUCKET.encode(), b"1000")])
        callers.check_bucket(caller)
        assert caller.cohort == Cohort("r", 3, Arm.STABLE)
    assert not any(metrics.ignored_headers.values())
    assert callers.read([(HEADER_UNIT.encode(), b"")]).problem is not None
    assert Callers(MODEL, metrics, Stamping("fixture-1")).read([(HEADER_COHORT.encode(), b"x/0/canary")]).cohort is None


def test_each_request_is_a_unit_of_its_own() -> None:
    """A user who may reach both arms would be credited to the first one, whatever the other does to him."""
    counting = Counting(Statistics(), lambda: None)
    callers = Callers(MODEL, Metrics(), stamped(s0=-1))
    units = []
    for _ in range(3):
        caller = callers.read([(HEADER_UNIT.encode(), b"customer-7")])
        assert caller.unit == caller.unit
        units.append(caller.unit)
        counting.observe(caller, 200, 1)
    (tally,) = counting.take()
    assert (bytes(tally.units), len(set(units))) == (b"".join(units), 3)


def test_a_body_may_still_not_contradict_the_headers() -> None:
    """That a unit is not counted by makes no nonsense of it."""
    caller = Callers(MODEL, Metrics(), stamped(s0=-1)).read([(HEADER_UNIT.encode(), b"customer-7")])
    assert not caller.identify(b"another!")


def test_connections_are_drawn_anew_now_and_then() -> None:
    """About one answer in 32 asks for it."""
    made = stamped(s0=-1)
    asked = sum(made.reconnects() for _ in range(200 * REQUESTS_A_CONNECTION))
    assert 120 < asked < 280


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[tuple[Ledger, Sender]]:
    with Ledger(settings_of(tmp_path)) as ledger, http_client(ledger.url) as http:
        yield ledger, Sender(http, MODEL)


def until(made: Stamping | None, wanted: Cohort | None) -> None:
    assert made is not None
    deadline = time.monotonic() + 10
    while (stamp := made.now()) is None or stamp.cohort != wanted:
        if stamp is None and wanted is None:
            return
        assert time.monotonic() < deadline, f"{stamp} instead of {wanted}"
        time.sleep(0.02)


def test_a_pod_follows_a_real_ledger(
    sender: tuple[Ledger, Sender], settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing to the steps of a rollout and to nothing again."""
    ledger, operator = sender
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.1)
    monkeypatch.setattr("marquee.ledger.book.stamping.LEAD_SECONDS", 1)
    made = stamping_of(settings({"ledger_url": ledger.url, "stamping": "pod", "revision": "fixture-2"}))
    until(made, None)
    operator.declare({"outcome": "buy"})
    path = f"/v1/rollouts/{MODEL}/r/stamping"
    for step in (0, 1):
        operator.http.put(path, json={"stable": "fixture-1", "canary": "fixture-2", "step": step})
        until(made, Cohort("r", step, Arm.CANARY))
    operator.http.delete(path)
    until(made, None)


def test_without_a_ledger_a_pod_goes_on_with_what_it_knows(settings: Make) -> None:
    """No step can begin that the ledger did not tell, so the last one still holds."""
    url = f"http://127.0.0.1:{free_port()}"
    made = stamping_of(settings({"ledger_url": url, "stamping": "pod", "revision": "fixture-2"}))
    assert made is not None
    made.hear(reply(s0=-1))
    time.sleep(0.5)
    assert made.now() is not None


def test_behind_a_gateway_nobody_asks(settings: Make) -> None:
    """The header is what counts there."""
    assert stamping_of(settings({"ledger_url": "http://127.0.0.1:9"})) is None
