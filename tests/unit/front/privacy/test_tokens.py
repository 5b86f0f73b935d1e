"""Purpose tokens: what is refused and in which words, what is remembered, and which keys count."""

from __future__ import annotations

import binascii
import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.front.failures import CannotServeError
from bentos.front.privacy.keys import RELOAD_SECONDS, PurposeKeys
from bentos.front.privacy.tokens import MAX_REMEMBERED, MAX_TOKEN_BYTES, SKEW_SECONDS, TokenError, Tokens
from marquee.contract.assignment import unit_hash
from tests.unit.front.privacy.tokens import KEY, KEY_ID, MODEL, UNIT, base64url, claims, keys_in, signed, token


class FixedKeys:
    """Keys of a test."""

    def __init__(self, **keys: bytes) -> None:
        self.keys: Mapping[str, bytes] = keys or {KEY_ID: KEY}

    def current(self) -> Mapping[str, bytes]:
        return self.keys


def tokens(keys: FixedKeys | None = None, clock: Any = None) -> Tokens:
    return Tokens(keys or FixedKeys(), audience=MODEL, **({"clock": clock} if clock else {}))


def flaw(given_token: str | bytes, **arguments: Any) -> tuple[str, str]:
    """What is wrong with it, and in which words."""
    raw = given_token if isinstance(given_token, bytes) else given_token.encode()
    with pytest.raises(TokenError) as caught:
        tokens(**arguments).verify(raw)
    return caught.value.flaw, str(caught.value)


GOOD = token()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    ("bad", "expected", "words"),
    [
        ("", "malformed", "three parts"),
        ("a.b", "malformed", "three parts"),
        (f"{GOOD}.{SIGNATURE}", "malformed", "three parts"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE}=", "malformed", "base64url"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-2]}", "malformed", "base64url"),
        (f"{HEADER}.{PAYLOAD}.+{SIGNATURE[1:]}", "malformed", "base64url"),
        ("." + GOOD, "malformed", "three parts"),
        (f".{PAYLOAD}.{SIGNATURE}", "malformed", "header is no JSON"),
        ("a" * (MAX_TOKEN_BYTES + 1), "malformed", "bytes"),
        (signed(claims(), header=[]), "malformed", "header is no JSON object"),
        (signed(claims(), header={"alg": "none", "kid": KEY_ID}), "malformed", "alg must be HS256"),
        (signed(claims(), header={"alg": "hs256", "kid": KEY_ID}), "malformed", "alg must be HS256"),
        (signed(claims(), header={"alg": "RS256", "kid": KEY_ID}), "malformed", "alg must be HS256"),
        (signed(claims(), header={"alg": "HS256", "kid": KEY_ID, "crit": ["exp"]}), "malformed", "crit"),
        (signed(claims(), header={"alg": "HS256"}), "malformed", "kid"),
        (signed(claims(), header={"alg": "HS256", "kid": 7}), "malformed", "kid"),
        (signed(claims(), header={"alg": "HS256", "kid": "../2024-11"}), "key", "kid names no key"),
        (signed(claims(), key=b"x" * 32), "signature", "forged"),
        (f"{HEADER}.{PAYLOAD}.", "signature", "forged"),
        (f"{HEADER}.{base64url(json.dumps(claims(purposes=['all'])).encode())}.{SIGNATURE}", "signature", "forged"),
        (signed(["no claims"]), "malformed", "claims"),
        (token(sub=None), "malformed", "sub"),
        (token(sub=UNIT), "malformed", "sub"),
        (token(aud=None), "malformed", "aud"),
        (token(aud=[MODEL]), "malformed", "aud"),
        (token(exp=None), "malformed", "exp"),
        (token(exp="4102444800"), "malformed", "exp"),
        (token(exp=True), "malformed", "exp"),
        (token(purposes=None), "malformed", "purposes"),
        (token(purposes="ads"), "malformed", "purposes"),
        (token(purposes=["Ads!"]), "malformed", "purposes"),
        (token(aud="ns/other"), "audience", "aud is not ns/fixture"),
        (token(exp=1), "expired", "exp is over"),
    ],
)
def test_a_bad_token_is_refused_with_what_is_wrong(bad: str, expected: str, words: str) -> None:
    """The flaw has a name and words; the words repeat no part of the token."""
    kind, detail = flaw(bad)
    assert (kind, words in detail) == (expected, True), detail
    assert not any(part and part in detail for part in bad.split(".") if len(part) > 8)
    assert UNIT not in detail


