"""``kubectl marquee plan``: how long each step of a rollout will take, before anybody starts it."""

from __future__ import annotations

import argparse
import sys
from typing import Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import Kubectl, add_connection, kubectl_of, resource_name
from marquee.cli.saying import show
from marquee.cli.screen import screen_of
from marquee.cli.seen import Body, manifest_in

_MOST_REQUESTS: Final = 1e9


class Plan:
    """What a plan comes to."""

    name = "plan"
    summary = "forecast how long each step of a rollout takes, and which cannot conclude"
    description = """Forecast, for each step of spec.rollout, the time until a loss of 50, 20 and 10 percent is shown,
        and until a version that equals stable is passed. Ends with 4 when a step cannot conclude in its
        maxDurationSeconds. Traffic is what the newest rollout has seen, unless it is given. Needs the verb get on
        marketingmodels; with -f only a cluster that knows the kind."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("name", type=resource_name, metavar="NAME", nargs="?", help="name of the MarketingModel")
        which.add_argument("-f", "--filename", metavar="FILE", help="a manifest that is not applied yet; - reads it")
        add_connection(parser)
        parser.add_argument(
            "--requests-per-minute", type=_requests, metavar="NUMBER", help="new units a minute, of both arms"
        )
        parser.add_argument(
            "--base-rate", type=_rate, metavar="RATE", help="stable's outcomes for each unit, such as 4%% or 0.04"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Print it."""
        # the types and the mathematics take longer to import than all other commands to run
        from marquee.cli.foretelling import forecast, plan_lines

        body, screen = _body(kubectl_of(arguments), arguments), screen_of(sys.stdout)
        found = forecast(body, per_minute=arguments.requests_per_minute, rate=arguments.base_rate)
        show(plan_lines(found, screen), screen)
        return Exit.CANNOT_CONCLUDE if found.shortfalls else Exit.DONE


def _body(kubectl: Kubectl, arguments: argparse.Namespace) -> Body:
    if arguments.filename:
        return manifest_in(kubectl.manifest(arguments.filename), arguments.filename)
    return kubectl.model(arguments.name).body


def _requests(text: str) -> float:
    number = _number(text)
    if not 0 < number <= _MOST_REQUESTS:
        raise argparse.ArgumentTypeError(f"{text!r} is no traffic: give requests a minute, such as 2000")
    return number


def _rate(text: str) -> float:
    number = _number(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate: give a part of the units, such as 4% or 0.04")
    return number


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
