"""Who may send what: API keys, service-account tokens, master keys and quotas."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from marquee.contract.ledger import STATISTICS_PATH
from marquee.contract.pod import LEDGER_AUDIENCE
from marquee.ledger.access.gate import Gate
from marquee.ledger.access.keys import ApiKeys, new_key
from marquee.ledger.access.masterkeys import MasterKeys
from marquee.ledger.access.quotas import MAX_BUCKETS, Quota, Quotas
from marquee.ledger.access.reviews import BAD_SECONDS, GOOD_SECONDS, Review, ServiceAccounts
from marquee.ledger.access.senders import ReviewUnavailableError, Role, Sender, UnauthenticatedError
from marquee.ledger.errors import SettingsError
from tests.support.ledger import MASTER, Ledger, settings_of
from tests.support.ledger import Sender as Sending
from tests.support.plainhttp import http_client

SHOP = Sender("key:shop", frozenset({Role.OUTCOMES}), ("growth/*",))
PREDICTOR = "system:serviceaccount:growth:default"
OPERATOR = "system:serviceaccount:marquee-system:marquee-operator"


class Clock:
    """Seconds that stand still until a test moves them."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Reviewer:
    """What the API server would say, counted; the real one is asked in tests/api."""

    def __init__(self, **names: str) -> None:
        self.names = names
        self.asked: list[str] = []
        self.unavailable = False

    async def review(self, token: str, audience: str) -> Review:
        assert audience == LEDGER_AUDIENCE
        self.asked.append(token)
        await asyncio.sleep(0)
        if self.unavailable:
            raise ReviewUnavailableError("the API server does not answer")
        return Review(self.names.get(token, ""), "" if token in self.names else "token is expired")


def key_file(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": list(entries)}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({}, "keys.0.name: Field required"),
        ({"name": "shop", "sha256": "abc", "models": ["*"]}, "keys.0.sha256: String should match"),
        ({"name": "shop", "sha256": "0" * 64, "models": ["growth"]}, "keys.0.models.0: String should match"),
        ({"name": "shop", "sha256": "0" * 64, "models": ["*"], "roles": ["root"]}, "keys.0.roles.0: Input should be"),
        (
            {"name": "shop", "sha256": "0" * 64, "models": ["*"], "roles": ["audit"]},
            "keys.0.roles: Value error, audit: entries come from the operator's service account alone",
        ),
        ({"name": "Shop", "sha256": "0" * 64, "models": ["*"]}, "keys.0.name: String should match"),
    ],
)
def test_impossible_key_file_stops_the_start(entry: dict[str, Any], why: str, tmp_path: Path) -> None:
    """A slip in the file is named with its place."""
    with pytest.raises(SettingsError, match=why.replace(".", r"\.")):
        ApiKeys(key_file(tmp_path, entry))


def test_key_file_must_be_there(tmp_path: Path) -> None:
    """A path that leads nowhere is a mistake in the settings."""
    with pytest.raises(SettingsError, match="the API keys cannot be read"):
        ApiKeys(tmp_path / "none")


def test_key_is_found_by_its_hash(tmp_path: Path) -> None:
    """The file holds no key; whoever has one is the sender that it was made for."""
    key, digest = new_key()
    entry = {"name": "shop", "sha256": digest, "models": ["growth/*"]}
    keys = ApiKeys(key_file(tmp_path, entry))
    assert key not in (tmp_path / "keys.json").read_text(encoding="utf-8")
    assert keys.sender(key) == SHOP
    with pytest.raises(UnauthenticatedError):
        keys.sender(key + "x")


def test_withdrawn_key_stops_working_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    """The file is read again; one that cannot be read leaves the keys before in force, and says so."""
    clock = Clock()
    key, digest = new_key()
    keys = ApiKeys(key_file(tmp_path, {"name": "shop", "sha256": digest, "models": ["*"]}), clock=clock)
    (tmp_path / "keys.json").write_text("{", encoding="utf-8")
    clock.now += 11
    assert keys.sender(key).name == "key:shop"
    assert "keys.json" in keys.broken
    key_file(tmp_path)
    clock.now += 11
    with pytest.raises(UnauthenticatedError, match="not known, or was withdrawn"):
        keys.sender(key)
    assert keys.broken == ""


@pytest.mark.parametrize(
    ("patterns", "model", "may"),
    [
        (("*",), "growth/lead", True),
        (("growth/*",), "growth/lead", True),
        (("growth/lead",), "growth/lead", True),
        (("growth/*",), "growthy/lead", False),
        (("growth/lead",), "growth/lead-2", False),
        (("growth/lead*",), "growth/lead-2", False),
        ((), "growth/lead", False),
    ],
)
def test_sender_acts_for_its_models_alone(patterns: tuple[str, ...], model: str, may: bool) -> None:
    """Patterns are a model, a namespace or everything; nothing else matches more than itself."""
    assert Sender("s", frozenset({Role.OUTCOMES}), patterns).may(Role.OUTCOMES, model) is may
    assert Sender("s", frozenset({Role.EXPOSURES}), patterns).may(Role.OUTCOMES, model) is False


