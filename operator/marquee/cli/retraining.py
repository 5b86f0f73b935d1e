"""``kubectl marquee retrain NAME``: ask for a training of a model, whatever its data say.

It becomes an annotation with an id of its own, which one run answers. Only the plugin has it: in a trainer's image
``marquee retrain`` is what such a run starts.
"""

from __future__ import annotations

import argparse
import uuid
from datetime import UTC, datetime
from typing import Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_options, kubectl_of
from marquee.cli.problems import ClusterProblem
from marquee.contract.asking import ANNOTATION_RETRAIN


class Retrain:
    """Ask for a training."""

    name = "retrain"
    summary = "have a model trained again, whatever its data say"
    description = (
        "Ask for one training run of a model with spec.retraining. It need not wait for the cool-down, and not for a "
        "feed to be repaired; the week's budget and a run that is under way count for it too. Writes the annotation "
        f"{ANNOTATION_RETRAIN} of the MarketingModel; needs the verbs get and patch on marketingmodels."
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Write the annotation."""
        kubectl = kubectl_of(arguments)
        model = kubectl.model(arguments.name)
        if not model.body["spec"].get("retraining"):
            raise ClusterProblem(f"{model.path} has no spec.retraining: nothing says what trains it, see the docs")
        kubectl.annotate(arguments.name, ANNOTATION_RETRAIN, _new_id())
        print(f"{model.path}: a training is asked for; the condition RetrainingUpToDate tells what comes of it")
        return Exit.DONE


def _new_id() -> str:
    """Never one that was answered before, and in the order of time for people."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"


COMMANDS: Final = (Retrain(),)
