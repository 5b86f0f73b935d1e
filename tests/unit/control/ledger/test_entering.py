"""Decisions go into a real ledger's log: numbered, linked, signed, once each, whoever was killed or away meanwhile."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from marquee import VERSION
from marquee.audit.events import KeyRotated, RetrainingChanged, RolloutStepped, Share, Stamp, Subject
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.statements import Statement, read_entry, write_entry
from marquee.audit.verify_offline import verify
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH, AUDIT_POLICY_PATH, AUDIT_PROOFS_PATH
from marquee.control.app.auditing import decision_log
from marquee.control.app.metrics import AuditCollector
from marquee.control.decide.plan import Entry, RunEntry
from marquee.control.ledger.client import LedgerClient
from marquee.control.ledger.entering import Author, DecisionLog
from marquee.control.ledger.errors import LedgerError, LedgerRefusedError, LedgerUnavailableError
from marquee.control.settings import Settings, SettingsError
from marquee.control.snapshot import Decision, RunMark
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.support.plainhttp import http_client

KEY: Final = ("growth", "lead")
AUTHOR: Final = Author(
    PrivateKey("operator.example", Use.LOG, bytes([2] * 32)), "operator marquee-system/marquee-0", "1.2.3"
)
SUBJECT: Final = Subject(name="revision/lead-v2", sha256="ab" * 32)
NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))) as running:
        yield running


@pytest_asyncio.fixture
async def hand(ledger: Ledger) -> AsyncIterator[Callable[[], DecisionLog]]:
    """Operators, each with nothing in memory."""
    async with sessions() as session:
        yield lambda: DecisionLog(LedgerClient(session, ledger.url, None, timeout_seconds=30), AUTHOR)


@asynccontextmanager
async def sessions() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def step(number: int, *, acted: str = "") -> Entry:
    """The canary gets so many percent."""
    decision = Decision(
        "lead-v2-0a1b2c3d", number, "Running", (("lead-v1", 1000 - 10 * number), ("lead-v2", 10 * number)), acted=acted
    )
    event = RolloutStepped(
        actor="",
        rollout=decision.rollout,
        revision="lead-v2",
        step=number,
        verdict="Promote",
        stage="Running",
        shares=tuple(Share(revision=name, permille=permille) for name, permille in decision.shares),
        late=bool(acted),
        acted=datetime.fromisoformat(acted) if acted else None,
    )
    return Entry(decision, event, (SUBJECT,), must_wait=not acted)


def entered(ledger: Ledger) -> list[Statement]:
    """All entries of the log."""
    audit = ledger.running.state.audit
    assert audit is not None
    return [read_entry(audit.committer.log.entry(index)) for index in range(audit.committer.log.size)]


def steps(ledger: Ledger) -> list[int]:
    return [one.event.step for one in entered(ledger) if isinstance(one.event, RolloutStepped)]


async def test_entries_follow_one_another(ledger: Ledger, hand: Callable[[], DecisionLog]) -> None:
    """Numbers without a gap, the index of the one before, who decided, which version."""
    log = hand()
    for number in (1, 2, 3):
        await log.enter(KEY, [step(number)])
    found = entered(ledger)
    assert [(one.stamp.sequence, one.stamp.previous) for one in found] == [(1, None), (2, 0), (3, 1)]
    assert {(one.event.actor, one.stamp.author) for one in found} == {(AUTHOR.actor, AUTHOR.key.public.text)}
    assert [one.event.code for one in found if isinstance(one.event, RolloutStepped)] == 3 * ["1.2.3"]
    assert log.reading(KEY).newest == step(3).decision


async def test_a_successor_finds_what_is_entered(ledger: Ledger, hand: Callable[[], DecisionLog]) -> None:
    """An operator that was killed before its write, or before it heard: its successor enters nothing again."""
    await hand().enter(KEY, [step(1)])
    for _ in range(3):
        log = hand()
        assert log.reading(KEY).newest is None
        await log.enter(KEY, [step(1)])
        assert log.reading(KEY).newest == step(1).decision
    assert steps(ledger) == [1]
    await hand().enter(KEY, [step(2)])
    await hand().enter(KEY, [step(1)])
    assert steps(ledger) == [1, 2, 1]


async def test_two_leaders_leave_no_gap(ledger: Ledger, hand: Callable[[], DecisionLog]) -> None:
    """Each learns of the other's entries when its own is refused; both at once come in some order."""
    one, other = hand(), hand()
    for number in range(1, 6):
        await one.enter(KEY, [step(number)])
        await other.enter(KEY, [step(number + 40)])
    assert [one.stamp.sequence for one in entered(ledger)] == list(range(1, 11))
    results = await asyncio.gather(*(hand().enter(KEY, [step(9)]) for _ in range(4)), return_exceptions=True)
    assert any(result is None for result in results)
    assert steps(ledger).count(9) == 1


