"""Data subjects in the ledger: what is refused, what is kept of one, who is withheld, and what ends by itself."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from marquee.contract.assignment import unit_hash
from marquee.contract.privacy import ERASURES_PATH, MAX_SUBJECTS, PREDICTION_LOG_PATH, SUPPRESSIONS_PATH
from marquee.ledger.access.gate import Gate
from marquee.ledger.access.keys import ApiKeys, new_key
from marquee.ledger.access.reviews import Review, ServiceAccounts
from marquee.ledger.book import decisions as book
from marquee.ledger.book import forgetting
from marquee.ledger.book import subjects as people
from marquee.ledger.book.entries import DestroyKey, Forget, Keep, MarkErased, Sealable, Suppress, Sweep
from marquee.ledger.book.posting import post
from marquee.ledger.book.sealing import Binding, KeyRing, commitment, seal, unseal
from marquee.ledger.book.sealing import new_key as new_subject_key
from marquee.ledger.errors import SealBrokenError
from marquee.ledger.store.database import Database
from marquee.ledger.store.migrating import migrate
from marquee.ledger.store.subjects_schema import decisions, subjects
from tests.support.examples import examples
from tests.support.ledger import MASTER, Ledger, settings_of
from tests.support.people import People, kind_of
from tests.support.plainhttp import http_client

DAY = 86_400
_numbers = itertools.count(1)


@pytest.fixture
def model(http: httpx.Client) -> People:
    """A model that no other test uses."""
    return People(http, f"people/model-{next(_numbers)}")


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"retentionDays": 179}, 422, "invalid-input"),
        ({"retentionDays": 3_651}, 422, "invalid-input"),
        ({"decisions": []}, 422, "invalid-input"),
        ({"batchId": "x"}, 422, "invalid-input"),
        ({"model": "lead"}, 422, "invalid-input"),
        ({"name": "Ann"}, 422, "invalid-input"),
    ],
)
def test_a_batch_that_says_too_much_or_too_little(
    model: People, changes: dict[str, Any], status: int, kind: str
) -> None:
    """Less than six months is no retention that a ledger takes, and unknown fields are not kept unread."""
    answer = model.send(model.batch([model.decision("ann")]) | changes)
    assert (answer.status_code, kind_of(answer)) == (status, kind)


@pytest.mark.parametrize(
    ("changes", "status", "kind"),
    [
        ({"inputs": {"comment": "x" * 257}}, 422, "invalid-input"),
        ({"inputs": {f"f{number}": 1.0 for number in range(33)}}, 422, "invalid-input"),
        ({"inputs": {"e-mail address": "x"}}, 422, "invalid-input"),
        ({"subject": "ann"}, 422, "invalid-input"),
        ({"milliseconds": -1}, 422, "invalid-input"),
        ({"in": 301 + 60}, 400, "decision-in-future"),
        ({"in": -7 * DAY}, 400, "decision-expired"),
    ],
)
def test_a_decision_that_cannot_be_right(model: People, changes: dict[str, Any], status: int, kind: str) -> None:
    """Too long, too many, no hash, or by a clock that is off: nothing of the batch is kept."""
    if "in" in changes:
        changes = {"at": time.time() + changes["in"]}
    answer = model.send(model.batch([model.decision("bob"), model.decision("ann", **changes)]))
    assert (answer.status_code, kind_of(answer)) == (status, kind)
    model.log("zoe")
    assert model.kept("bob") == model.kept("ann") == 0


def test_a_thousand_and_one_decisions(model: People) -> None:
    """One too many for a batch; and a body that is larger than any may be."""
    many = [model.decision(f"u{number}") for number in range(1_001)]
    assert kind_of(model.send(model.batch(many))) == "invalid-input"
    large = model.decision("ann", inputs={f"f{number}": "x" * 256 for number in range(32)})
    assert model.send(model.batch([large] * 500)).status_code == 413


def test_a_batch_id_comes_back_with_other_bytes(model: People) -> None:
    """The same once more is harmless; something else under the same id is refused and not kept."""
    batch = model.batch([model.decision("ann")])
    assert [model.send(batch).json()["duplicate"] for _ in range(3)] == [False, True, True]
    assert model.kept("ann") == 1
    other = batch | {"decisions": [model.decision("ann"), model.decision("bob")]}
    assert (model.send(other).status_code, kind_of(model.send(other))) == (409, "batch-reused")
    assert (model.kept("ann"), model.kept("bob")) == (1, 0)


def test_all_that_is_kept_comes_back(model: People) -> None:
    """Word for word what was sent, with its revision and its end; of others nothing."""
    sent = model.decision("ann", at=time.time() - 60)
    bare = {"subject": sent["subject"], "milliseconds": sent["milliseconds"] + 1, "outputs": {"probability": 0.5}}
    model.send(model.batch([sent, model.decision("bob")]))
    model.send(model.batch([bare], revision="lead-v2", retentionDays=365))
    found = model.ask("ann")
    assert (found["model"], found["subject"], found["suppressed"]) == (model.model, sent["subject"], False)
    first, second = found["decisions"]
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sent["milliseconds"] // 1_000 + 180 * DAY))
    assert first == sent | {"revision": "lead-v1", "expires": expires}
    assert second == bare | {
        "revision": "lead-v2", "rollout": None, "arm": None, "inputs": {}, "reasons": {}, "expires": second["expires"],
    }  # fmt: skip
    by_hash = model.http.get(f"{PREDICTION_LOG_PATH}/{model.model}", params={"unitHash": sent["subject"]}).json()
    assert by_hash == found


def test_much_that_is_kept_comes_in_pages(model: People) -> None:
    """Each decision once, in their order."""
    base = time.time() - DAY
    for start in range(0, 2_500, 500):
        model.send(model.batch(model.decision("ann", at=base + start + number) for number in range(500)))
    found, after = [], "0.0"
    while after:
        page = model.ask("ann", after=after)
        found += [one["milliseconds"] for one in page["decisions"]]
        after = page["next"]
    assert len(found) == 2_500
    assert found == sorted(found)


@pytest.mark.parametrize(
    "query", ["", "?unit=", "?unit=a&unitHash=0011223344556677", "?unitHash=ANN", "?unit=a&after=x"]
)
def test_a_question_about_nobody(model: People, query: str) -> None:
    """Is malformed, and not answered with "nothing"."""
    model.log("ann")
    answer = model.http.get(f"{PREDICTION_LOG_PATH}/{model.model}{query}")
    assert (answer.status_code, kind_of(answer)) == (400, "malformed")


class KnownModels:
    """What the API server would say of models."""

    async def read(self, path: str) -> dict[str, Any] | None:
        """There is one."""
        return {} if path == "growth/lead" else None


class Reviewer:
    """Knows some tokens; the real API server is asked in tests/api."""

    async def review(self, token: str, audience: str) -> Review:  # noqa: ARG002 - the port's signature
        """Whose a token is."""
        names = {
            "operator": "system:serviceaccount:marquee-system:marquee",
            "officer": "system:serviceaccount:marquee-system:marquee-privacy-officer",
            "lead": "system:serviceaccount:growth:lead-predictor",
            "churn": "system:serviceaccount:growth:churn-predictor",
            "trainer": "system:serviceaccount:growth:trainer",
            "shop": "system:serviceaccount:shop:lead-predictor",
        }
        return Review(names.get(token, ""))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A ledger that asks who is there, and knows one model."""
    folder = tmp_path_factory.mktemp("guarded")
    keys = [(name, *new_key()) for name in ("dpo", "growth", "sender")]
    roles = {"dpo": '["subjects"], "models": ["*"]', "growth": '["subjects"], "models": ["growth/*"]',
             "sender": '["outcomes"], "models": ["*"]'}  # fmt: skip
    entries = [f'{{"name": "{name}", "sha256": "{digest}", "roles": {roles[name]}}}' for name, _, digest in keys]
    (folder / "keys.json").write_text(f'{{"keys": [{", ".join(entries)}]}}', encoding="utf-8")
    accounts = ServiceAccounts(
        Reviewer(), frozenset({"marquee-system:marquee"}), frozenset({"marquee-system:marquee-privacy-officer"})
    )
    gate = Gate(ApiKeys(folder / "keys.json"), accounts)
    with (
        Ledger(settings_of(folder), authenticator=gate, models=KnownModels()) as ledger,  # type: ignore[arg-type]
        http_client(ledger.url, timeout=30) as http,
    ):
        http.headers["x-keys"] = ",".join(f"{name}={key}" for name, key, _ in keys)
        yield http


