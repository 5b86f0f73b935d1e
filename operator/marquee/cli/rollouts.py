"""``kubectl marquee status`` and ``evidence``: look at a rollout, and compute its verdict again."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from typing import Final

from marquee.cli.approving import Approve
from marquee.cli.deciding import DECISIONS
from marquee.cli.exits import Exit
from marquee.cli.holding import HOLDS
from marquee.cli.kubectl import Kubectl, add_options, kubectl_of
from marquee.cli.planning import Plan
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import say, show
from marquee.cli.screen import CLEAR, Tone, screen_of
from marquee.cli.showing import status_lines
from marquee.cli.watching import ended_by_signals, watch


class Status:
    """Where the model stands."""

    name = "status"
    summary = "show a model's revisions, its rollout and the evidence so far"
    description = """Show a model's revisions, its rollout, the verdict in words and the evidence so far.
        Needs the verb get on marketingmodels, and with --watch list and watch."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        parser.add_argument(
            "-w", "--watch", action="store_true", help="show each change until Ctrl-C; a lost connection is made again"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Print it."""
        kubectl, screen = kubectl_of(arguments), screen_of(sys.stdout)
        if arguments.watch:
            return _watch(kubectl, arguments.name)
        show(status_lines(kubectl.model(arguments.name), screen, datetime.now(UTC)), screen)
        return Exit.DONE


class Evidence:
    """What a verdict follows from."""

    name = "evidence"
    summary = "print the ledger's integers of the newest rollout and compute its verdict again"
    description = """Print the integers that the ledger has counted for the newest rollout, compute the e-values and the
        verdict from them on this machine, and compare both with what the operator says. Ends with 3 when they differ,
        and with 1 when they cannot be computed. Needs the verb get on marketingmodels."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Print and compare them."""
        # the types and the mathematics take longer to import than all other commands to run
        from marquee.cli.proving import proof_lines
        from marquee.cli.recomputing import recompute
        from marquee.evidence.errors import EvidenceError

        screen = screen_of(sys.stdout)
        model = kubectl_of(arguments).model(arguments.name)
        rollout = model.require_rollout()
        head = f"{screen.paint(model.path, Tone.STRONG)}: {rollout.name}, {rollout.step_in_words}"
        if not rollout.evidence:
            show((head, *screen.labelled("verdict", f"none was reached yet: {rollout.message}")), screen)
            return Exit.DONE
        try:
            recomputed = recompute(model.body, datetime.now(UTC))
        except EvidenceError as error:
            raise ClusterProblem(str(error)) from None
        show((head, *proof_lines(recomputed, rollout, screen)), screen)
        return Exit.DIFFERS if recomputed.differences else Exit.DONE


COMMANDS: Final = (Status(), Evidence(), Plan(), *DECISIONS, *HOLDS, Approve())


def _watch(kubectl: Kubectl, name: str) -> int:
    with ended_by_signals():
        for model in watch(kubectl, name, say=say):
            now, screen = datetime.now(UTC), screen_of(sys.stdout)
            print(CLEAR if screen.clears else "", end="")
            show(status_lines(model, screen, now), screen)
            end = "; Ctrl-C ends" if screen.clears else "\n"
            show([f"\nas of {now.astimezone():%H:%M:%S}{end}"], screen)
    return Exit.DONE
