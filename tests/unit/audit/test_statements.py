"""Entries: DSSE envelopes around in-toto Statements with typed predicates."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from marquee.audit import events
from marquee.audit.envelope import payload_of, pre_authentication, read_envelope, require_author, seal
from marquee.audit.errors import EntryTooLargeError, FormatError, KeyUnknownError, ProofError
from marquee.audit.events import EVENTS, Event, Stamp, Subject
from marquee.audit.statements import Statement, position_of, read_entry, write_entry
from tests.support.audit.logs import AUTHOR, LOG_KEY, SUBJECT, entry

TIME = datetime(2026, 11, 28, 12, 0, 0, 250_000, UTC)
STAMP = Stamp(model="growth/lead", sequence=3, time=TIME)
DIGEST = "ab" * 32

EXAMPLES: list[Event] = [
    events.ApprovalChanged(actor="ben", revision="lead-v2", approval="a1", change="Given", expires=TIME),
    events.RolloutStepped(
        actor="operator",
        rollout="lead-v2",
        revision="lead-v2",
        step=1,
        verdict="Hold",
        evidence=(
            events.CohortEvidence(
                step=0, arm="canary", exposures=100, successes={"purchase": 4}, sums={"eur": "12.50"}
            ),
        ),
    ),
    events.DriftJudged(
        actor="operator", revision="lead-v2", verdict="Retrain", window_start=TIME, window_end=TIME, rows=90
    ),
    events.RetrainingChanged(actor="operator", run="r1", change="GateRefused"),
    events.KillSwitchTurned(actor="anna", engaged=True, late=True, halt_milliseconds=1200),
    events.FreezesChanged(
        actor="operator", freezes=(events.FreezeTold(namespace="marquee-system", name="peak", time_zone="UTC"),)
    ),
    events.SubjectErased(actor="anna", commitment=f"hmac-sha256:{DIGEST}"),
    events.KeyRotated(actor="marquee", retired="a", successor="b"),
]


def test_every_kind_of_event_has_an_example() -> None:
    """So that a new kind cannot be forgotten here."""
    assert {type(example) for example in EXAMPLES} == set(EVENTS.values())


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.KIND)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    """Event, subjects, model, number and time."""
    statement = Statement(STAMP, event, (SUBJECT,))
    written = write_entry(statement, [AUTHOR])
    assert read_entry(written) == statement
    position = position_of(written)
    assert (position.model, position.sequence, position.time) == ("growth/lead", 3, TIME)
    assert write_entry(statement, [AUTHOR]) == written


def test_the_payload_is_an_in_toto_statement() -> None:
    """Golden: keys in order, no spaces."""
    event = events.KeyRotated(actor="marquee", retired="a", successor="b")
    payload = payload_of(read_envelope(write_entry(Statement(STAMP, event, (SUBJECT,)), [AUTHOR])))
    assert payload == (
        b'{"_type":"https://in-toto.io/Statement/v1","predicate":{"actor":"marquee","model":"growth/lead",'
        b'"reason":"","retired":"a","sequence":3,"successor":"b","time":"2026-11-28T12:00:00.250Z"},'
        b'"predicateType":"https://marquee.dev/audit/key-rotated/v1",'
        b'"subject":[{"digest":{"sha256":"' + SUBJECT.sha256.encode() + b'"},"name":"revision/lead-v2"}]}'
    )


def test_the_signature_is_over_dsses_encoding() -> None:
    """Its own example."""
    assert pre_authentication("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert require_author(read_envelope(entry(1)), [AUTHOR.public]) == [AUTHOR.public]


def test_an_author_who_is_not_trusted_is_refused() -> None:
    """And one whose signature is over something else."""
    with pytest.raises(KeyUnknownError, match=r"is signed by none of the authors logs.example/marquee"):
        require_author(read_envelope(entry(1)), [LOG_KEY.public])
    other = json.loads(entry(2)) | {"payload": json.loads(entry(1))["payload"]}
    with pytest.raises(ProofError, match=r"the signature of operator.example"):
        require_author(read_envelope(json.dumps(other).encode()), [AUTHOR.public])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"payloadType": "text/plain", "payload": "", "signatures": [{"keyid": "", "sig": ""}]}',
        seal(b"no json", [AUTHOR]),
        seal(b"{}", [AUTHOR]),
        seal(b'{"_type": "https://in-toto.io/Statement/v1", "predicate": {"model": "m", "sequence": 0}}', [AUTHOR]),
        seal(
            b'{"_type": "https://in-toto.io/Statement/v1", '
            b'"predicate": {"model": "m", "sequence": 1, "time": "2026-01-01"}}',
            [AUTHOR],
        ),
    ],
)
def test_what_is_no_entry(content: bytes) -> None:
    """The message names the entry."""
    with pytest.raises(FormatError, match=r"entry 7"):
        position_of(content, "entry 7")


def test_an_unknown_kind_is_refused_by_readers_and_taken_by_the_log() -> None:
    """A log keeps what a later version writes."""
    payload = json.loads(payload_of(read_envelope(entry(1)))) | {"predicateType": "https://marquee.dev/audit/new/v9"}
    content = seal(json.dumps(payload).encode(), [AUTHOR])
    assert position_of(content).sequence == 1
    with pytest.raises(FormatError, match=r"is no statement of this log"):
        read_entry(content)


def test_large_evidence_goes_by_digest() -> None:
    """An entry that does not fit says so before anything is written."""
    many = tuple(Subject(name=f"file/{number}", sha256=DIGEST) for number in range(1_000))
    with pytest.raises(EntryTooLargeError, match=r"store large evidence elsewhere and give its SHA-256"):
        write_entry(Statement(STAMP, EXAMPLES[0], many), [AUTHOR])


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (events.SubjectErased, {"actor": "a", "commitment": "anna@example.org"}),
        (events.Share, {"revision": "x", "permille": 1001}),
        (events.CohortEvidence, {"step": 0, "arm": "canary", "exposures": 1, "sums": {"eur": 1.5}}),
        (events.Stamp, {"model": "no namespace", "sequence": 1, "time": TIME}),
        (events.Stamp, {"model": "a/b", "sequence": 1, "time": datetime(2026, 1, 1)}),  # noqa: DTZ001 - that is the point
        (events.KeyRotated, {"actor": "a", "retired": "x", "successor": "y", "more": 1}),
    ],
)
def test_what_no_event_may_say(kind: type[Any], fields: dict[str, Any]) -> None:
    """Personal data, floats, times without a zone, fields that nobody knows."""
    with pytest.raises(ValidationError):
        kind(**fields)


def test_base64_has_one_form() -> None:
    """An envelope whose payload has unused bits set is refused."""
    document = json.loads(entry(1))
    payload = base64.b64encode(b'{"a"').decode()
    document["payload"] = payload[:-3] + chr(ord(payload[-3]) + 1) + payload[-2:]
    with pytest.raises(FormatError):
        position_of(json.dumps(document).encode())
