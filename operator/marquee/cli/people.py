"""``kubectl marquee subject | erase | suppress | unsuppress``: for whoever answers data subjects.

Identifiers are hashed here wherever one model is named; what is sent then is the hash.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_connection, add_options, kubectl_of, resource_name
from marquee.cli.ledgers import add_door, door_of
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import say, show
from marquee.cli.screen import Screen, clean, screen_of

_ROLE: Final = "subjects"
_GROUNDS: Final = ("Request", "ConsentWithdrawn", "Objection", "NotNeeded", "Unlawful", "LegalDuty")
_AT_ONCE: Final = 1_000
"""Subjects in one request of `suppress`."""
_NEEDS: Final = """Asks the ledger directly, with an API key of the role subjects or the token of a service account that
    answers data subjects; forward to it with: kubectl -n marquee-system port-forward service/marquee-ledger 8090."""


class Subject:
    """Subject access."""

    name = "subject"
    summary = "show all that is kept of one person by a model (GDPR, article 15)"
    description = f"Print each decision that is kept of a subject, and whether it is suppressed. {_NEEDS}"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        _add_unit(parser)
        add_door(parser, _ROLE)
        parser.add_argument("-o", "--output", choices=("json",), help="everything as one JSON object, to hand over")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print what is kept."""
        from marquee.contract.privacy import PREDICTION_LOG_PATH

        model = f"{kubectl_of(arguments).namespace()}/{arguments.name}"
        path = f"{PREDICTION_LOG_PATH}/{model}?unitHash={_hash(arguments, model)}"
        door, pages = door_of(arguments), list[dict[str, Any]]()
        after: str | None = ""
        while after is not None:
            pages.append(door.ask("GET", path + (f"&after={after}" if after else "")))
            after = pages[-1].get("next")
        found = pages[0] | {"next": None, "decisions": [one for page in pages for one in page["decisions"]]}
        screen = screen_of(sys.stdout)
        show([json.dumps(found, indent=2)] if arguments.output else subject_lines(found, screen), screen)
        return Exit.DONE


class Erase:
    """Erasure."""

    name = "erase"
    summary = "forget one person: destroy the key of all that is kept (GDPR, article 17)"
    description = f"""Destroy the key of a subject, for one model or for all that know it, and enter that in the audit
        log. It cannot be undone; asks, or wants --yes. {_NEEDS} With PostgreSQL: service/marquee-audit, which keeps
        the log."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("name", nargs="?", type=resource_name, metavar="NAME", help="of one MarketingModel alone")
        add_connection(parser)
        _add_unit(parser)
        add_door(parser, _ROLE)
        parser.add_argument("--reason", choices=_GROUNDS, default=_GROUNDS[0], help="goes into the audit log")
        parser.add_argument("--no-suppress", action="store_true", help="predict for the person again from now on")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument("-o", "--output", choices=("json",), help="the ledger's receipt, for programs")

    def run(self, arguments: argparse.Namespace) -> int:
        """Ask, erase, print the receipt."""
        from marquee.contract.privacy import ERASURES_PATH

        asked: dict[str, object] = {"suppress": not arguments.no_suppress, "reason": arguments.reason}
        if arguments.name:
            model = f"{kubectl_of(arguments).namespace()}/{arguments.name}"
            asked |= {"model": model, "unitHash": _hash(arguments, model)}
        elif arguments.unit is None:
            raise ClusterProblem("--unit-hash is of one model: name it, or give --unit")
        else:
            asked["unit"] = _identifier(arguments.unit)
        if not arguments.yes:
            _confirm(arguments.name or "all models")
        receipt = door_of(arguments).ask("POST", ERASURES_PATH, asked)
        screen = screen_of(sys.stdout)
        show([json.dumps(receipt)] if arguments.output else erasure_lines(receipt, screen), screen)
        return Exit.DONE


@dataclass(frozen=True, slots=True)
class Listing:
    """Puts people on a model's suppression list, or takes them off."""

    name: str
    summary: str
    method: str
    done: str

    @property
    def description(self) -> str:
        """See `Command.description`."""
        return f"{self.summary[:1].upper()}{self.summary[1:]}. Their identifiers are hashed here. {_NEEDS}"

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        add_door(parser, _ROLE)
        parser.add_argument("--unit", action="append", default=[], metavar="ID", help="identifier; may come often")
        parser.add_argument("--unit-hash", action="append", default=[], metavar="HASH", help="hash; may come often")
        parser.add_argument("--file", metavar="FILE", help="identifiers, one a line; -: from standard input")
        parser.add_argument("-o", "--output", choices=("json",), help="number and the list's revision, for programs")

    def run(self, arguments: argparse.Namespace) -> int:
        """Change the list, some at a time."""
        from marquee.contract.assignment import unit_hash
        from marquee.contract.privacy import SUPPRESSIONS_PATH

        model = f"{kubectl_of(arguments).namespace()}/{arguments.name}"
        units = [*arguments.unit, *(_lines(arguments.file) if arguments.file else [])]
        hashes = [*dict.fromkeys([*arguments.unit_hash, *(unit_hash(model, unit).hex() for unit in units)])]
        if not hashes:
            raise ClusterProblem("name somebody with --unit, --unit-hash or --file")
        door, changed, revision = door_of(arguments), 0, 0
        for start in range(0, len(hashes), _AT_ONCE):
            body = {"unitHashes": hashes[start : start + _AT_ONCE]}
            answer = door.ask(self.method, f"{SUPPRESSIONS_PATH}/{model}", body)
            changed, revision = changed + int(answer["changed"]), int(answer["revision"])
        if arguments.output:
            print(json.dumps({"model": model, "changed": changed, "revision": revision}))
        else:
            print(f"{model}: {changed:,} of {len(hashes):,} {self.done}; revision {revision} of its list")
        return Exit.DONE


