"""The list of PromotionFreezes in a real ledger's log: entered when it changes, whoever was away meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx
import pytest
import pytest_asyncio

from marquee.api.promotion_freeze import PromotionFreezeSpec
from marquee.audit.events import FreezesChanged
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.statements import read_entry
from marquee.audit.verify_offline import verify
from marquee.contract.audit_paths import AUDIT_POLICY_PATH, AUDIT_PROOFS_PATH
from marquee.control.decide.freezes_entered import MAX_LISTED, entry_of
from marquee.control.ledger.client import LedgerClient
from marquee.control.ledger.entering import Author, DecisionLog
from marquee.control.ledger.errors import LedgerError
from marquee.control.ledger.freezing import FreezeRecorder
from marquee.control.snapshot import StandingFreeze
from tests.support.ledger import Ledger, keeping_a_log, settings_of

HOME: Final = "marquee-system"
AUTHOR: Final = Author(PrivateKey("operator.example", Use.LOG, bytes([2] * 32)), f"operator {HOME}/marquee-0", "1.2.3")


def a_freeze(name: str, namespace: str = HOME, editor: str = "anna", **spec: Any) -> StandingFreeze:
    return StandingFreeze(namespace, name, f"uid-{name}", PromotionFreezeSpec.model_validate(spec), editor)


PEAK: Final = a_freeze("peak", first="2026-11-20", last="2026-12-02", timeZone="Europe/Berlin", reason="sale")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(settings_of(tmp_path, **keeping_a_log(tmp_path))) as running:
        yield running


class Cluster:
    """The freezes that there are, and operators that enter them, each with nothing in memory."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.freezes: tuple[StandingFreeze, ...] = ()
        self._session, self._url = session, url

    def operator(self) -> FreezeRecorder:
        client = LedgerClient(self._session, self._url, None, timeout_seconds=2)
        return FreezeRecorder(DecisionLog(client, AUTHOR), HOME, lambda: self.freezes)


@pytest_asyncio.fixture
async def cluster(ledger: Ledger) -> AsyncIterator[Cluster]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Cluster(session, ledger.url)


def entered(ledger: Ledger) -> list[FreezesChanged]:
    """All entries of the log, which are about nothing else."""
    audit = ledger.running.state.audit
    assert audit is not None
    log = audit.committer.log
    events = [read_entry(log.entry(index)).event for index in range(log.size)]
    return [event for event in events if isinstance(event, FreezesChanged)]


def listed(ledger: Ledger) -> list[list[str]]:
    return [[one.name for one in event.freezes] for event in entered(ledger)]


async def test_the_list_is_entered_when_it_becomes_another(ledger: Ledger, cluster: Cluster) -> None:
    """Once for each change, by whoever leads; before there ever was one, nothing."""
    operator = cluster.operator()
    await operator.enter()
    assert listed(ledger) == []
    cluster.freezes = (PEAK,)
    for _ in range(2):
        await operator.enter()
        await cluster.operator().enter()
    assert listed(ledger) == [["peak"]]
    (told,) = entered(ledger)[0].freezes
    assert (told.first, told.last, told.time_zone, told.reason) == ("2026-11-20", "2026-12-02", "Europe/Berlin", "sale")
    assert (told.by, entered(ledger)[0].actor) == ("anna", AUTHOR.actor)
    cluster.freezes = (PEAK, a_freeze("audit", "growth"))
    await operator.enter()
    cluster.freezes = ()
    await cluster.operator().enter()  # another one, which has not seen it go
    await cluster.operator().enter()
    assert listed(ledger) == [["peak"], ["peak", "audit"], []]


@pytest.mark.parametrize(
    "other",
    [
        a_freeze("peak", first="2026-11-20", last="2026-12-03", timeZone="Europe/Berlin", reason="sale"),
        a_freeze("peak", editor="bob", first="2026-11-20", last="2026-12-02", timeZone="Europe/Berlin", reason="sale"),
        StandingFreeze(HOME, "peak", "uid-peak", None),
    ],
    ids=["its last day", "its editor", "cannot be read"],
)
async def test_what_is_another_list(ledger: Ledger, cluster: Cluster, other: StandingFreeze) -> None:
    """Days, who has changed it, and that it cannot be read any more."""
    for cluster.freezes in ((PEAK,), (other,)):
        await cluster.operator().enter()
    assert len(entered(ledger)) == 2


def test_an_entry_has_room_for_the_longest_texts() -> None:
    """As many as are listed, each with the longest names and reason; the others are counted."""
    long = [
        a_freeze(f"{index:03}" + "x" * 250, "n" * 63, "e" * 253, timeZone="Z" * 64, reason="r" * 128)
        for index in range(MAX_LISTED + 3)
    ]
    event = entry_of(long).event
    assert isinstance(event, FreezesChanged)
    assert (len(event.freezes), event.more) == (MAX_LISTED, 3)
    assert len(event.model_dump_json(by_alias=True)) * 4 / 3 < 65_535 - 2_000


async def test_it_is_tried_again_and_told_of_news(ledger: Ledger, cluster: Cluster) -> None:
    """A log that is away holds nothing up; a change is entered without waiting for the next look."""
    operator = cluster.operator()
    cluster.freezes = (PEAK,)
    ledger.running.state.audit, kept = None, ledger.running.state.audit
    with pytest.raises(LedgerError):
        await operator.enter()
    running = asyncio.create_task(operator.run())
    await asyncio.sleep(0.2)
    assert not running.done()
    ledger.running.state.audit = kept
    operator.wake()
    async with asyncio.timeout(20):
        while listed(ledger) != [["peak"]]:
            await asyncio.sleep(0.02)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_the_list_is_proven_offline(ledger: Ledger, cluster: Cluster, tmp_path: Path) -> None:
    """By the standalone verifier, numbered without a gap and signed by the operator."""
    for cluster.freezes in ((PEAK,), ()):
        await cluster.operator().enter()
    trust, proofs = tmp_path / "policy", tmp_path / "proofs"

    def fetch() -> None:
        with httpx.Client(base_url=ledger.url, trust_env=False) as http:
            trust.write_text(http.get(AUDIT_POLICY_PATH).text)
            proofs.write_text(http.get(f"{AUDIT_PROOFS_PATH}/{HOME}/.freezes").text)
            assert http.get(f"{AUDIT_PROOFS_PATH}/{HOME}/.others").status_code == 400

    await asyncio.to_thread(fetch)
    words = "\n".join(verify(proofs, trust))
    assert "(marquee-system/.freezes up to number 2)" in words
    assert words.count("by operator.example") == 2
