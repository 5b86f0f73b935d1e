"""The command line: ``marquee COMMAND ...``, or ``kubectl marquee COMMAND ...``.

Each command is an object with its arguments and what it does. Only the module of the asked one is imported: a person
waits for every package that is loaded.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from marquee.cli.exits import Exit
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import say

_PLUGIN: Final = "kubectl-marquee"
_ROLLOUTS: Final = "marquee.cli.rollouts"
_AUDIT: Final = "marquee.cli.audit"
_DRIFT: Final = "marquee.cli.drift"
_RETRAINING: Final = "marquee.cli.retraining"
_PEOPLE: Final = "marquee.cli.people"
_CARD: Final = "marquee.cli.card"
_TRAIN: Final = "marquee.cli.train"
_RETRAIN: Final = "marquee.cli.retrain"
_MODULES: Final = {
    "subject": _PEOPLE, "erase": _PEOPLE, "suppress": _PEOPLE, "unsuppress": _PEOPLE,
    "drift": _DRIFT, "audit": _AUDIT, "why": _AUDIT, "train": _TRAIN, "fetch": _TRAIN,
    "card": _CARD, "retrain": _RETRAIN, "evaluate": _RETRAIN, "export": _RETRAIN,
}  # fmt: skip
"""Where a command lives; the others are about rollouts."""
_EPILOG: Final = """exit codes:
  0    done; evidence, drift: the same verdict as the operator's
  1    refused by the cluster or by the state of the rollout, or not proven; the reason is on standard error
  2    wrong arguments
  3    evidence, drift: differs from what the operator says; audit verify --verdicts: a verdict does not follow
  4    plan: a step cannot conclude in the time that it has
  130  interrupted by Ctrl-C or SIGTERM, also a watch"""


class Command(Protocol):
    """One subcommand."""

    @property
    def name(self) -> str:
        """The word on the command line."""

    @property
    def summary(self) -> str:
        """What it does, for the list of commands."""

    @property
    def description(self) -> str:
        """What it does, for its own ``--help``."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit code. Raises `ClusterProblem`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``marquee`` and ``kubectl marquee``; progress goes to standard error, results to output."""
    words = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser(words).parse_args(words)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        return int(arguments.run(arguments))
    except ClusterProblem as problem:
        say(problem)
        return Exit.FAILED
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # the interpreter flushes standard output once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    is_plugin = Path(sys.argv[0]).name == _PLUGIN
    parser = argparse.ArgumentParser(
        prog="kubectl marquee" if is_plugin else "marquee",
        description="Provable rollouts for marketing models: look at them, compute their evidence again, decide.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _commands(words, is_plugin=is_plugin):
        subparser = subparsers.add_parser(
            command.name, help=command.summary, description=command.description, allow_abbrev=False
        )
        command.configure(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _commands(words: Sequence[str], *, is_plugin: bool) -> list[Command]:
    """Those of the asked command's module; all of them where none is asked for."""
    rollouts: tuple[Command, ...] = importlib.import_module(_ROLLOUTS).COMMANDS
    if words and words[0] in {command.name for command in rollouts}:
        return list(rollouts)
    if is_plugin:
        return [
            *rollouts,
            *importlib.import_module(_DRIFT).COMMANDS,
            *importlib.import_module(_AUDIT).COMMANDS,
            *importlib.import_module(_RETRAINING).COMMANDS,
            *importlib.import_module(_PEOPLE).COMMANDS,
            *importlib.import_module(_CARD).COMMANDS,
        ]
    modules = dict.fromkeys(_MODULES.values())
    return [*rollouts, *(command for module in modules for command in importlib.import_module(module).COMMANDS)]


if __name__ == "__main__":
    sys.exit(main())