def subject_lines(found: dict[str, Any], screen: Screen) -> Iterator[str]:
    """A summary, then each decision in a block."""
    decisions = found["decisions"]
    withheld = "suppressed: no prediction is made" if found["suppressed"] else "not suppressed"
    yield f"{found['model']}: {len(decisions):,} decisions are kept of {found['subject']}; {withheld}"
    for one in decisions:
        where = f", rollout {one['rollout']}, {one['arm']}" if one.get("rollout") else ""
        yield ""
        yield f"  {_time(one['milliseconds'])} by {one['revision']}{where}; deleted after {one['expires']}"
        for label in ("inputs", "outputs", "reasons"):
            if one[label]:
                yield from screen.labelled(label, clean(_values(one[label])))


def erasure_lines(receipt: dict[str, Any], screen: Screen) -> Iterator[str]:
    """What was forgotten, and how that is proven."""
    if not receipt["erased"]:
        yield "nothing was kept of this person"
    for one in receipt["erased"]:
        yield f"{one['model']}: the key of {one['decisions']:,} decisions is destroyed"
        yield from screen.labelled("receipt", one["commitment"] or "in the audit log: it was begun before")
        if one["index"] is not None:
            yield from screen.labelled("proof", f"kubectl marquee audit prove --entry {one['index']}")


def _add_unit(parser: argparse.ArgumentParser) -> None:
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--unit", metavar="ID", help="the person's identifier; -: one line of standard input")
    who.add_argument("--unit-hash", metavar="HASH", help="its hash for this model, 16 hexadecimal digits")


def _hash(arguments: argparse.Namespace, model: str) -> str:
    from marquee.contract.assignment import unit_hash

    return str(arguments.unit_hash or unit_hash(model, _identifier(arguments.unit)).hex())


def _identifier(given: str) -> str:
    """What was given; read where it must not stand in a shell's history."""
    return sys.stdin.readline().rstrip("\n") if given == "-" else given


def _lines(path: str) -> list[str]:
    try:
        if path == "-":
            return [line for line in sys.stdin.read().splitlines() if line]
        return [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterProblem(f"{path} cannot be read: {error}") from None


def _confirm(word: str) -> None:
    """Let the person type what it is about. Raises `ClusterProblem` when there is nobody, or another answer."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ClusterProblem("nothing is erased: it cannot be undone, say --yes")
    say(f"what is kept of this person by {word} can never be read again")
    print(f"Type {word} to erase it: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != word:
        raise ClusterProblem("nothing is erased")


def _values(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


COMMANDS: Final = (
    Subject(),
    Erase(),
    Listing("suppress", "withhold people from a model's predictions and trainings", "POST", "are suppressed anew"),
    Listing("unsuppress", "withhold people no more", "DELETE", "are suppressed no more"),
)