def bearer(http: httpx.Client, who: str) -> dict[str, str]:
    keys = dict(one.split("=") for one in http.headers["x-keys"].split(","))
    return {"authorization": f"Bearer {keys.get(who, who)}"}


def test_only_a_models_own_pods_log_its_decisions(guarded: httpx.Client) -> None:
    """Not the pods of its neighbour, not those of a namesake elsewhere, not the operator, no key."""
    lead = People(guarded, "growth/lead")
    answers = {
        who: lead.send(lead.batch([lead.decision("ann")]), **bearer(guarded, who)).status_code
        for who in ("lead", "churn", "shop", "trainer", "operator", "dpo", "officer", "nobody")
    }
    assert answers == {
        "lead": 200, "churn": 403, "shop": 403, "trainer": 403, "operator": 403, "dpo": 403, "officer": 403,
        "nobody": 401,
    }  # fmt: skip


def test_only_who_answers_for_subjects_reads_and_erases(guarded: httpx.Client) -> None:
    """A key or an officer's service account; a key for other models, the pods and the operator may not."""
    requests = [
        ("GET", f"{PREDICTION_LOG_PATH}/growth/lead?unit=ann", None),
        ("POST", f"{SUPPRESSIONS_PATH}/growth/lead", {"units": ["ann"]}),
        ("DELETE", f"{SUPPRESSIONS_PATH}/growth/lead", {"units": ["ann"]}),
        ("POST", ERASURES_PATH, {"unit": "ann", "model": "growth/lead"}),
    ]
    for method, path, body in requests:
        for who, status in {
            "dpo": 200, "growth": 200, "officer": 200, "sender": 403, "lead": 403, "operator": 403, "nobody": 401,
        }.items():  # fmt: skip
            answer = guarded.request(method, path, json=body, headers=bearer(guarded, who))
            assert answer.status_code == status, (method, path, who, answer.text)
    asked = {"unit": "ann", "model": "shop/lead"}
    assert guarded.post(ERASURES_PATH, json=asked, headers=bearer(guarded, "growth")).status_code == 403


