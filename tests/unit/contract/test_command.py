"""The command in a MarketingModel's annotation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.contract.command import Action, Command, read_command

_printable = st.text(st.characters(exclude_categories=("C", "Z")), max_size=64)


@given(st.sampled_from(Action), _printable, st.none() | st.integers(0, 15), _printable)
def test_what_is_written_is_read_again(action: Action, rollout: str, step: int | None, by: str) -> None:
    """Whatever the names are."""
    command = Command(action=action, rollout=rollout, step=step, by=by)
    assert read_command(command.to_text()) == command


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "promote",
        "[]",
        "null",
        "3",
        "{}",
        '{"action": "promote"}',
        '{"action": "celebrate", "rollout": "a"}',
        '{"action": ["promote"], "rollout": "a"}',
        '{"action": "promote", "rollout": 3}',
        '{"action": "promote", "rollout": "a", "step": "1"}',
        '{"action": "promote", "rollout": "a", "step": true}',
        '{"action": "promote", "rollout": "a", "step": 1.0}',
        '{"action": "promote", "rollout": "a", "by": null}',
        "[" * 100_000,
    ],
)
def test_what_is_no_command_is_none(text: str | None) -> None:
    """Anybody who may patch the model can write anything there; the operator goes on."""
    assert read_command(text) is None


def test_a_newer_versions_fields_are_ignored() -> None:
    """An operator reads commands of a newer plugin."""
    assert read_command('{"action": "abort", "rollout": "a", "why": "cold"}') == Command(
        action=Action.ABORT, rollout="a"
    )


def test_the_user_is_bounded_and_printable() -> None:
    """The name goes into events and conditions."""
    command = read_command('{"action": "abort", "rollout": "a", "by": "\\u001b[31mea\\nger' + "x" * 100 + '"}')
    assert command is not None
    assert command.by == ("[31meager" + "x" * 100)[:64]