async def test_service_account_acts_for_its_namespace() -> None:
    """A predictor's account sends exposures of its own namespace; the operator's reads and declares everything."""
    accounts = ServiceAccounts(
        Reviewer(pod=PREDICTOR, operator=OPERATOR, person="kubernetes-admin"),
        frozenset({"marquee-system:marquee-operator"}),
    )
    pod, operator = await accounts.sender("pod"), await accounts.sender("operator")
    assert pod.may(Role.EXPOSURES, "growth/lead")
    assert not pod.may(Role.EXPOSURES, "retention/lead")
    assert not pod.roles & {Role.STATISTICS, Role.ROLLOUTS, Role.OUTCOMES}
    assert operator.may(Role.ROLLOUTS, "retention/lead")
    assert not operator.may(Role.EXPOSURES, "retention/lead")
    with pytest.raises(UnauthenticatedError, match="kubernetes-admin is no service account"):
        await accounts.sender("person")
    with pytest.raises(UnauthenticatedError, match="token is expired"):
        await accounts.sender("old")
    with pytest.raises(UnauthenticatedError, match="at most 16384 characters"):
        await accounts.sender("x" * 16_385)


async def test_api_server_is_asked_once_a_minute() -> None:
    """Verdicts are kept; requests that come at once wait for one question."""
    clock, reviewer = Clock(), Reviewer(pod=PREDICTOR)
    accounts = ServiceAccounts(reviewer, frozenset(), clock=clock)
    await asyncio.gather(*(accounts.sender("pod") for _ in range(20)))
    clock.now += GOOD_SECONDS - 1
    await accounts.sender("pod")
    assert reviewer.asked == ["pod"]
    clock.now += 2
    await accounts.sender("pod")
    assert reviewer.asked == ["pod", "pod"]
    for wait in (0.0, BAD_SECONDS - 1, 2.0):
        clock.now += wait
        with pytest.raises(UnauthenticatedError):
            await accounts.sender("bad")
    assert reviewer.asked[2:] == ["bad", "bad"]


async def test_silence_of_the_api_server_is_no_verdict() -> None:
    """While it cannot be asked nobody is turned away for good, and the next request asks again."""
    reviewer = Reviewer(pod=PREDICTOR)
    accounts = ServiceAccounts(reviewer, frozenset())
    reviewer.unavailable = True
    with pytest.raises(ReviewUnavailableError):
        await accounts.sender("pod")
    reviewer.unavailable = False
    assert (await accounts.sender("pod")).name == PREDICTOR


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer  ", "mqk_abc"])
async def test_missing_credentials_are_refused(header: str) -> None:
    """The answer says what to send."""
    with pytest.raises(UnauthenticatedError, match="send 'Authorization: Bearer"):
        await Gate(None, None).authenticate(header)


async def test_kinds_of_credentials_may_be_off() -> None:
    """A ledger without keys, or without service accounts, says which it takes."""
    with pytest.raises(UnauthenticatedError, match="has no API keys"):
        await Gate(None, None).authenticate("Bearer mqk_abc")
    with pytest.raises(UnauthenticatedError, match="takes API keys only"):
        await Gate(None, None).authenticate("Bearer ey.abc")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("key", "00" * 32, "named by a number from 0 to 255"),
        ("256", "00" * 32, "named by a number from 0 to 255"),
        ("1", "00" * 31, "has at least 32 bytes, not 31"),
        ("1", "secret", "written as hexadecimal digits"),
        (".hidden", "", "has no master key"),
    ],
)
def test_impossible_master_key_stops_the_start(name: str, content: str, why: str, tmp_path: Path) -> None:
    """A key that was written wrongly is told with its file, never with its content."""
    (tmp_path / name).write_text(content, encoding="ascii")
    with pytest.raises(SettingsError, match=why) as caught:
        MasterKeys(tmp_path)
    assert not content or content not in str(caught.value)


def test_master_keys_are_read_again(tmp_path: Path) -> None:
    """A key that was added works after some seconds; a folder that broke leaves the keys before in force."""
    clock = Clock()
    (tmp_path / "0").write_text(MASTER.hex(), encoding="ascii")
    keys = MasterKeys(tmp_path, clock=clock)
    (tmp_path / "1").write_text((b"n" * 32).hex() + "\n", encoding="ascii")
    assert (keys.get(0), keys.get(1)) == (MASTER, None)
    clock.now += 11
    assert keys.get(1) == b"n" * 32
    (tmp_path / "2").write_text("half", encoding="ascii")
    clock.now += 11
    assert keys.get(0) == MASTER
    assert "hexadecimal" in keys.broken


def test_quota_lets_through_what_it_says() -> None:
    """A burst at once, the rate after it, and a wait that is as long as it must be."""
    clock = Clock()
    quotas = Quotas({Role.OUTCOMES: Quota(10, 50)}, clock=clock)
    assert quotas.take(SHOP, Role.OUTCOMES, 50) == 0
    assert quotas.take(SHOP, Role.OUTCOMES, 5) == pytest.approx(0.5)
    clock.now += 0.5
    assert quotas.take(SHOP, Role.OUTCOMES, 5) == 0
    assert quotas.take(SHOP, Role.STATISTICS, 10**9) == 0
    other = Sender("key:other", SHOP.roles, SHOP.models)
    assert quotas.take(other, Role.OUTCOMES, 50) == 0