def test_who_may_read_whom_a_model_withholds(guarded: httpx.Client) -> None:
    """Pods and trainers of its namespace, and who may change the list."""
    who = {"lead": 200, "trainer": 200, "dpo": 200, "officer": 200, "shop": 403, "operator": 403, "sender": 403}
    path = f"{SUPPRESSIONS_PATH}/growth/lead"
    assert {one: guarded.get(path, headers=bearer(guarded, one)).status_code for one in who} == who


def test_nobodys_name_is_no_model(guarded: httpx.Client) -> None:
    """An answer "nothing is kept" never comes from a typing mistake; a new model's pods find an empty list."""
    dpo = bearer(guarded, "dpo")
    for answer in (
        guarded.get(f"{PREDICTION_LOG_PATH}/growth/laed?unit=ann", headers=dpo),
        guarded.post(f"{SUPPRESSIONS_PATH}/growth/laed", json={"units": ["ann"]}, headers=dpo),
        guarded.post(ERASURES_PATH, json={"unit": "ann", "model": "growth/laed"}, headers=dpo),
    ):
        assert (answer.status_code, kind_of(answer)) == (404, "model-unknown")
    empty = guarded.get(f"{SUPPRESSIONS_PATH}/growth/laed", headers=dpo).json()
    assert empty == {"revision": 0, "units": [], "next": None}


def test_ten_thousand_and_one_subjects(model: People) -> None:
    """Are refused in one request; ten thousand fit into one page of the list, and the next has the rest."""
    model.log("zoe")
    many = [f"u{number}" for number in range(MAX_SUBJECTS + 1)]
    assert model.listed("POST", *many).status_code == 422
    assert model.listed("POST").status_code == 422
    assert model.listed("POST", *many[:-1]).json() == {"changed": MAX_SUBJECTS, "revision": 1}
    assert model.listed("POST", *many[-2:]).json() == {"changed": 1, "revision": 2}
    page = model.suppressions().json()
    rest = model.suppressions(after=page["next"]).json()
    assert (len(page["units"]), len(rest["units"]), rest["next"]) == (MAX_SUBJECTS, 1, None)
    assert page["units"] + rest["units"] == sorted(unit_hash(model.model, unit).hex() for unit in many)


