"""The command line: ``marquee COMMAND ...``. Each command is a module with its arguments and what it does."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import Final, Protocol

from marquee.cli import train


class Command(Protocol):
    """One subcommand."""

    name: str
    summary: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit code."""


COMMANDS: Final[tuple[Command, ...]] = (train.Train(), train.Fetch())


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``marquee`` and ``kubectl marquee``; progress goes to standard error, results to output."""
    parser = argparse.ArgumentParser(prog="marquee", description="Provable rollouts for marketing models.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.summary, description=command.summary)
        command.configure(subparser)
        subparser.set_defaults(run=command.run)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    result: int = arguments.run(arguments)
    return result


if __name__ == "__main__":
    sys.exit(main())
