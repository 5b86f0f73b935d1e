import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.control.cluster.lines import LineSplitter


def test_a_line_may_arrive_in_pieces() -> None:
    """A line is handed out once its end has arrived, however it was cut on the way."""
    lines = LineSplitter(100)

    assert lines.feed(b"ab") == []
    assert lines.feed(b"") == []
    assert lines.feed(b"c\nd") == [b"abc"]
    assert lines.feed(b"\n\n\ne\n") == [b"d", b"e"]


def test_a_line_of_allowed_length_passes() -> None:
    """The bound itself is allowed."""
    assert LineSplitter(3).feed(b"abc\n") == [b"abc"]


@pytest.mark.parametrize("chunks", [[b"abcd\n"], [b"ab", b"cd"], [b"ab", b"cd\n"], [b"a\nabcd\nb\n"]])
def test_a_line_beyond_the_bound_is_refused(chunks: list[bytes]) -> None:
    """Memory stays bounded: a longer line is an error, also before its end has arrived."""
    lines = LineSplitter(3)
    *before, last = chunks
    for chunk in before:
        lines.feed(chunk)

    with pytest.raises(ValueError, match="longer than 3 bytes"):
        lines.feed(last)


@given(lines=st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=20), data=st.data())
def test_lines_do_not_depend_on_the_cuts(lines: list[bytes], data: st.DataObject) -> None:
    """Any cut of the same stream gives the same lines."""
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    splitter = LineSplitter(1000)

    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])

    assert found == [line for line in lines if line]