async def test_what_is_owed_comes_first_and_once(ledger: Ledger, hand: Callable[[], DecisionLog]) -> None:
    """In its order, with its time, also when a kill comes between two of them."""
    times = [(NOW + timedelta(seconds=number)).isoformat(timespec="milliseconds") for number in range(3)]
    owed = [step(number, acted=time) for number, time in zip((1, 2, 1), times, strict=True)]
    await hand().enter(KEY, owed[:2])
    await hand().enter(KEY, owed)
    await hand().enter(KEY, [*owed, step(2)])
    await hand().enter(KEY, [*owed, step(2)])
    await hand().enter(KEY, owed)
    assert steps(ledger) == [1, 2, 1, 2]
    late = [one.event.late for one in entered(ledger) if isinstance(one.event, RolloutStepped)]
    assert late == [True, True, True, False]


async def test_a_clock_that_went_back_is_said(ledger: Ledger, hand: Callable[[], DecisionLog]) -> None:
    """Time never goes back in a log; how far the clock was behind stands in the entry."""
    log = hand()
    log.now = lambda: NOW
    await log.enter(KEY, [step(1)])
    log.now = lambda: NOW - timedelta(seconds=90)
    await log.enter(KEY, [step(2)])
    first, second = entered(ledger)
    assert first.stamp.time == second.stamp.time == NOW
    assert second.stamp.clock_behind_seconds == 90


async def test_a_log_that_is_away_is_an_error_and_remembered(tmp_path: Path) -> None:
    """For the next decision: why, and since when; forgotten with the model, and when it is back."""
    settings = settings_of(tmp_path, **keeping_a_log(tmp_path))
    async with sessions() as session:
        with Ledger(settings) as ledger:
            log = DecisionLog(LedgerClient(session, ledger.url, None, timeout_seconds=30), AUTHOR)
            await log.enter(KEY, [step(1)])
            port = ledger.running.port
        with pytest.raises(LedgerUnavailableError):
            await log.enter(KEY, [step(2)])
        reading = log.reading(KEY)
        assert (reading.newest, reading.failed_at is not None) == (None, True)
        assert f":{port}" in reading.failure
        with Ledger(settings.model_copy(update={"http_port": port})) as again:
            await log.enter(KEY, [step(2)])
            assert (log.reading(KEY).failure, steps(again)) == ("", [1, 2])
        log.forget(KEY)
        assert log.reading(KEY).newest is None
        samples = generate_latest(_registry(log)).decode()
        assert "marquee_audit_entered_total 2.0" in samples
        assert "marquee_audit_entry_failures_total 1.0" in samples


def _registry(log: DecisionLog) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(AuditCollector(log))
    return registry


async def test_a_ledger_without_a_log_says_what_to_do(tmp_path: Path) -> None:
    """Nothing is done by an operator whose ledger keeps no log, and it says which setting is missing where."""
    async with sessions() as session:
        with Ledger(settings_of(tmp_path)) as ledger:
            log = DecisionLog(LedgerClient(session, ledger.url, None), AUTHOR)
            with pytest.raises(LedgerRefusedError, match="set MARQUEE_LEDGER_AUDIT_PATH"):
                await log.enter(KEY, [step(1)])


async def test_an_entry_that_is_too_large_is_no_reason_to_act(hand: Callable[[], DecisionLog]) -> None:
    """It is refused before it is sent, with its size."""
    one = step(1)
    long = Entry(one.decision, one.event.model_copy(update={"reason": "x" * 70_000}), one.subjects)
    with pytest.raises(LedgerError, match="65,535 fit"):
        await hand().enter(KEY, [long])


async def test_other_kinds_of_entries_are_in_nobodys_way(ledger: Ledger, hand: Callable[[], DecisionLog]) -> None:
    """What somebody else has entered about the model is followed, and is no decision of ours."""
    event = KeyRotated(actor="x", retired="a", successor="b")
    stamp = Stamp(model="growth/lead", sequence=1, time=NOW, author=AUTHOR.key.public.text)
    log = hand()
    await log.client.append_entry(write_entry(Statement(stamp, event, (SUBJECT,)), [AUTHOR.key]))
    await log.enter(KEY, [step(1)])
    assert [one.stamp.sequence for one in entered(ledger)] == [1, 2]


