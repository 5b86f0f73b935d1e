"""Heads of requests: malformed ones first, then deadlines and what is asked of the cache."""

from __future__ import annotations

import pytest

from bentos.front.caching import Directives
from bentos.front.callers import Callers
from bentos.front.heads import Head, Heads
from bentos.front.metrics import Metrics

STARTED = 1_000


def read(*headers: tuple[bytes, bytes]) -> Head:
    return Heads(Callers("ns/fixture", Metrics())).read([(b"host", b"pod"), *headers], STARTED)


@pytest.mark.parametrize(
    "value", [b"", b"0", b"-5", b"+5", b"1.5", b"600001", b"9" * 30, b"soon", b" 5", b"\xb2", "\uff15".encode()]
)
def test_a_malformed_deadline_is_refused_by_name(value: bytes) -> None:
    """Nobody guesses how long a client waits."""
    head = read((b"marquee-deadline-ms", value))
    assert head.deadline is None
    assert head.caller.problem is not None
    assert "marquee-deadline-ms must be sent once, as whole milliseconds" in str(head.caller.problem)


def test_a_deadline_that_is_sent_twice_is_refused() -> None:
    """Even when both say the same."""
    assert read((b"marquee-deadline-ms", b"5"), (b"marquee-deadline-ms", b"5")).caller.problem is not None


@pytest.mark.parametrize(("value", "milliseconds"), [(b"1", 1), (b"250", 250), (b"600000", 600_000)])
def test_a_deadline_counts_from_the_head(value: bytes, milliseconds: int) -> None:
    """It is a time of the front's clock."""
    head = read((b"marquee-deadline-ms", value))
    assert head.deadline == STARTED + milliseconds * 1_000_000
    assert head.caller.problem is None


def test_the_first_problem_of_a_caller_stays() -> None:
    """A malformed unit is not hidden by a malformed deadline."""
    head = read((b"marquee-unit", b""), (b"marquee-deadline-ms", b"x"))
    assert "marquee-unit" in str(head.caller.problem)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([(b"content-type", b"text/plain")], "content-type: application/json"),
        ([(b"content-type", b"application/json"), (b"content-type", b"application/json")], "once"),
        ([(b"content-encoding", b"gzip")], "content-encoding"),
        ([(b"inference-header-content-length", b"3")], "binary tensors"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_before_it_comes(headers: list[tuple[bytes, bytes]], words: str) -> None:
    """415, by the header that says it."""
    problem = read(*headers).problem
    assert problem is not None
    assert (problem.status, words in str(problem)) == (415, True)


def test_what_a_plain_request_says() -> None:
    """No deadline, no directives, nothing wrong."""
    head = read((b"content-type", b"Application/JSON; charset=utf-8"), (b"content-length", b"12"))
    assert (head.problem, head.caller.problem, head.deadline) == (None, None, None)
    assert (head.declared, head.waits, head.cache, head.scope) == (12, False, Directives(), b"")


def test_directives_of_many_headers_are_one_list() -> None:
    """RFC 9110: a list may be sent in parts."""
    assert read((b"cache-control", b"max-age=3"), (b"cache-control", b"no-store")).cache == Directives(
        store=False, max_age=3 * 10**9
    )


def test_cohorts_keep_answers_apart() -> None:
    """A holdout's requests carry no stamp, those of each arm and step another one."""
    scopes = {read().scope, *(read((b"marquee-cohort", b"a/%d/stable" % step)).scope for step in (1, 2))}
    assert len(scopes) == 3