@given(st.data())
def test_no_altered_token_is_let_through(data: st.DataObject) -> None:
    """Whichever character is another one: there is one text for each token, and its signature is about all of it."""
    place = data.draw(st.integers(0, len(GOOD) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ "))
    altered = GOOD[:place] + other + GOOD[place + 1 :]
    if altered != GOOD:
        assert flaw(altered)[0] in ("malformed", "key", "signature")


def test_a_good_token_says_whom_it_is_about_and_what_for() -> None:
    """Claims that nobody here knows are ignored, as RFC 7519 asks."""
    verified = tokens().verify(token(iat=1, jti="x", scope="y").encode())
    assert verified.subject == unit_hash(MODEL, UNIT)
    assert verified.purposes == {"ads", "profiling"}


def test_the_signature_of_the_rfc_is_understood() -> None:
    """RFC 7515, appendix A.1: the HMAC of the very bytes that were sent, line breaks in its JSON and all."""
    signing_input = (
        b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
        b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    key = binascii.a2b_base64(
        b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ+EstJQLr/T+1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow=="
    )
    assert base64url(hmac.digest(key, signing_input, "sha256")) == "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    kind, detail = flaw(signing_input + b".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", keys=FixedKeys(joe=key))
    assert (kind, "kid" in detail) == ("malformed", True)


def test_what_is_remembered_still_expires() -> None:
    """A minute after its end a token that was good is none, though its bytes are known."""
    moment = [1_000_000.0]
    checked = tokens(clock=lambda: moment[0])
    made = token(exp=1_000_100).encode()
    checked.verify(made)
    moment[0] = 1_000_100 + SKEW_SECONDS - 1
    checked.verify(made)
    moment[0] += 1
    with pytest.raises(TokenError, match="exp is over"):
        checked.verify(made)


def test_a_key_that_is_taken_away_proves_nothing_any_more() -> None:
    """Also for tokens that were verified by it before; those of a key that is new count at once."""
    keys = FixedKeys()
    checked = tokens(keys)
    old, new = GOOD.encode(), signed(claims(), header={"alg": "HS256", "kid": "new"}, key=b"n" * 32).encode()
    checked.verify(old)
    keys.keys = {"new": b"n" * 32}
    with pytest.raises(TokenError, match="kid names no key"):
        checked.verify(old)
    assert checked.verify(new).subject == unit_hash(MODEL, UNIT)


def test_what_is_remembered_is_bounded() -> None:
    """Whoever sends a new token each time makes nobody's memory grow."""
    checked = tokens()
    for number in range(MAX_REMEMBERED + 10):
        checked.verify(token(jti=number).encode())
    assert len(checked._verified) == MAX_REMEMBERED


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "has no key"),
        ({"a": "xyz"}, "hexadecimal"),
        ({"a": "00" * 31}, "at least 32 bytes, not 31"),
        ({"..data": "00" * 32}, "has no key"),
    ],
)
def test_keys_that_cannot_be_used_keep_a_pod_from_serving(tmp_path: Path, files: dict[str, str], words: str) -> None:
    """The reason says what is wrong, and which field names the Secret."""
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    with pytest.raises(CannotServeError, match=re.escape(words)) as caught:
        PurposeKeys(tmp_path)
    assert caught.value.reason == "SettingsInvalid"
    assert "spec.privacy.consent.keysSecret" in caught.value.message


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """As where a Secret is missing and nothing was mounted."""
    with pytest.raises(CannotServeError, match="cannot be read"):
        PurposeKeys(tmp_path / "absent")


def test_keys_are_read_again_and_a_broken_folder_changes_nothing(tmp_path: Path) -> None:
    """A new key counts after some seconds; while the folder is broken those before stay in force."""
    moment = [0.0]
    folder = keys_in(tmp_path / "keys")
    keys = PurposeKeys(folder, clock=lambda: moment[0])
    before = keys.current()
    moment[0] = RELOAD_SECONDS
    assert keys.current() is before
    keys_in(folder, new=b"n" * 32)
    assert keys.current() is before
    moment[0] += RELOAD_SECONDS
    assert keys.current() == {KEY_ID: KEY, "new": b"n" * 32}
    (folder / "new").write_text("torn", encoding="ascii")
    moment[0] += RELOAD_SECONDS
    assert set(keys.current()) == {KEY_ID, "new"}
    assert "hexadecimal" in keys.broken
