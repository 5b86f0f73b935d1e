"""A model and its rollout in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from marquee.cli.ages import age
from marquee.cli.screen import Screen, Tone
from marquee.cli.seen import Arm, Metric, Model, Rollout

_TONES: Final = {
    "Serving": Tone.GOOD,
    "External": Tone.GOOD,
    "Draining": Tone.GOOD,
    "Failed": Tone.BAD,
    "Blocked": Tone.BAD,
    "RolledBack": Tone.BAD,
}
_VERDICTS: Final = {
    "": ("none yet", Tone.WAITING),
    "Hold": ("hold: the weight stays", Tone.WAITING),
    "Promote": ("good: the step has what it asks for", Tone.GOOD),
    "Rollback": ("harm: all users go back to stable", Tone.BAD),
    "Promoted": ("promoted to all users", Tone.GOOD),
    "RolledBack": ("rolled back", Tone.BAD),
    "Aborted": ("aborted", Tone.BAD),
    "Superseded": ("superseded by another revision or plan", Tone.WAITING),
}
_EVIDENCE_HEADER: Final = ("metric", "canary", "stable", "e-value of harm", "of non-inferiority")


def status_lines(model: Model, screen: Screen, now: datetime) -> Iterator[str]:
    """Everything that a person asks first, the most important first."""
    tone = _TONES.get(model.phase, Tone.WAITING)
    yield f"{screen.paint(model.path, Tone.STRONG)}: {screen.paint(model.phase or 'not looked at yet', tone)}"
    rollout = model.rollout
    if rollout is None or model.ready_message != rollout.message:
        yield from (f"  {line}" for line in screen.wrapped(model.ready_message, indent=2))
    for note in _notes(model):
        yield from (f"  {screen.paint(line, Tone.WAITING)}" for line in screen.wrapped(note, indent=2))
    if model.stable is not None or model.canary is not None:
        yield ""
    yield from _arms(model, screen, now)
    if rollout is not None:
        yield ""
        yield from _rollout(rollout, screen, now)
        yield from _command(model, screen)
        yield from _evidence(rollout.evidence, screen)


def verdict_words(rollout: Rollout) -> tuple[str, Tone]:
    """The verdict, or how the rollout ended, in words; a word of another version stays as it is."""
    return _VERDICTS.get(rollout.verdict, (rollout.verdict, Tone.WAITING))


def _notes(model: Model) -> Iterator[str]:
    if not model.phase:
        yield "no operator has written its status: is one running that watches this namespace?"
    elif not model.is_current:
        yield (
            f"the spec has changed since: this is about generation {model.observed_generation}, "
            f"and it is at {model.generation} now"
        )


def _arms(model: Model, screen: Screen, now: datetime) -> Iterator[str]:
    arms: tuple[tuple[str, Arm | None], ...] = (("stable", model.stable), ("canary", model.canary))
    longest = max((len(arm.revision) for _, arm in arms if arm is not None), default=0)
    for title, arm in arms:
        if arm is not None:
            tone = Tone.PLAIN if arm.ready_replicas >= arm.replicas else Tone.WAITING
            pods = screen.paint(f"{arm.ready_replicas} of {arm.replicas} pods ready", tone)
            yield f"  {title:<10}{arm.revision:<{longest}}  {pods}, {title} for {age(arm.since, now)}"


def _rollout(rollout: Rollout, screen: Screen, now: datetime) -> Iterator[str]:
    words, tone = verdict_words(rollout)
    yield from screen.labelled("rollout", f"{rollout.name}, started {age(rollout.started, now)} ago")
    if rollout.result:
        yield from screen.labelled("ended", f"in {rollout.step_in_words}")
    else:
        whom = "requests asked for" if rollout.realised else "users"
        share = f"{screen.bar(rollout.weight)}  {rollout.weight} % of {whom} for {age(rollout.step_started, now)}"
        yield f"  {'step':<10}{rollout.step_in_words.removeprefix('step ')}  {share}"
        if rollout.realised:
            yield from screen.labelled("share", rollout.realised)
    yield from screen.labelled("verdict", words, tone)
    if rollout.message:
        yield from screen.labelled("", rollout.message)
    if rollout.forecast:
        yield from screen.labelled("forecast", rollout.forecast)


def _command(model: Model, screen: Screen) -> Iterator[str]:
    """What a person has said last, while it still means something."""
    command, rollout = model.command, model.rollout
    if command is None or rollout is None or (command.action == "promote" and command.step != rollout.step):
        return
    yield from screen.labelled("command", command.action.value + (f", by {command.by}" if command.by else ""))


def _evidence(evidence: tuple[Metric, ...], screen: Screen) -> Iterator[str]:
    if not evidence:
        return
    rows = []
    for found in evidence:
        canary, _, stable = found.counts.partition(" against ")
        rows.append((found.metric, canary, stable, found.harm, found.non_inferiority))
    yield ""
    yield from screen.table(_EVIDENCE_HEADER, rows, indent=2)