def test_batch_larger_than_the_burst_passes_and_owes_the_rest() -> None:
    """No legal batch waits for ever; over time nobody passes the rate."""
    clock = Clock()
    quotas = Quotas({Role.OUTCOMES: Quota(10, 50)}, clock=clock)
    assert quotas.take(SHOP, Role.OUTCOMES, 150) == 0
    assert quotas.take(SHOP, Role.OUTCOMES, 1) == pytest.approx(10.1)
    clock.now += 10.2
    assert quotas.take(SHOP, Role.OUTCOMES, 1) == 0


def test_buckets_do_not_fill_the_memory() -> None:
    """The sender that was quiet for longest is forgotten first."""
    quotas = Quotas({Role.OUTCOMES: Quota(1, 1)}, clock=Clock())
    for number in range(MAX_BUCKETS + 5):
        quotas.take(Sender(f"s{number}", SHOP.roles, SHOP.models), Role.OUTCOMES, 1)
    assert len(quotas._buckets) == MAX_BUCKETS
    assert quotas.take(Sender("s0", SHOP.roles, SHOP.models), Role.OUTCOMES, 1) == 0


def kind_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["type"]).rpartition(":")[2]


def test_roles_hold_over_http(tmp_path: Path) -> None:
    """Each sender may do its own part: 401 for nobody, 403 for another role or another's model, 503 for no verdict."""
    key, digest = new_key()
    keys = ApiKeys(key_file(tmp_path, {"name": "shop", "sha256": digest, "models": ["growth/*"]}))
    reviewer = Reviewer(pod=PREDICTOR, operator=OPERATOR)
    gate = Gate(keys, ServiceAccounts(reviewer, frozenset({"marquee-system:marquee-operator"})))
    shop, pod, operator, nobody = ({"authorization": f"Bearer {token}"} for token in (key, "pod", "operator", "none"))
    buy = {"outcome": "buy"}
    with (
        Ledger(settings_of(tmp_path), authenticator=gate) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        own, foreign = Sending(http, "growth/lead"), Sending(http, "retention/lead")
        assert own.declare(buy, **operator).status_code == foreign.declare(buy, **operator).status_code == 201
        assert own.expose(own.batch(["ann"]), **pod).status_code == 200
        assert own.report({"predictionId": own.predict("ann"), **buy}, **shop).json()["counted"] == 1
        assert http.get(STATISTICS_PATH, headers=operator).status_code == 200
        assert kind_of(own.expose(own.batch(["ann"]))) == (401, "unauthenticated")
        assert kind_of(own.expose(own.batch(["ann"]), **nobody)) == (401, "unauthenticated")
        assert kind_of(foreign.expose(foreign.batch(["ann"]), **pod)) == (403, "forbidden")
        counts = {"rollout": "r", "step": 0, "arm": "canary", "requests": 1}
        assert kind_of(foreign.count(counts, **pod)) == (403, "forbidden")
        assert kind_of(own.expose(own.batch(["ann"]), **shop)) == (403, "forbidden")
        assert kind_of(own.declare(buy, **pod)) == (403, "forbidden")
        assert kind_of(own.close(**shop)) == (403, "forbidden")
        assert kind_of(http.get(STATISTICS_PATH, headers=shop)) == (403, "forbidden")
        foreign_outcome = {"predictionId": foreign.predict("ann"), **buy}
        assert kind_of(foreign.report(foreign_outcome, **shop)) == (400, "model-foreign")
        reviewer.unavailable = True
        away = own.expose(own.batch(["bob"]), authorization="Bearer new")
        assert kind_of(away) == (503, "review-unavailable")
        assert http.get("/healthz").status_code == http.get("/metrics").status_code == 200


def test_sender_over_its_quota_waits(tmp_path: Path) -> None:
    """429 names the wait; nothing of the request was counted, and it may be sent again as it was."""
    settings = settings_of(tmp_path, exposures_per_second=2, outcomes_per_second=1, burst_seconds=2)
    with (
        Ledger(settings) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        sender = Sending(http, "growth/lead")
        sender.declare({"outcome": "buy"})
        assert sender.expose(sender.batch(["a", "b", "c", "d"])).status_code == 200
        answer = sender.expose(sender.batch(["e", "f", "g", "h"]))
        assert kind_of(answer) == (429, "over-quota")
        assert int(answer.headers["retry-after"]) in {1, 2}
        outcomes = [{"predictionId": sender.predict(unit), "outcome": "buy"} for unit in "abcd"]
        assert sender.report(*outcomes[:2]).json()["counted"] == 2
        assert kind_of(sender.report(*outcomes[2:])) == (429, "over-quota")
        assert sender.cohorts()[0, "canary"]["exposures"] == 4
        assert 'marquee_ledger_over_quota_total{role="outcomes"} 1.0' in http.get("/metrics").text