def test_a_list_and_its_revision(model: People) -> None:
    """Grows with each change and with nothing else; who has read it so far is told that there is nothing new."""
    model.log("ann", "bob")
    assert model.listed("POST", "ann", "ann", "bob").json() == {"changed": 2, "revision": 1}
    assert model.listed("POST", "ann").json() == {"changed": 0, "revision": 1}
    page = model.suppressions()
    assert page.headers["etag"] == '"1"'
    assert model.suppressions(**{"if-none-match": '"1"'}).status_code == 304
    assert model.ask("ann")["suppressed"]
    assert model.listed("DELETE", "ann", "carl").json() == {"changed": 1, "revision": 2}
    answer = model.suppressions(**{"if-none-match": '"1"'})
    assert (answer.status_code, answer.json()["units"]) == (200, [unit_hash(model.model, "bob").hex()])
    assert not model.ask("ann")["suppressed"]


def test_nothing_more_is_kept_of_who_is_suppressed(model: People) -> None:
    """A pod's batch may still be on its way; the rest of it counts."""
    model.log("ann", "bob")
    model.listed("POST", "ann")
    model.log("ann", "bob")
    assert (model.kept("ann"), model.kept("bob")) == (1, 2)


def test_what_is_stored_says_nothing_by_itself(model: People, database: Database) -> None:
    """Neither hash nor value is in a row; and the master keys alone do not open one that was moved."""
    model.log("ann", "bob")
    unit = unit_hash(model.model, "ann")
    with database.reader.begin() as connection:
        of_model = people.model_id(connection, model.model)
        assert of_model is not None
        rows = connection.execute(select(subjects).where(subjects.c.model_id == of_model)).all()
        kept = connection.execute(select(decisions).where(decisions.c.subject_id.in_([row.id for row in rows]))).all()
        assert unit not in b"".join(bytes(row.pseudonym) + bytes(row.unit) + bytes(row.key) for row in rows)
        assert b"probability" not in b"".join(bytes(row.sealed) for row in kept)
    with database.writer.begin() as connection:
        (first, second) = kept
        connection.execute(
            update(decisions).where(decisions.c.subject_id == first.subject_id).values(sealed=bytes(second.sealed))
        )
    answer = model.http.get(f"{PREDICTION_LOG_PATH}/{model.model}", params={"unit": "ann"})
    other = model.http.get(f"{PREDICTION_LOG_PATH}/{model.model}", params={"unit": "bob"})
    assert {answer.status_code, other.status_code} == {200, 500}
    broken = answer if answer.status_code == 500 else other
    assert kind_of(broken) == "seal-broken"


