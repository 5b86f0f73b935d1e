"""``kubectl marquee kill | unkill | freeze | unfreeze``: stop a whole model, and let it go on.

A word about the whole model becomes an annotation. The spec stays as Git has it; the safer of the two counts.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from marquee.cli.deciding import user
from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_options, kubectl_of
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import say
from marquee.cli.seen import Model
from marquee.cli.why import moment
from marquee.contract.holding import ANNOTATION_FREEZE, ANNOTATION_KILL, Hold, read_hold

_LONGEST_REASON: Final = 200


@dataclass(frozen=True)
class Turn:
    """A switch of a whole model, turned on or off."""

    name: str
    on: bool
    annotation: str
    summary: str
    more: str

    @property
    def description(self) -> str:
        """For its own ``--help``."""
        return (
            f"{self.summary[0].upper()}{self.summary[1:]}. {self.more} Writes the annotation {self.annotation} of the "
            "MarketingModel; needs the verbs get and patch on marketingmodels."
        )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        parser.add_argument(
            "--reason",
            type=_reason,
            required=self.on and self.annotation == ANNOTATION_KILL,
            metavar="TEXT",
            help="why, in a line",
        )
        if self.annotation == ANNOTATION_FREEZE and self.on:
            until = "such as 2026-12-02T08:00:00Z (default: until unfreeze)"
            parser.add_argument("--until", type=_future, metavar="TIME", help=until)
        parser.add_argument("-o", "--output", choices=("json",), help="what was written, for programs")

    def run(self, arguments: argparse.Namespace) -> int:
        """Write the annotation."""
        kubectl = kubectl_of(arguments)
        model = kubectl.model(arguments.name)
        _check(self, model)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        until = getattr(arguments, "until", None)
        ends = until.isoformat() if until is not None else ""
        hold = Hold(on=self.on, by=user(), reason=arguments.reason or "", at=now, until=ends)
        kubectl.annotate(arguments.name, self.annotation, hold.to_text())
        if arguments.output:
            print(json.dumps({"model": model.path, "annotation": self.annotation} | asdict(hold)))
        else:
            print(f"{model.path}: {self.name} is written; `kubectl marquee status` shows what follows")
        if self.annotation == ANNOTATION_KILL and self.on and not _spec(model).get("killSwitch", {}).get("fallback"):
            say(
                "spec.killSwitch.fallback is not set: the revision from before the newest rollout answers, and its pods"
            )
            say("may have to come up first")
        return Exit.DONE


def _check(turn: Turn, model: Model) -> None:
    """Raises `ClusterProblem` when it would change nothing."""
    said = read_hold(model.body.get("metadata", {}).get("annotations", {}).get(turn.annotation))
    is_kill = turn.annotation == ANNOTATION_KILL
    if is_kill and not turn.on and _spec(model).get("killSwitch", {}).get("engaged"):
        raise ClusterProblem("spec.killSwitch.engaged is true and counts: set it to false where the spec is kept")
    if not turn.on and (said is None or not said.on):
        raise ClusterProblem(f"nobody has said so: {turn.name} takes back what `kubectl marquee {turn.name[2:]}` says")


def _spec(model: Model) -> dict[str, Any]:
    spec = model.body.get("spec", {})
    return spec if isinstance(spec, dict) else {}


def _reason(text: str) -> str:
    if not text.strip() or len(text) > _LONGEST_REASON or not text.isprintable():
        raise argparse.ArgumentTypeError(f"a reason is one line of 1 to {_LONGEST_REASON} characters")
    return text


def _future(text: str) -> datetime:
    if (found := moment(text)) <= datetime.now(UTC):
        raise argparse.ArgumentTypeError(f"{text!r} is over: say when the freeze ends")
    return found


HOLDS: Final = (
    Turn(
        "kill",
        on=True,
        annotation=ANNOTATION_KILL,
        summary="give all users to the safe fallback at once, and let nothing go on",
        more="A rollout under way ends; no revision gets more users until it is lifted.",
    ),
    Turn(
        "unkill",
        on=False,
        annotation=ANNOTATION_KILL,
        summary="lift the kill switch",
        more="What spec.revision names comes back by its steps, from the first; a rollout that was ended needs retry.",
    ),
    Turn(
        "freeze",
        on=True,
        annotation=ANNOTATION_FREEZE,
        summary="let no revision get more users until a time, or until unfreeze",
        more="Harm, abort, undo and the kill switch do not wait.",
    ),
    Turn(
        "unfreeze",
        on=False,
        annotation=ANNOTATION_FREEZE,
        summary="take back a freeze that a person has said",
        more="The spec's windows and freezes stay.",
    ),
)
