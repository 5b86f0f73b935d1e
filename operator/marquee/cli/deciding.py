"""``kubectl marquee promote | abort | pause | resume | undo | retry``: decide about a rollout.

A decision becomes an annotation that names the rollout, and the step where that matters. The spec stays as Git has it.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import dataclass
from typing import Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_options, kubectl_of
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import say
from marquee.cli.seen import Model, Rollout
from marquee.contract.command import ANNOTATION_COMMAND, Action, Command

_FITTING: Final = {
    Action.RETRY: ({"RolledBack", "Aborted"}, "one that was rolled back, aborted or undone"),
    Action.UNDO: ({"Promoted"}, "one that was promoted"),
}
_UNDER_WAY: Final = ({""}, "one that is under way")
_EXPOSING: Final = frozenset({Action.PROMOTE, Action.RETRY})
"""They give a revision more users, so they must be about what the person has seen."""
_GOING_ON: Final = frozenset({Action.PROMOTE, Action.RESUME})
_HARM: Final = "Rollback"


@dataclass(frozen=True)
class Decide:
    """A command to a rollout."""

    action: Action
    summary: str
    more: str = ""

    @property
    def name(self) -> str:
        """The subcommand."""
        return self.action.value

    @property
    def description(self) -> str:
        """For its own ``--help``."""
        return (
            f"{self.summary[0].upper()}{self.summary[1:]}. {self.more} Writes the annotation {ANNOTATION_COMMAND} "
            "of the MarketingModel, in place of an older one; needs the verbs get and patch on marketingmodels."
        )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        if self.action is Action.PROMOTE:
            parser.add_argument("-y", "--yes", action="store_true", help="also when the verdict is harm; asks nothing")

    def run(self, arguments: argparse.Namespace) -> int:
        """Write the annotation."""
        kubectl = kubectl_of(arguments)
        model = kubectl.model(arguments.name)
        rollout = check(self.action, model)
        if self.action is Action.PROMOTE and rollout.verdict == _HARM and not arguments.yes:
            _confirm(model, rollout)
        command = Command(action=self.action, rollout=rollout.name, step=rollout.step, by=user())
        kubectl.annotate(arguments.name, ANNOTATION_COMMAND, command.to_text())
        print(f"{model.path}: {self.name} is written, for {rollout.step_in_words} of {rollout.name}")
        if not model.is_current:
            say("the operator has not looked at the newest spec yet: is it running?")
        return Exit.DONE


def check(action: Action, model: Model) -> Rollout:
    """The rollout that the command is about.

    Raises:
        ClusterProblem: there is none, it stands where the command means nothing, or the spec overrules it.

    """
    rollout = model.require_rollout()
    results, fitting = _FITTING.get(action, _UNDER_WAY)
    says = model.command.action if model.command is not None else None
    undone = rollout.result == "Promoted" and says is Action.UNDO
    if rollout.result not in results and not (action is Action.RETRY and undone):
        state = f"has ended ({rollout.result})" if rollout.result else "is under way"
        raise ClusterProblem(f"rollout {rollout.name} {state}: {action.value} is for {fitting}")
    if action in _EXPOSING and not model.is_current:
        raise ClusterProblem(
            "the spec has changed since the operator looked: wait until it has, and see `kubectl marquee status` again"
        )
    if action in _GOING_ON and model.paused:
        raise ClusterProblem("spec.rollout.paused is true and comes first: set it to false where the spec is kept")
    if action is Action.RESUME and says is not Action.PAUSE:
        raise ClusterProblem(f"rollout {rollout.name} is not paused")
    return rollout


def _confirm(model: Model, rollout: Rollout) -> None:
    """Let the person type the model's name. Raises `ClusterProblem` when there is nobody, or another answer."""
    say(f"the evidence shows harm in {rollout.step_in_words}: {rollout.message}")
    say("while it does, the operator rolls back before it obeys; a promotion counts if the evidence changes first")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ClusterProblem("nothing is written: say --yes to promote in spite of it")
    print(f"Type {model.name} to promote in spite of it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != model.name:
        raise ClusterProblem("nothing is written")


def user() -> str:
    """Who runs this; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


DECISIONS: Final = (
    Decide(
        Action.PROMOTE,
        "let a rollout go on from this step, whatever its evidence lacks",
        "Only the step that the status shows now is left. Where the verdict is harm it asks, or wants --yes.",
    ),
    Decide(Action.ABORT, "end a rollout and give all users to stable"),
    Decide(Action.PAUSE, "keep a rollout's weight until it is resumed", "Shown harm still rolls back."),
    Decide(Action.RESUME, "take back a pause"),
    Decide(Action.UNDO, "give all users back to the revision before a promoted one"),
    Decide(Action.RETRY, "try a revision again that was rolled back, aborted or undone", "It begins with step 1."),
)
