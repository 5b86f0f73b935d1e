"""``marquee retrain``, ``evaluate``, ``export``: a run of the closed loop, and what can be done with its artifact."""

from __future__ import annotations

import argparse
import datetime as dt
import os
from collections.abc import Callable
from typing import Final, cast

from marquee.cli.run_environment import read_request
from marquee.cli.train import add_data_cache, add_use_case, find, leave_message, not_installed, tell
from marquee.contract.retrainer import EvaluationRequest, Retrainable, RetrainingRequest
from marquee.contract.retraining import RunSetting
from marquee.contract.training import TrainingError, TrainingFailureReason


class Retrain:
    """Train on the window that the environment names, compare, and leave the result to the operator."""

    name = "retrain"
    summary = "train a use case again on new data and compare it with the champions"
    description = f"{summary}; settings come from the environment ({', '.join(RunSetting)}), as the operator gives them"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_use_case(parser)
        add_data_cache(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the result as the last line of standard output; of several processes the first one does."""
        try:
            use_case = _retrainable(arguments.use_case)
            request = read_request(os.environ, data_cache=arguments.data_cache)
            text = _with_packages(arguments.use_case, lambda: _retrained(use_case, request))
        except TrainingError as error:
            leave_message(error.failure.to_text())
            return tell(error)
        if text:
            leave_message(text)
            print(text)
        return 0


class Evaluate:
    """Measure an artifact on rows with known outcomes."""

    name = "evaluate"
    summary = "measure an artifact on a table of rows with known outcomes"
    description = summary

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("artifact", metavar="ARTIFACT", help="folder, pvc://CLAIM/PATH or URI of the artifact")
        parser.add_argument("--data", required=True, metavar="URI", help="Parquet or CSV: a file or a folder of files")
        parser.add_argument("--metrics", default="", metavar="NAMES", help="with commas between (default: all)")
        parser.add_argument("--slices", default="", metavar="INPUTS", help="inputs whose values are told of one by one")
        parser.add_argument("--start", type=_instant, metavar="TIME", help="rows before it are left out")
        parser.add_argument("--end", type=_instant, metavar="TIME", help="rows from it on are left out")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print the metrics as one line of JSON."""
        request = EvaluationRequest(
            artifact=arguments.artifact,
            data_uri=arguments.data,
            start=arguments.start,
            end=arguments.end,
            metrics=_names(arguments.metrics),
            slices=_names(arguments.slices),
        )
        try:
            name = _with_packages("any", lambda: _use_case_of(arguments.artifact))
            use_case = _retrainable(name)
            print(
                _with_packages(
                    name, lambda: use_case.evaluate(request).model_dump_json(by_alias=True, exclude_none=True)
                )
            )
        except TrainingError as error:
            return tell(error)
        return 0


class Export:
    """Bring a checked artifact to another place, or to another model."""

    name = "export"
    summary = "copy an artifact to another place, each byte checked; or make it another model's"
    description = summary

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("artifact", metavar="ARTIFACT", help="folder, pvc://CLAIM/PATH or URI of the artifact")
        parser.add_argument("--out", required=True, metavar="DIR", help="where it goes; the same kinds of places")
        parser.add_argument("--digest", metavar="SHA256", help="refuse an artifact with another digest")
        parser.add_argument("--model", metavar="NAME", help="name of the MarketingModel that the copy is for")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print URI and digest of the copy as one line of JSON."""
        try:
            print(_with_packages("any", lambda: _exported(arguments)))
        except TrainingError as error:
            return tell(error)
        return 0


COMMANDS: Final = (Retrain(), Evaluate(), Export())


def _retrainable(name: str) -> Retrainable:
    use_case = find(name)
    if not callable(getattr(use_case, "retrain", None)) or not callable(getattr(use_case, "evaluate", None)):
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID,
            f"use case {name!r} has no retrain and evaluate (marquee.contract.retrainer.Retrainable)",
        )
    return cast("Retrainable", use_case)


def _retrained(use_case: Retrainable, request: RetrainingRequest) -> str:
    if request.standing is None or request.standing.is_first:
        return use_case.retrain(request).to_text()
    use_case.assist(request)
    return ""


def _use_case_of(artifact: str) -> str:
    from models.retraining.fetching import fetch_artifact

    return fetch_artifact(artifact, setting="ARTIFACT").manifest.use_case


def _exported(arguments: argparse.Namespace) -> str:
    from models.retraining.exporting import export

    return export(arguments.artifact, arguments.out, digest=arguments.digest, model=arguments.model)


def _with_packages(name: str, do: Callable[[], str]) -> str:
    try:
        return do()
    except ImportError as error:
        raise not_installed(name, error) from error


def _instant(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
