"""Termination messages: where they go and how they are made to fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from bentos.front.failures import CannotServeError, in_words, write_termination_message
from marquee.contract.pod import Failure, FailureReason


@pytest.mark.parametrize("message", ["short", "x" * 10_000, "ü" * 10_000, "\n" * 3_000])
def test_a_failure_fits_the_kubelets_limit(message: str) -> None:
    """However long and in whatever script, the message stays below 4,096 bytes and can be read back."""
    text = CannotServeError(FailureReason.WARM_UP_FAILED, message).to_failure().to_text()
    assert len(text.encode()) <= 4_096
    failure = Failure.from_text(text)
    assert failure is not None
    assert failure.reason is FailureReason.WARM_UP_FAILED
    assert message.startswith(failure.message)
    assert len(failure.message) >= min(len(message), 500)


def test_an_older_message_is_replaced(tmp_path: Path) -> None:
    """The file of a restarted container holds the last failure and nothing of the one before."""
    path = tmp_path / "termination-log"
    path.write_text("x" * 4_000, encoding="utf-8")
    failure = Failure(reason=FailureReason.DIGEST_MISMATCH, message="changed")
    write_termination_message(failure, path)
    assert Failure.from_text(path.read_text(encoding="utf-8")) == failure


def test_no_file_is_made_where_no_kubelet_reads(tmp_path: Path) -> None:
    """Outside of a pod nothing is left behind."""
    write_termination_message(Failure(reason=FailureReason.DIGEST_MISMATCH, message="x"), tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_many_errors_are_cut_in_words() -> None:
    """The first errors are spelled out, the others counted."""

    class Many(BaseModel):
        numbers: list[int]

    with pytest.raises(ValidationError) as error:
        Many.model_validate({"numbers": ["x"] * 30})
    words = in_words(error.value)
    assert words.startswith("numbers.0: ")
    assert words.endswith("and 25 more")
