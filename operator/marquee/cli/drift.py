"""``kubectl marquee drift``: what a model sees now beside what it saw first, and the verdict computed again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_options, kubectl_of
from marquee.cli.ledgers import add_door
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import show
from marquee.cli.screen import screen_of


class Drift:
    """Whether a model still sees what it learned from."""

    name = "drift"
    summary = "show what a model sees now beside its baseline, and compute the verdict on drift again"
    description = """Read the windows of the stable revision from the ledger, compute the verdict from their integers on
        this machine, show the features that differ most with their old and new histograms, and compare the verdict with
        the operator's. Ends with 3 when they differ, and with 1 when there is nothing to compare. Needs the verb get on
        marketingmodels, and an address of the ledger: kubectl -n marquee-system port-forward service/marquee-ledger
        8090."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        add_door(parser, "statistics")
        parser.add_argument(
            "-o",
            "--output",
            choices=["table", "json", "evidence"],
            default="table",
            help="default: table; evidence: all that the verdicts follow from, for replay_offline.py",
        )
        parser.add_argument("--all", action="store_true", help="all features, not only the ten that differ most")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print and compare."""
        # the types and the mathematics take longer to import than all other commands to run
        from marquee.cli.drift_evidence import evidence_of
        from marquee.cli.drift_lines import document_of, drift_lines
        from marquee.cli.windows import read_windows
        from marquee.evidence.errors import EvidenceError
        from marquee.judging.drifting import judge_drift

        model = _understood(kubectl_of(arguments).model(arguments.name).body)
        drift, stable = model.spec.drift, model.status.stable
        path = f"{model.metadata.namespace}/{model.metadata.name}"
        if drift is None:
            raise ClusterProblem(f"{path} has no spec.drift: with it, even empty, the operator watches what it sees")
        if stable is None:
            raise ClusterProblem(f"{path} serves no revision yet")
        reply = read_windows(arguments.ledger, arguments.token_file, path, stable.revision, drift)
        try:
            verdict = judge_drift(reply, drift)
        except EvidenceError as error:
            raise ClusterProblem(str(error)) from None
        screen = screen_of(sys.stdout)
        if arguments.output == "json":
            show([document_of(path, stable.revision, reply, verdict)], screen)
        elif arguments.output == "evidence":
            show([evidence_of(path, stable.revision, verdict, drift)], screen)
        else:
            show(drift_lines(path, stable.revision, reply, verdict, screen, everything=arguments.all), screen)
        return _compare(verdict, model.status.drift)


def _understood(body: Mapping[str, Any]) -> Any:
    from pydantic import ValidationError

    from marquee.api.marketing_model import MarketingModel

    try:
        return MarketingModel.model_validate(body)
    except ValidationError as error:
        raise ClusterProblem(
            f"the cluster's MarketingModel is not understood: {error}; "
            "use the plugin of the version of Marquee that the cluster has"
        ) from None


def _compare(verdict: Any, status: Any) -> int:
    """The exit code: a verdict on the same window must be the operator's."""
    from marquee.api.types import timestamp
    from marquee.cli.saying import say

    if verdict.started is None or status is None or status.window != timestamp(verdict.started):
        return Exit.DONE  # the operator has not looked at this window yet
    if status.verdict == verdict.state.value:
        return _compare_performance(verdict.performance, status.performance)
    say(f"the operator says {status.verdict} of this window, and the same integers give {verdict.state.value} here")
    return Exit.DIFFERS


def _compare_performance(verdict: Any, status: Any) -> int:
    from marquee.api.types import timestamp
    from marquee.cli.saying import say

    if verdict is None or status is None or verdict.started is None or status.window != timestamp(verdict.started):
        return Exit.DONE
    told = {status.verdict, verdict.state.value}
    if len(told) == 1 or "Stale" in told:  # which comes by time alone
        return Exit.DONE
    say(
        f"the operator says {status.verdict} of this window's performance, and the same integers give "
        f"{verdict.state.value} here"
    )
    return Exit.DIFFERS


COMMANDS: Final = (Drift(),)