class Book:
    """A database of its own, without HTTP."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        migrate(self.database)

    def keep(self, unit: bytes, *, at: int, ring: KeyRing, days: int = 180, number: int = 0) -> None:
        one = Sealable(unit, at * 1_000, b"{}")
        number = next(_numbers)
        self.post(Keep(b"%016d" % number, number, "growth/lead", "v1", days, [one], ring), now=at)

    def post(self, *entries: Any, now: int) -> list[Any]:
        with self.database.writer.begin() as connection:
            return post(connection, self.database.bulk, entries, now=now)

    def read(self, unit: bytes, ring: KeyRing, now: int) -> int:
        with self.database.reader.begin() as connection:
            page = book.read(connection, ring, "growth/lead", unit, after=(0, 0), limit=100, now=now)
            return len(page.decisions)

    def marked(self) -> list[int]:
        with self.database.reader.begin() as connection:
            return forgetting.unfinished(connection)

    def count(self, table: Any) -> int:
        with self.database.reader.begin() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


RING = KeyRing({7: MASTER})
NOW = 20_000 * DAY


@pytest.fixture
def own(empty_url: str) -> Iterator[Book]:
    made = Book(empty_url)
    yield made
    made.database.dispose()


def test_what_has_expired_goes_and_the_rest_stays(own: Book) -> None:
    """Not a second before its time, in small steps; the key of a subject goes with its last decision."""
    for number in range(5):
        own.keep(b"first%03d" % number, at=NOW, ring=RING)
    own.keep(b"first000", at=NOW, ring=RING, days=365)
    end = NOW + 180 * DAY
    own.post(Sweep(limit=2), now=end - 1)
    assert (own.count(decisions), own.count(subjects)) == (6, 5)
    assert own.read(b"first001", RING, end - 1) == 1
    assert own.read(b"first001", RING, end) == 0
    steps = 0
    while own.post(Sweep(limit=2), now=end)[0].more:
        steps += 1
    assert steps >= 2
    assert (own.count(decisions), own.count(subjects)) == (1, 1)
    assert own.read(b"first000", RING, end) == 1
    own.post(Sweep(), now=NOW - 1_000 * DAY)
    assert own.count(decisions) == 1, "a clock that went back deletes nothing"


def test_another_master_key_takes_over(own: Book) -> None:
    """Subjects of the old one are found from the first moment, are put under the new one by and by, and then the old
    one may go."""
    old, new = RING, KeyRing({7: MASTER, 8: bytes(reversed(MASTER))})
    for number in range(3):
        own.keep(b"first%03d" % number, at=NOW, ring=old)
    own.keep(b"first000", at=NOW, ring=new)
    assert own.count(subjects) == 3
    assert own.read(b"first000", new, NOW) == 2
    while own.post(Sweep(ring=new), now=NOW)[0].more:
        pass
    only = KeyRing({8: new.masters[8]})
    assert [own.read(b"first%03d" % number, only, NOW) for number in range(3)] == [2, 1, 1]
    with own.database.reader.begin() as connection:
        assert people.strangers(connection, only) == 0
        assert people.strangers(connection, old) == 3


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["keep", "keep", "suppress", "unsuppress", "erase", "sweep"]),
        st.sampled_from([b"first001", b"first002", b"first003"]),
        st.integers(1, 60 * DAY),
    ),
    max_size=25,
)


@settings(max_examples=examples(12))
@given(STEPS)
def test_a_subject_has_what_was_kept_and_neither_expired_nor_erased(steps: list[tuple[str, bytes, int]]) -> None:
    """Whatever happens to whom in which order, and however long it takes."""
    with tempfile.TemporaryDirectory() as folder:
        own, now = Book(f"sqlite:///{folder}/ledger.db"), NOW
        kept: dict[bytes, list[int]] = defaultdict(list)
        listed = set[bytes]()
        for what, unit, later in steps:
            now += later
            if what == "keep":
                own.keep(unit, at=now, ring=RING)
                kept[unit] += [] if unit in listed else [now + 180 * DAY]
            elif what == "erase":
                own.post(MarkErased("growth/lead", unit, False, 0, "dpo", "Request", RING), now=now)
                for subject_id in own.marked():
                    own.post(DestroyKey(subject_id), Forget(subject_id), now=now)
                kept[unit] = []
            elif what == "sweep":
                own.post(Sweep(limit=3), now=now)
            else:
                own.post(Suppress("growth/lead", [unit], what == "suppress"), now=now)
                (listed.add if what == "suppress" else listed.discard)(unit)
            for one in (b"first001", b"first002", b"first003"):
                assert own.read(one, RING, now) == sum(expires > now for expires in kept[one])
        own.database.dispose()


def test_seals() -> None:
    """Another key, place or byte is found; a commitment is another for each subject and each model."""
    key, binding = new_subject_key(), Binding("growth/lead", "v1", 5, 1)
    sealed = seal(key, b"something", binding.data)
    assert unseal(key, sealed, binding.data) == b"something"
    for other in (
        (new_subject_key(), sealed, binding.data),
        (key, sealed, Binding("growth/lead", "v1", 5, 2).data),
        (key, sealed, Binding("growth/churn", "v1", 5, 1).data),
        (key, sealed[:-1] + bytes([sealed[-1] ^ 1]), binding.data),
        (key, b"", binding.data),
    ):
        with pytest.raises(SealBrokenError):
            unseal(*other)
    wrapped = RING.wrap(key)
    assert RING.unwrap(wrapped, 7) == key
    for ring, master_id in ((KeyRing({7: bytes(32)}), 7), (KeyRing({8: MASTER}), 7)):
        with pytest.raises(SealBrokenError):
            ring.unwrap(wrapped, master_id)
    said = {commitment(key, "growth/lead", b"a" * 8), commitment(key, "growth/churn", b"a" * 8)}
    assert len(said | {commitment(new_subject_key(), "growth/lead", b"a" * 8)}) == 3


def test_a_missing_master_key_is_said_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody could find, read or erase its subjects."""
    own = settings_of(tmp_path)
    with Ledger(own) as ledger, http_client(ledger.url) as http:
        People(http, "growth/lead").log("ann")
    (tmp_path / "prediction-keys" / "7").rename(tmp_path / "prediction-keys" / "8")
    with Ledger(own):
        assert "the master key of 1 or more subjects is missing" in caplog.text
