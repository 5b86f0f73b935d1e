"""Whom a reader trusts, and how many witnesses must have seen a checkpoint."""

from __future__ import annotations

import pytest

from marquee.audit.errors import FormatError, KeyUnknownError, ProofError
from marquee.audit.notes import Checkpoint, cosign, sign
from marquee.audit.policy import LogKey, Policy, read_policy
from tests.support.audit.logs import AUTHOR, LOG_KEY, NEXT_KEY, ORIGIN, WITNESSES, policy_text

CHECKPOINT = Checkpoint(ORIGIN, 7, bytes(32))


@pytest.mark.parametrize(
    ("quorum", "seen", "good"), [(0, 0, True), (2, 2, True), (2, 3, True), (2, 1, False), (3, 2, False)]
)
def test_k_of_n_witnesses(quorum: int, seen: int, good: bool) -> None:
    """Enough of them, whichever they are."""
    policy = read_policy(policy_text(quorum))
    signed = sign(CHECKPOINT, [LOG_KEY]).with_signatures([cosign(CHECKPOINT, key, 5) for key in WITNESSES[:seen]])
    if good:
        assert len(policy.require(signed)) == seen
    else:
        with pytest.raises(ProofError, match=f"{seen} of the {quorum} witnesses that the policy demands"):
            policy.require(signed)


def test_a_witness_that_signs_twice_counts_once() -> None:
    """With two times."""
    policy = read_policy(policy_text(2))
    twice = [cosign(CHECKPOINT, WITNESSES[0], seconds) for seconds in (5, 6)]
    with pytest.raises(ProofError, match=r"1 of the 2"):
        policy.require(sign(CHECKPOINT, [LOG_KEY]).with_signatures(twice))


def test_a_retired_key_signs_no_larger_tree() -> None:
    """Whoever found it cannot use it."""
    text = f"log {LOG_KEY.public.text} 0 6 # retired\nlog {NEXT_KEY.public.text} 6\n"
    policy = read_policy(text)
    policy.require(sign(CHECKPOINT, [NEXT_KEY]))
    policy.require(sign(Checkpoint(ORIGIN, 6, bytes(32)), [LOG_KEY]))
    with pytest.raises(KeyUnknownError):
        policy.require(sign(CHECKPOINT, [LOG_KEY]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no log"),
        (f"log {LOG_KEY.public.text}\nlog {AUTHOR.public.text}", "names no log, or several"),
        (f"log {LOG_KEY.public.text}\nquorum 1", "demands 1 of 0 witnesses"),
        (
            f"log {LOG_KEY.public.text}\nwitness {AUTHOR.public.text}",
            "line 2: operator.example is a key for another use",
        ),
        (f"log {LOG_KEY.public.text} x", "line 1: 'x' is no number"),
        ("trust everybody", "line 1: 'trust' with 1 arguments says nothing; write: log KEY"),
        (policy_text(0) + f"witness {WITNESSES[0].public.text}", "names the key of a witness twice"),
    ],
)
def test_what_is_no_policy(text: str, words: str) -> None:
    """What, where, what to do."""
    with pytest.raises(FormatError, match=words.replace("[", r"\[")):
        read_policy(text)


def test_a_policy_has_the_logs_name() -> None:
    """And comments are left out."""
    policy = read_policy("# whom we trust\n\n" + policy_text(1))
    assert isinstance(policy, Policy)
    assert (policy.origin, policy.quorum, policy.authors) == (ORIGIN, 1, [AUTHOR.public])
    assert policy.logs == [LogKey(LOG_KEY.public)]
