from __future__ import annotations

import os
from pathlib import Path

import pytest

from marquee.control.ledger.credentials import MAX_TOKEN_BYTES, ProjectedToken
from marquee.control.ledger.errors import TokenUnreadableError


def test_token_is_the_files_content_without_its_line_end(tmp_path: Path) -> None:
    """White space around a token is not part of it."""
    path = tmp_path / "token"
    path.write_text("abc.def.ghi\n")

    assert ProjectedToken(path).value() == "abc.def.ghi"


def test_swapped_link_is_noticed(tmp_path: Path) -> None:
    """The kubelet swaps a link to another folder: the next request has the new token, even at the same mtime."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name.ljust(6))
        os.utime(tmp_path / name / "token", (1_000, 1_000))
    (tmp_path / "..data").symlink_to(tmp_path / "first")
    (tmp_path / "token").symlink_to(tmp_path / "..data" / "token")
    token = ProjectedToken(tmp_path / "token")
    before = token.value()

    (tmp_path / "..new").symlink_to(tmp_path / "second")
    (tmp_path / "..new").replace(tmp_path / "..data")

    assert (before, token.value()) == ("first", "second")


def test_changed_file_is_read_anew_and_unchanged_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a file with another mtime, inode or size costs reading it."""
    path = tmp_path / "token"
    path.write_text("one")
    os.utime(path, (1_000, 1_000))
    token = ProjectedToken(path)
    token.value()
    path.write_text("two")
    os.utime(path, (2_000, 2_000))
    assert token.value() == "two"

    def refuse(*_: object) -> None:
        raise AssertionError("the file was opened again")

    monkeypatch.setattr(Path, "open", refuse)
    assert token.value() == "two"


def test_missing_file_says_what_to_look_for(tmp_path: Path) -> None:
    """Without a file the error names it and the volume; once it is there, it is used."""
    path = tmp_path / "token"
    token = ProjectedToken(path)

    with pytest.raises(TokenUnreadableError, match=r"token cannot be read: .*No such file.*is the volume"):
        token.value()

    path.write_text("late")
    assert token.value() == "late"


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two words", b"two\nlines", b"caf\xc3\xa9", b"x" * (MAX_TOKEN_BYTES + 1)]
)
def test_what_is_no_token_is_not_sent(tmp_path: Path, content: bytes) -> None:
    """A file that is empty, too long or not one word of ASCII raises, every time it is asked for."""
    path = tmp_path / "token"
    path.write_bytes(content)
    token = ProjectedToken(path)

    for _ in range(2):
        with pytest.raises(TokenUnreadableError):
            token.value()
