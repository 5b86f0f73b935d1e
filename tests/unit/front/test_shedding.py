"""What is turned away without a parser is what a parser would have read: one whole plain request, and whose it is."""

from __future__ import annotations

import re

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bentos.front.shedding import Plain, plain_request
from tests.support.examples import examples

HEAD = b"POST /predict HTTP/1.1\r\nHost: pod\r\nContent-Type: application/json\r\n"
BODY = b'{"inputs": {}}'
PLAIN = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY


def with_header(*lines: bytes) -> bytes:
    """The plain request with more lines in its head."""
    return PLAIN.replace(b"Host: pod", b"\r\n".join((b"Host: pod", *lines)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN[:-1],
        PLAIN + b"P",
        PLAIN + PLAIN,
        PLAIN[:40],
        PLAIN.replace(b"POST", b"GET"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"/predict ", b"/pre dict "),
        PLAIN.replace(b"\r\nHost", b"\nHost"),
        PLAIN.replace(b"Host: pod", b"Host: p\rod"),
        PLAIN.replace(b"Host: pod", b"Host: p\r\n od"),
        PLAIN.replace(b"Content-Length: ", b"Content-Length : "),
        PLAIN.replace(b"Content-Length: ", b"Content-Length: +"),
        with_header(b"content-length: 14"),
        with_header(b"Content-Length: 3"),
        with_header(b"Transfer-Encoding: chunked"),
        with_header(b"Connection: close"),
        with_header(b"Connection: Upgrade", b"Upgrade: h2c"),
        with_header(b"Expect: 100-continue"),
        with_header(b"Inference-Header-Content-Length: 3"),
    ],
)
def test_what_is_not_certainly_plain_is_left_to_the_parser(data: bytes) -> None:
    """A part, more than one, another method or version, another framing, folded and broken lines, an expectation."""
    assert plain_request(data) is None


def test_a_plain_request_says_whose_it_is() -> None:
    """Marquee's headers alone, their names in small letters and their values as they are."""
    assert plain_request(PLAIN) == Plain(b"/predict", [])
    data = with_header(b"Marquee-Cohort: lead-v2/3/canary", b"x-request-id: 7", b"marquee-unit:  Ana B \t")
    assert plain_request(data) == Plain(
        b"/predict", [(b"marquee-cohort", b"lead-v2/3/canary"), (b"marquee-unit", b"Ana B")]
    )


class Reading:
    """What a parser makes of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.messages = 0
        self.url, self.body = b"", b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.messages += 1


lines = st.one_of(
    st.sampled_from([
        b"marquee-unit: a", b"Marquee-Cohort: r/1/stable", b"content-length: 14", b"Content-Length: 2", b"x: y",
        b"Transfer-Encoding: chunked", b"x: content-length: 14", b"connection: keep-alive", b" folded", b"x:",
        b"x: \x00", b"a\nb: c",
    ]),
    st.from_regex(re.compile(rb"[a-zA-Z-]{1,12}:[ \t]{0,2}[ -~]{0,20}"), fullmatch=True),
)  # fmt: skip


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(lines, max_size=6), st.binary(max_size=20), st.binary(max_size=3))
def test_a_parser_reads_the_same(more: list[bytes], body: bytes, rest: bytes) -> None:
    """Whatever is taken for plain is one message for the parser too, which ends where the bytes end."""
    data = b"\r\n".join([b"POST /predict HTTP/1.1", *more, b"content-length: %d" % len(body), b"", body]) + rest
    if (plain := plain_request(data)) is None:
        return
    try:
        reading = Reading(data)
    except httptools.HttpParserError:
        return  # it would be told so instead of being turned away, and its connection ends: nothing follows it
    assert (reading.messages, reading.url, reading.body) == (1, plain.url, body)
    assert plain.headers == [header for header in reading.headers if header[0].startswith(b"marquee-")]
