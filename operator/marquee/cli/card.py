"""``kubectl marquee card``: what a model is, came from and is watched by, on one page for people and auditors."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_connection, kubectl_of, resource_name


class Card:
    """A model card."""

    name = "card"
    summary = "write the model card of a revision, or of an artifact's folder"
    description = """Write what a model is for, what its revision came from, how it does for groups, who has approved
        it and what watches it, with the nine points of Annex IV of the EU AI Act, each present or missing. Needs the
        verb get on marketingmodels and modelrevisions; with list on modelapprovals and pods and get on pods/proxy the
        card has approvals and the artifact's own figures too. A name with a slash, such as ./out/lead, is an artifact's
        folder, and no cluster is asked."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "name", type=_name_or_folder, metavar="NAME", help="a MarketingModel, or a folder by its path"
        )
        add_connection(parser)
        parser.add_argument("--revision", type=resource_name, metavar="REVISION", help="(default: the one that serves)")
        parser.add_argument(
            "-o", "--output", choices=("markdown", "html", "json"), default="markdown", help="(default: markdown)"
        )

    def run(self, arguments: argparse.Namespace) -> int:
        """Print it."""
        # the manifest's types take longer to import than all other commands to run
        from marquee.cli.cards.asking import of_cluster, of_folder
        from marquee.cli.cards.composing import compose

        if os.sep in arguments.name:
            sources = of_folder(Path(arguments.name))
        else:
            sources = of_cluster(kubectl_of(arguments), arguments.name, arguments.revision)
        card = compose(sources, datetime.now(UTC))
        if arguments.output == "json":
            from dataclasses import asdict

            print(json.dumps(asdict(card), indent=2))
        elif arguments.output == "html":
            from marquee.cli.cards.web import to_html

            print(to_html(card), end="")
        else:
            from marquee.cli.cards.markdown import to_markdown

            print(to_markdown(card), end="")
        return Exit.DONE


def _name_or_folder(text: str) -> str:
    return text if os.sep in text else resource_name(text)


COMMANDS: Final = (Card(),)