async def test_what_is_entered_is_proven_offline(
    ledger: Ledger, hand: Callable[[], DecisionLog], tmp_path: Path
) -> None:
    """By the standalone verifier, with the operator's signature."""
    for number in (1, 2):
        await hand().enter(KEY, [step(number)])
    trust, proofs = tmp_path / "policy", tmp_path / "proofs"

    def fetch() -> None:
        with http_client(ledger.url) as http:
            trust.write_text(http.get(AUDIT_POLICY_PATH).text)
            proofs.write_text(http.get(f"{AUDIT_PROOFS_PATH}/growth/lead").text)
            assert http.get(AUDIT_ENTRIES_PATH).json()["size"] == 2

    await asyncio.to_thread(fetch)
    assert sum("by operator.example" in word for word in verify(proofs, trust)) == 2


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"audit_key_path": "{}/none", "ledger_url": "http://ledger"}, "the key cannot be read"),
        ({"audit_key_path": "{}/key", "ledger_url": ""}, "nobody keeps the log"),
        ({"audit_key_path": "{}/bad", "ledger_url": "http://ledger"}, "is no private key"),
    ],
)
async def test_an_operator_without_its_key_does_not_start(settings: dict[str, str], why: str, tmp_path: Path) -> None:
    """It would enter nothing, and nobody would notice; the sentence says which file."""
    (tmp_path / "key").write_text("12" * 32)
    (tmp_path / "bad").write_text("12" * 31)
    given = {name: value.format(tmp_path) for name, value in settings.items()}
    async with sessions() as session:
        with pytest.raises(SettingsError, match=why):
            decision_log(Settings(**given), session)  # type: ignore[arg-type]


async def test_the_operators_hand_from_its_settings(tmp_path: Path) -> None:
    """The key as the chart makes it, the author's name, this process and this version; none without a key."""
    (tmp_path / "key").write_text("12" * 32 + "\n")
    settings = Settings(
        audit_key_path=str(tmp_path / "key"),
        audit_author="shop/operator",
        ledger_url="http://ledger",
        pod_name="marquee-0",
    )
    async with sessions() as session:
        made = decision_log(settings, session)
        assert made is not None
        assert (made.author.key.name, made.author.code) == ("shop/operator", VERSION)
        assert made.author.actor == "operator marquee-system/marquee-0"
        assert decision_log(Settings(ledger_url="http://ledger"), session) is None


def test_the_version_is_the_packages() -> None:
    """Images have the folder and not the package, so it is written twice."""
    project = (Path(__file__).resolve().parents[4] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{VERSION}"\n' in project


def of_run(run: str, change: str) -> RunEntry:
    """One entry about a retraining run."""
    event = RetrainingChanged.model_validate({"actor": "", "run": run, "change": change, "model_uid": "uid-model"})
    return RunEntry(RunMark("uid-model", run, change), event, (SUBJECT,))


async def test_runs_and_traffic_are_numbered_together_and_known_apart(hand: Callable[[], DecisionLog]) -> None:
    """Whoever takes over finds where traffic was led last, behind all that was entered about runs since, and enters
    nothing of either a second time."""
    first = hand()
    await first.enter(KEY, [step(5)])
    await first.enter_runs(KEY, [of_run("lead-a", "Started")])
    await first.enter_runs(KEY, [of_run("lead-a", "Finished"), of_run("lead-a", "GatePassed")])
    assert first.entered == 4
    second = hand()
    assert second.reading(KEY).marks == frozenset()
    await second.enter_runs(KEY, [of_run("lead-a", "Finished"), of_run("lead-a", "GatePassed")])
    await second.enter(KEY, [step(5)])
    assert second.entered == 0
    known = second.reading(KEY)
    assert known.newest == step(5).decision
    assert {mark.change for mark in known.marks} == {"Started", "Finished", "GatePassed"}
    await second.enter_runs(KEY, [of_run("lead-b", "Started")])
    await second.enter(KEY, [step(10)])
    newest = await second.client.newest_entries("/".join(KEY))
    assert [read_entry(base64.b64decode(one.entry)).stamp.sequence for one in newest] == [6, 5, 4, 3, 2, 1]


async def test_a_run_is_known_by_its_model(hand: Callable[[], DecisionLog]) -> None:
    """One of a model that was made anew under the same name is another."""
    log = hand()
    await log.enter_runs(KEY, [of_run("lead-a", "Started")])
    other = of_run("lead-a", "Started")
    await log.enter_runs(KEY, [RunEntry(RunMark("uid-other", "lead-a", "Started"), other.event, other.subjects)])
    assert log.entered == 2
