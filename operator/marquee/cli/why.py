"""``kubectl marquee why NAME [--at TIME]``: why did this model serve this traffic then, on one screen."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from marquee.cli.exits import Exit
from marquee.cli.frozen import Frozen, freezes_at
from marquee.cli.kubectl import add_options, kubectl_of
from marquee.cli.logged import Logged, Source, add_source, entries_of, source_of
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import show
from marquee.cli.screen import Screen, Tone, clean, screen_of

_HEADER: Final = ("metric", "canary, stable", "e-value of harm", "of non-inferiority")
_DIGEST: Final = 16
"""Digits of a digest that people compare; `-o json` has all of them."""


class Why:
    """Explain a model's traffic."""

    name = "why"
    summary = "explain by the audit log why a model serves its traffic, now or at another time"
    description = """Find the entry of the audit log by which a model serves its traffic, now or at another time: who
        gets what, who decided it by which rule, and on what evidence. Asks the ledger through the API server, which
        needs the verb get on services/proxy in its namespace. Nothing of this is proven: that is what `audit prove` and
        `audit verify` are for."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        add_source(parser)
        parser.add_argument("--at", type=moment, metavar="TIME", help="such as 2026-11-28T20:15:00Z (default: now)")
        parser.add_argument("-o", "--output", choices=("json",), help="the whole entry, for programs")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print it."""
        kubectl = kubectl_of(arguments)
        model = f"{kubectl.namespace()}/{arguments.name}"
        source, at = source_of(arguments, kubectl), arguments.at or datetime.now(UTC)
        answer = find(source, model, at)
        frozen = freezes_at(source, answer.entry, model, at)
        if arguments.output:
            more = {"followed": answer.followed, "freezes": [one.told for one in frozen]}
            print(json.dumps(answer.entry.to_json() | more, indent=2))
        else:
            screen = screen_of(sys.stdout)
            show(why_lines(model, answer, arguments.at, screen, frozen), screen)
        return Exit.DONE


@dataclass(frozen=True, slots=True)
class Answer:
    """The entry that governed a moment."""

    entry: Logged
    followed: bool = True
    """False: the entry after it found other shares than it had announced."""
    turned: Logged | None = None
    """The newest turn of the kill switch since then."""


def find(source: Source, model: str, at: datetime) -> Answer:
    """The newest decision about a model's traffic that is not younger than a moment.

    Raises:
        ClusterProblem: the log has none, or cannot be asked.

    """
    later: Logged | None = None
    turned: Logged | None = None
    is_empty = True
    for entry in entries_of(source, model):
        is_empty = False
        if entry.kind == "kill-switch-turned" and turned is None and entry.time <= at:
            turned = entry
        if entry.kind != "rollout-stepped":
            continue
        if entry.time <= at:
            return Answer(entry, later is None or later.before == entry.shares, turned)
        later = entry
    if is_empty:
        raise ClusterProblem(f"nothing of {model} is in the audit log: is that its name, and does the operator log?")
    raise ClusterProblem(f"the log's first decision about {model} is younger than {at.isoformat(timespec='seconds')}")


def why_lines(
    model: str, answer: Answer, at: datetime | None, screen: Screen, frozen: Sequence[Frozen] = ()
) -> Iterator[str]:
    """The screen, the most important first."""
    entry, predicate = answer.entry, answer.entry.predicate
    when = f"at {_time(at)}" if at is not None else "now"
    yield f"{screen.paint(model, Tone.STRONG)} {when}: {in_words(entry.shares)}"
    if not answer.followed:
        yield from screen.labelled(
            "", "the decision after this one found other shares: it may not have been acted upon", Tone.BAD
        )
    if answer.turned is not None:
        yield from screen.labelled("kill", _turn(answer.turned), Tone.BAD)
    for one in frozen:
        yield from screen.labelled("frozen", clean(one.words), Tone.WAITING)
    yield from screen.labelled("since", f"{_time(entry.time)}; before: {in_words(entry.before) or 'nobody'}")
    yield from screen.labelled("verdict", f"{predicate.get('verdict')}: {clean(str(predicate.get('reason')))}")
    if predicate.get("rollout"):
        stage = f", {predicate['stage']}" if predicate.get("stage") else ""
        yield from screen.labelled("rollout", f"{predicate['rollout']}, step {int(predicate['step']) + 1}{stage}")
    yield from screen.labelled("rule", f"{predicate.get('rule')} (docs/states.md)")
    yield from _decided(entry, screen)
    yield from _subjects(entry, screen)
    yield from _evidence(entry, screen)
    yield from screen.labelled(
        "proof", f"entry {entry.index}, number {predicate.get('sequence')} of the model: `audit prove`"
    )


def _turn(entry: Logged) -> str:
    predicate = entry.predicate
    who = f" by {clean(str(predicate['by']))}" if predicate.get("by") else ""
    why = f": {clean(str(predicate['reason']))}" if predicate.get("reason") else ""
    if not predicate.get("engaged"):
        return f"switch lifted{who}{why}"
    halt = predicate.get("haltMilliseconds")
    took = f"; nobody was sent elsewhere after {int(halt) / 1000:.1f} s" if halt is not None else ""
    return f"switch engaged {_time(entry.time)}{who}{why}{took}"


def in_words(shares: dict[str, int]) -> str:
    """Such as "lead-v1 90 %, lead-v2 10 %"."""
    return ", ".join(f"{name} {permille / 10:g} %" for name, permille in shares.items())


def moment(text: str) -> datetime:
    """A time with a zone, from the command line."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time with a zone, such as 2026-11-28T20:15:00Z")
    return found


def _decided(entry: Logged, screen: Screen) -> Iterator[str]:
    predicate = entry.predicate
    code = f", Marquee {predicate['code']}" if predicate.get("code") else ""
    yield from screen.labelled("decided", f"by {clean(str(predicate.get('actor')))}{code}")
    if predicate.get("by"):
        yield from screen.labelled("asked", f"by {clean(str(predicate['by']))}, as the command's annotation says")
    if predicate.get("approvals"):
        yield from screen.labelled("approved", "by " + clean(", ".join(map(str, predicate["approvals"]))))
    for one in predicate.get("fairness") or ():
        told = f"{one['metric']} of {one['input']}: a gap of {one['gap']} among {one['groups']} groups"
        yield from screen.labelled("fairness", clean(f"{told}, at most {one['maximal']}"))
    if predicate.get("late"):
        entered = datetime.fromisoformat(str(predicate["time"]))
        yield from screen.labelled("late", f"entered {_time(entered)}: the log was not to be had", Tone.WAITING)


def _subjects(entry: Logged, screen: Screen) -> Iterator[str]:
    for subject in entry.statement.get("subject", ()):
        kind, _, name = str(subject["name"]).partition("/")
        editor = entry.predicate.get("editor") if kind == "spec" else None
        by = f", changed last by {clean(str(editor))}" if editor else ""
        yield from screen.labelled(kind, f"{name} sha256:{subject['digest']['sha256'][:_DIGEST]}...{by}")
    if entry.predicate.get("plan"):
        yield from screen.labelled("plan", str(entry.predicate["plan"]))


def _evidence(entry: Logged, screen: Screen) -> Iterator[str]:
    findings = entry.predicate.get("findings") or ()
    if entry.predicate.get("concluded"):
        yield from screen.labelled("evidence", str(entry.predicate["concluded"]))
    if findings:
        yield ""
        rows = [[str(one[key]) for key in ("metric", "counts", "harm", "nonInferiority")] for one in findings]
        yield from screen.table(_HEADER, rows, indent=2)
        yield ""


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
