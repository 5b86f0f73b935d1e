"""Reports, to a real ledger and to servers that misbehave."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marquee.client import (
    InvalidRequestError,
    LedgerClient,
    Outcome,
    OutcomesNotReportedError,
    Receipt,
    RetryPolicy,
    outcomes,
)
from marquee.ledger.settings import Settings
from tests.support.operator import free_port
from tests.unit.client.servers import Reply, Rollout, Scripted, ledger_of

KEY = "mqk_secret"
QUICK = RetryPolicy(give_up_seconds=0.5, base_seconds=0.05, cap_seconds=0.1)
THREE = [Outcome(f"id-{number}", "purchase") for number in range(3)]
TAKEN = {"counted": 3, "duplicate": 0, "pending": 0, "refused": 0, "results": []}


@pytest.fixture
def shop(rollout: Rollout) -> Iterator[LedgerClient]:
    """A client with the shop's key."""
    with LedgerClient(rollout.url, api_key=rollout.shop_key) as client:
        yield client


@pytest.mark.parametrize("key", ["", "mqk_a b", "mqk_a\r\nx: y", "schlüssel", None, b"mqk"])
def test_a_key_that_is_none_is_refused_and_not_repeated(key: Any) -> None:
    """A line end in it would be another header."""
    with pytest.raises(InvalidRequestError, match=r"^api_key: ") as caught:
        LedgerClient("http://127.0.0.1", api_key=key)
    assert "mqk_a" not in str(caught.value)


def test_something_else_among_the_outcomes_stops_the_report_before_anything_is_sent() -> None:
    """Even in the second batch."""
    given: list[Any] = [*THREE * outcomes.MAX_BATCH, {"predictionId": "id", "outcome": "purchase"}]
    with Scripted(Reply(body=TAKEN)) as scripted, LedgerClient(scripted.url, api_key=KEY) as client:
        with pytest.raises(InvalidRequestError, match="none was reported"):
            client.report(given)
        assert not scripted.seen


def test_a_bad_value_stops_the_report_before_anything_is_sent(rollout: Rollout, shop: LedgerClient) -> None:
    """The outcome cannot even be made, so no batch holds it."""
    (identifier,) = rollout.ids(1)
    with pytest.raises(InvalidRequestError, match=r"^value: "):
        shop.report(Outcome(identifier, "revenue", value) for value in [1.0, math.nan])
    assert rollout.counted()["revenue"]["successes"] == 0


@pytest.mark.parametrize("others", [0, 2])
def test_a_refused_prediction_id_comes_back_with_its_reason(rollout: Rollout, shop: LedgerClient, others: int) -> None:
    """Alone or among good ones; those are counted."""
    good = [Outcome(identifier, "purchase") for identifier in rollout.ids(others)] if others else []
    identifier = rollout.ids(1, prefix="victim")[0]
    forged = Outcome(identifier[:-3] + ("AAA" if identifier[-3:] != "AAA" else "BBB"), "purchase")
    receipt = shop.report([*good, forged])
    assert receipt.counted == others
    (refusal,) = receipt.refused
    assert (refusal.outcome, refusal.reason) == (forged, "prediction-id-invalid")
    assert "forged or was altered" in refusal.detail


def test_an_id_that_no_ledger_knows_is_refused(shop: LedgerClient) -> None:
    """Any text that was not issued with the ledger's keys."""
    receipt = shop.report([Outcome("0" * 32, "purchase")])
    assert [refusal.reason for refusal in receipt.refused] == ["prediction-id-invalid"]


def test_a_refund_and_an_outcome_that_nobody_declared_are_refused(rollout: Rollout, shop: LedgerClient) -> None:
    """The ledger's rules are the ledger's: the client repeats none of them."""
    first, second = rollout.ids(2)
    receipt = shop.report([Outcome(first, "revenue", -1.0), Outcome(second, "refund")])
    assert [refusal.reason for refusal in receipt.refused] == ["value-invalid", "outcome-unknown"]


def test_a_wrong_key_is_not_tried_again(rollout: Rollout) -> None:
    """The error holds every outcome, and not the key."""
    wrong = "mqk_" + "x" * 43
    why = r"^3 of 3 outcomes were not reported: http://[^ ]+ HTTP status 401: the API key is not known"
    with (
        LedgerClient(rollout.url, api_key=wrong) as client,
        pytest.raises(OutcomesNotReportedError, match=why) as caught,
    ):
        client.report(THREE)
    assert (caught.value.status, caught.value.kind) == (401, "unauthenticated")
    assert caught.value.unreported == tuple(THREE)
    assert wrong not in f"{caught.value}{vars(caught.value)}"


def test_outcomes_are_counted_once_however_often_they_are_reported(rollout: Rollout, shop: LedgerClient) -> None:
    """More than one batch, twice, and the sum is that of once."""
    count = outcomes.MAX_BATCH + 5
    given = [Outcome(identifier, "revenue", 0.5) for identifier in rollout.ids(count)]
    assert shop.report(given) == Receipt(counted=count)
    assert shop.report(iter(given)) == Receipt(duplicate=count)
    assert rollout.counted()["revenue"]["successes"] == count
    assert int(rollout.counted()["revenue"]["sum"]) == count * 50


def test_an_outcome_that_overtakes_its_exposure_waits(rollout: Rollout, shop: LedgerClient) -> None:
    """The receipt says so."""
    (identifier,) = rollout.ids(1, exposed=False)
    assert shop.report([Outcome(identifier, "purchase")]) == Receipt(pending=1)


def test_nothing_to_report(shop: LedgerClient) -> None:
    """No request: the ledger would refuse an empty one."""
    assert shop.report([]) == Receipt()


