"""``marquee train`` and ``marquee fetch``: run a use case's training, or only bring its data into the cache.

Use cases are entry points, so this module knows none of them and needs none of their packages.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Final

from marquee.contract.distributed import EXIT_CODE_PEER_LOST
from marquee.contract.pod import EXIT_CODE_FAILURE, TERMINATION_MESSAGE_PATH
from marquee.contract.training import (
    USE_CASES_GROUP,
    TrainerSetting,
    TrainingError,
    TrainingFailureReason,
    TrainingRequest,
    UseCase,
)

_DEFAULT_CACHE: Final = "~/.cache/marquee"


class Train:
    """Train one use case and write its artifact."""

    name = "train"
    summary = "train a use case and write its artifact"
    description = summary

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_use_case(parser)
        parser.add_argument(
            "--out", required=True, metavar="DIR", help="folder, pvc://CLAIM/PATH or URI of the artifact"
        )
        parser.add_argument("--model", metavar="NAME", help="name of the MarketingModel (default: the use case's)")
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every random choice (default: 0)")
        parser.add_argument("--replace", action="store_true", help="overwrite an older artifact of the same model")
        add_data_cache(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the result as the last line of standard output."""
        try:
            text = _train(arguments)
        except TrainingError as error:
            leave_message(error.failure.to_text())
            return tell(error)
        leave_message(text)
        print(text)
        return 0


class Fetch:
    """Fill a data cache, for machines without a network."""

    name = "fetch"
    summary = "bring a use case's training data into the data cache"
    description = summary

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_use_case(parser)
        add_data_cache(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Print one line per data source."""
        try:
            sources = find(arguments.use_case).fetch(arguments.data_cache)
        except TrainingError as error:
            return tell(error)
        for source in sources:
            print(f"{source.name}: {source.rows} rows, sha256 {source.sha256}, from {source.origin}")
        return 0


COMMANDS: Final = (Train(), Fetch())


def _train(arguments: argparse.Namespace) -> str:
    use_case = find(arguments.use_case)
    request = TrainingRequest(
        model=arguments.model or use_case.name,
        out=arguments.out,
        seed=arguments.seed,
        data_cache=arguments.data_cache,
        replace=arguments.replace,
    )
    try:
        return use_case.train(request).to_text()
    except ImportError as error:
        raise not_installed(use_case.name, error) from error


def find(name: str) -> UseCase:
    """The use case of a name.

    Raises:
        TrainingError: ``ArgumentsInvalid`` when none has it, or when what it needs is not installed.

    """
    known = {entry.name: entry for entry in importlib.metadata.entry_points(group=USE_CASES_GROUP)}
    if name not in known:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID,
            f"there is no use case {name!r}; known are: {', '.join(sorted(known)) or 'none'}",
        )
    try:
        use_case: UseCase = known[name].load()
    except ImportError as error:
        raise not_installed(name, error) from error
    return use_case


def not_installed(name: str, error: ImportError) -> TrainingError:
    """What to install."""
    return TrainingError(
        TrainingFailureReason.ARGUMENTS_INVALID,
        f"use case {name!r} needs what is not installed: {error}; install it with: pip install 'marquee[models]'",
    )


def default_data_cache() -> Path:
    """``data`` below the folder of everything that can be fetched again."""
    root = os.environ.get(TrainerSetting.CACHE) or _DEFAULT_CACHE
    return Path(root).expanduser() / "data"


def add_use_case(parser: argparse.ArgumentParser) -> None:
    """The argument that names the use case."""
    parser.add_argument("use_case", metavar="USE_CASE", help="name of the use case, e.g. lead-scoring")


def add_data_cache(parser: argparse.ArgumentParser) -> None:
    """The option of the folder of fetched data."""
    default = default_data_cache()
    parser.add_argument(
        "--data-cache", type=Path, default=default, metavar="DIR", help=f"folder of fetched data (default: {default})"
    )


def tell(error: TrainingError) -> int:
    """Say on standard error what went wrong; the exit code."""
    print(f"marquee: {error.failure.reason}: {error.failure.message}", file=sys.stderr)
    is_of_another = error.failure.reason is TrainingFailureReason.PEER_LOST
    return EXIT_CODE_PEER_LOST if is_of_another else EXIT_CODE_FAILURE


def leave_message(text: str) -> None:
    """Write the termination message; the kubelet makes its file before the container starts.

    Nothing is added: of a byte more than fits the kubelet takes the first one away.
    """
    asked = os.environ.get(TrainerSetting.TERMINATION_MESSAGE)
    path = Path(asked or TERMINATION_MESSAGE_PATH)
    if asked or path.exists():
        path.write_text(text)
