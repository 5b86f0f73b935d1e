"""Signed notes, keys, checkpoints and cosignatures, in the one form that each has."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.audit.errors import AuditError, ForeignLogError, FormatError, KeyUnknownError, ProofError
from marquee.audit.keys import PrivateKey, Use, load_private, read_private, read_public
from marquee.audit.notes import (
    Checkpoint,
    cosign,
    cosignatures,
    read_checkpoint,
    read_signatures,
    require_log,
    sign,
)
from tests.support.audit.logs import KEYS, LOG_KEY, NEXT_KEY, ORIGIN, PUBLIC, WITNESSES

CHECKPOINT = Checkpoint(ORIGIN, 20_852_163, bytes(range(32)))
SIGNED = sign(CHECKPOINT, [LOG_KEY])
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
NEUMANN_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_example_of_gos_note_package() -> None:
    """Its key is read, and its signature is this key's; its private key signs the same."""
    key = read_public(NEUMANN)
    (signature,) = read_signatures(NEUMANN_LINE, "example")
    assert signature.is_by(key)
    assert key.has_signed(NEUMANN_TEXT.encode(), signature.content)
    private = read_private(NEUMANN_PRIVATE)
    assert private.public == key
    assert private.sign(NEUMANN_TEXT.encode()) == signature.content


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    """Three lines, an empty one, a signature."""
    assert read_checkpoint(SIGNED.text.encode()) == SIGNED
    assert SIGNED.text.startswith(f"{ORIGIN}\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n— {ORIGIN} ")
    require_log(SIGNED, ORIGIN, PUBLIC)


@given(st.integers(0, len(SIGNED.text.encode()) * 8 - 1))
def test_no_bit_can_be_flipped(bit: int) -> None:
    """Not even where base64 leaves some unused."""
    content = bytearray(SIGNED.text.encode())
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(AuditError):
        require_log(read_checkpoint(bytes(content)), ORIGIN, PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        SIGNED.text[:-1],
        SIGNED.checkpoint.text,
        SIGNED.checkpoint.text + "\n",
        SIGNED.text.replace("\n20852163\n", "\n020852163\n"),
        SIGNED.text.replace("\n20852163\n", "\n-1\n"),
        SIGNED.text.replace("\n\n", "\nextension\n\n"),
        SIGNED.text.replace("— ", "- "),
        SIGNED.text + "\n",
        "x" * 70_000,
    ],
)
def test_what_is_no_checkpoint(text: str) -> None:
    """Each is refused as a whole."""
    with pytest.raises(FormatError, match=r"fetch it again from the log|copy the whole line again"):
        read_checkpoint(text.encode())


def test_another_logs_checkpoint_is_refused() -> None:
    """Although it is signed well."""
    other = PrivateKey("logs.example/other", Use.LOG, bytes(32))
    signed = sign(Checkpoint(other.name, 1, bytes(32)), [other])
    with pytest.raises(ForeignLogError, match=r"is of the log 'logs.example/other', not of 'logs.example/marquee'"):
        require_log(signed, ORIGIN, PUBLIC)


def test_an_unknown_key_is_refused_by_name() -> None:
    """The message says which keys are trusted."""
    with pytest.raises(KeyUnknownError, match=LOG_KEY.public.identifier.hex()):
        require_log(sign(CHECKPOINT, [NEXT_KEY]), ORIGIN, PUBLIC)


def test_unknown_signatures_beside_a_known_one_are_left_alone() -> None:
    """That is how keys are rotated and witnesses sign."""
    both = sign(CHECKPOINT, [NEXT_KEY, LOG_KEY])
    require_log(both, ORIGIN, PUBLIC)
    require_log(both, ORIGIN, [NEXT_KEY.public])


def test_a_known_key_with_another_signature_refuses_all() -> None:
    """Even beside a good one."""
    broken = SIGNED.with_signatures(sign(Checkpoint(ORIGIN, 1, bytes(32)), [LOG_KEY]).signatures)
    with pytest.raises(ProofError, match=r"is not over this text"):
        require_log(broken, ORIGIN, PUBLIC)


def test_cosignatures_carry_their_time() -> None:
    """Each witness counts once, with its latest."""
    first, second, _ = WITNESSES
    signed = SIGNED.with_signatures(
        [cosign(CHECKPOINT, first, 5), cosign(CHECKPOINT, first, 9), cosign(CHECKPOINT, second, 7)]
    )
    found = cosignatures(read_checkpoint(signed.text.encode()), [first.public, second.public])
    assert [(one.witness.name, one.seconds) for one in found] == [(first.name, 9), (second.name, 7)]


def test_a_cosignature_of_another_checkpoint_is_refused() -> None:
    """Or with another time."""
    witness = WITNESSES[0]
    signed = SIGNED.with_signatures([cosign(Checkpoint(ORIGIN, 3, bytes(32)), witness, 5)])
    with pytest.raises(ProofError, match=r"the cosignature of witness.example/3"):
        cosignatures(signed, [witness.public])


@pytest.mark.parametrize("key", [LOG_KEY, WITNESSES[0]])
def test_keys_are_read_as_they_are_written(key: PrivateKey) -> None:
    """Of either use; the private one never shows in a representation."""
    assert read_public(key.public.text) == key.public
    assert read_private(key.text) == key
    assert key.text not in repr(key)


@pytest.mark.parametrize(
    "text",
    ["", "x", "a+b", "PRIVATE+KEY+x", LOG_KEY.text[:-4], LOG_KEY.public.text, NEUMANN_PRIVATE.replace("c7", "c8")],
)
def test_what_is_no_private_key(text: str) -> None:
    """The message has nothing of it."""
    with pytest.raises(FormatError) as caught:
        read_private(text, "key file")
    assert text == "" or text[-20:] not in str(caught.value) or len(text) < 4


@pytest.mark.parametrize(
    "text", ["", "x", NEUMANN[:-2], NEUMANN.replace("c74f", "c74e"), NEUMANN.replace("ARpc", "BRpc")]
)
def test_what_is_no_public_key(text: str) -> None:
    """Cut off, another's identifier, another use."""
    with pytest.raises(FormatError):
        read_public(text)


def test_a_key_that_is_missing_is_told(tmp_path: Path) -> None:
    """With its path."""
    path = tmp_path / "key"
    with pytest.raises(FormatError, match=r"key: the key cannot be read: .*; mount the Secret"):
        load_private(path)
    path.write_text(LOG_KEY.text + "\n", encoding="utf-8")
    assert load_private(path) == LOG_KEY


def test_a_name_that_no_note_can_carry() -> None:
    """Spaces and plus signs would end it."""
    for name in ("", "a b", "a+b", "a\n"):
        with pytest.raises(FormatError, match=r"key name"):
            PrivateKey.generate(name)


def test_a_log_signs_under_its_own_name() -> None:
    """A key with another name, or for cosignatures, is refused."""
    assert KEYS.public == [LOG_KEY.public]
    for keys in ([], [WITNESSES[0]], [PrivateKey("other", Use.LOG, bytes(32))]):
        with pytest.raises(FormatError):
            type(KEYS)(ORIGIN, keys)