def test_a_quota_is_waited_out(ledger_settings: Settings, keys: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    """The second batch is over quota; the ledger says for how long, and the client comes back then."""
    small = {"database_url": f"sqlite:///{tmp_path / 'small.db'}", "outcomes_per_second": 400.0, "burst_seconds": 2.6}
    count = 2 * outcomes.MAX_BATCH
    with ledger_of(ledger_settings.model_copy(update=small)) as url:
        rollout = Rollout.declared(url, "quota", shop_key=keys["shop"][0], admin_key=keys["admin"][0])
        given = [Outcome(identifier, "purchase") for identifier in rollout.ids(count)]
        with LedgerClient(url, api_key=rollout.shop_key, retry=RetryPolicy(base_seconds=0.01)) as client:
            started = time.monotonic()
            assert client.report(given) == Receipt(counted=count)
    assert time.monotonic() - started >= 1


def test_a_ledger_that_comes_back_in_time(
    ledger_settings: Settings, keys: dict[str, tuple[str, str]], tmp_path: Path
) -> None:
    """Down at first, then up with what it had on disk: the caller notices nothing but the time."""
    again = {"database_url": f"sqlite:///{tmp_path / 'again.db'}", "http_port": free_port()}
    settings = ledger_settings.model_copy(update=again)
    with ledger_of(settings) as url:
        rollout = Rollout.declared(url, "again", shop_key=keys["shop"][0], admin_key=keys["admin"][0])
        first, second = ([Outcome(i, "purchase")] for i in rollout.ids(2))
        client = LedgerClient(url, api_key=rollout.shop_key, retry=QUICK)
        assert client.report(first) == Receipt(counted=1)
    with pytest.raises(OutcomesNotReportedError) as caught:
        client.report(second)
    with ledger_of(settings):
        assert client.report(caught.value.unreported) == Receipt(counted=1)
        assert client.report([*first, *second]) == Receipt(duplicate=2)
        client.close()


def test_a_ledger_that_stays_down() -> None:
    """Tries end after the stated time, and the error says what was not reported and why."""
    url = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    words = (
        r"3 of 3 outcomes were not reported: given up after \d+ tr(?:y|ies) in \d+\.\d s \(limit 0\.5 s\): .*refused"
    )
    with (
        LedgerClient(url, api_key=KEY, retry=QUICK) as client,
        pytest.raises(OutcomesNotReportedError, match=words) as caught,
    ):
        client.report(THREE)
    assert time.monotonic() - started < 30
    assert caught.value.unreported == tuple(THREE)
    assert (caught.value.receipt, caught.value.status) == (Receipt(), 0)


def test_a_ledger_that_goes_away_between_batches() -> None:
    """What was taken is in the receipt, the rest in ``unreported``."""
    given = [Outcome(f"id-{number}", "purchase") for number in range(outcomes.MAX_BATCH + 3)]
    with (
        Scripted(Reply(body={**TAKEN, "counted": outcomes.MAX_BATCH}), Reply(503)) as scripted,
        LedgerClient(scripted.url, api_key=KEY, retry=QUICK) as client,
        pytest.raises(OutcomesNotReportedError, match=r"^3 of 1003 outcomes") as caught,
    ):
        client.report(given)
    assert caught.value.unreported == tuple(given[-3:])
    assert caught.value.receipt == Receipt(counted=outcomes.MAX_BATCH)


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(429, headers={"retry-after": "0"}),
        Reply(500, b"oops"),
        Reply(503, headers={"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        Reply(200, TAKEN, cut=True),
        Reply(200, TAKEN, seconds=5),
    ],
    ids=["over quota", "broken", "busy", "cut", "slow"],
)
def test_trouble_that_passes(trouble: Reply) -> None:
    """The same bytes are sent again, with the key."""
    patience = 0.5 if trouble.seconds else 10
    policy = RetryPolicy(base_seconds=0.01)
    with (
        Scripted(trouble, trouble, Reply(body=TAKEN)) as scripted,
        LedgerClient(scripted.url, api_key=KEY, retry=policy, timeout_seconds=patience) as client,
    ):
        assert client.report(THREE) == Receipt(counted=3)
    assert len(scripted.seen) >= 3
    assert len({seen.body for seen in scripted.seen}) == 1
    assert {seen.headers["authorization"] for seen in scripted.seen} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("status", [301, 400, 403, 404, 413, 422])
def test_trouble_that_stays_is_met_once(status: int) -> None:
    """An answer of the 4xx, a redirection, and what is no receipt are never tried again."""
    with (
        Scripted(Reply(status, {"detail": "no"}, {"retry-after": "0"})) as scripted,
        LedgerClient(scripted.url, api_key=KEY) as client,
        pytest.raises(OutcomesNotReportedError, match=f"HTTP status {status}: no") as caught,
    ):
        client.report(THREE)
    assert len(scripted.seen) == 1
    assert caught.value.status == status


def test_the_ledgers_wait_is_kept() -> None:
    """Not a moment less than ``Retry-After``."""
    with (
        Scripted(Reply(503, headers={"retry-after": "1"}), Reply(body=TAKEN)) as scripted,
        LedgerClient(scripted.url, api_key=KEY, retry=RetryPolicy(base_seconds=0)) as client,
    ):
        started = time.monotonic()
        client.report(THREE)
    assert time.monotonic() - started >= 1


def test_a_wait_beyond_the_stated_time_ends_at_once() -> None:
    """Nobody sleeps for an hour, and the message says what was asked."""
    started = time.monotonic()
    with (
        Scripted(Reply(429, headers={"retry-after": "3600"})) as scripted,
        LedgerClient(scripted.url, api_key=KEY) as client,
        pytest.raises(OutcomesNotReportedError, match=r"after 1 try .*it asks to wait 3600 s"),
    ):
        client.report(THREE)
    assert time.monotonic() - started < 30
