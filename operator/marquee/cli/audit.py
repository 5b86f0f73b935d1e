"""``marquee audit tail | prove | verify``: look at the audit log, take proofs of it away, verify them offline."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_connection, kubectl_of, resource_name
from marquee.cli.logged import Logged, add_source, entries_of, newest, proofs_in, proofs_of, source_of
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import say, show
from marquee.cli.screen import clean, screen_of
from marquee.cli.why import Why, in_words
from marquee.contract.audit_paths import AUDIT_PROOFS_PATH, MAX_AUDIT_ENTRIES

_TAIL: Final = 10


class Audit:
    """Look at the audit log."""

    name = "audit"
    summary = "look at the audit log, take proofs of it away, and verify them without a cluster"
    description = summary

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        commands = parser.add_subparsers(required=True, metavar="COMMAND")
        verify = commands.add_parser("verify", help="say in words what a proof proves", allow_abbrev=False)
        verify.add_argument("path", type=Path, metavar="FILE", help="proofs, or a folder with a copy of a whole log")
        verify.add_argument("--trust", type=Path, required=True, metavar="FILE", help="policy: keys that you trust")
        verify.add_argument("--seen", type=Path, metavar="FILE", help="a checkpoint of the log that you kept")
        verify.add_argument("--signatures", action="store_true", help="check each entry's author in a folder, too")
        verify.add_argument("--verdicts", action="store_true", help="compute the verdicts of a file's entries again")
        verify.set_defaults(carry_out=_verify)
        tail = commands.add_parser("tail", help="print the newest entries, the newest last", allow_abbrev=False)
        tail.add_argument("name", nargs="?", type=resource_name, metavar="NAME", help="of one MarketingModel")
        tail.add_argument("--lines", type=_count, default=_TAIL, metavar="N", help="so many (default: %(default)s)")
        tail.add_argument("-o", "--output", choices=("json",), help="whole entries, one a line, for programs")
        tail.set_defaults(carry_out=_tail)
        prove = commands.add_parser("prove", help="fetch proofs of a model's entries, for `verify`", allow_abbrev=False)
        which = prove.add_mutually_exclusive_group(required=True)
        which.add_argument("name", nargs="?", type=resource_name, metavar="NAME", help="name of the MarketingModel")
        which.add_argument("--entry", type=_index, metavar="INDEX", help="one entry, whatever it is about")
        prove.add_argument("--first", type=_count, default=1, metavar="N", help="from its n-th entry on (default: 1)")
        prove.add_argument("--file", type=Path, metavar="FILE", help="write there instead of to standard output")
        prove.add_argument("-o", "--output", choices=("json",), help="model, number of proofs and their text, as JSON")
        prove.set_defaults(carry_out=_prove)
        for command in (tail, prove):
            add_connection(command)
            add_source(command)

    def run(self, arguments: argparse.Namespace) -> int:
        """The words go to standard output; what does not hold goes to standard error."""
        return int(arguments.carry_out(arguments))


COMMANDS: Final = (Audit(), Why())


def _verify(arguments: argparse.Namespace) -> int:
    try:
        from marquee.audit import verify_offline
    except ImportError as error:
        hint = "install it with: pip install 'marquee[audit]'"
        raise ClusterProblem(f"verifying needs what is not installed: {error}; {hint}") from error
    try:
        words = verify_offline.verify(arguments.path, arguments.trust, arguments.seen, signatures=arguments.signatures)
    except (verify_offline.NotProven, OSError) as problem:
        say(f"NOT PROVEN: {problem}")
        return Exit.FAILED
    print("\n".join([*words, *_erasures(arguments.path)]))
    return _verify_verdicts(arguments.path) if arguments.verdicts else Exit.DONE


def _erasures(path: Path) -> list[str]:
    """Words on entries about data subjects, where the packages that read entries are there."""
    if path.is_dir():
        return []
    from marquee.cli.erased import explained

    return list(explained(path))


def _verify_verdicts(path: Path) -> int:
    """What was proven is computed again; a difference is as bad as a broken proof."""
    # the mathematics takes longer to import than all other commands to run
    from marquee.cli.verdicts import recomputed

    if path.is_dir():
        raise ClusterProblem("--verdicts is for a file of proofs: make one with `audit prove`")
    results = list(recomputed(path))
    print("VERDICTS" if results else "VERDICTS\nno entry here was judged by evidence")
    for agrees, words in results:
        if agrees:
            print(words)
        else:
            say(f"NOT PROVEN: {words}")
    return Exit.DONE if all(agrees for agrees, _ in results) else Exit.DIFFERS


def _tail(arguments: argparse.Namespace) -> int:
    kubectl = kubectl_of(arguments)
    source = source_of(arguments, kubectl)
    if arguments.name is None:
        found = newest(source, arguments.lines)
    else:
        model = f"{kubectl.namespace()}/{arguments.name}"
        found = list(islice(entries_of(source, model), arguments.lines))[::-1]
    screen = screen_of(sys.stdout)
    show((json.dumps(one.to_json()) if arguments.output else _line(one) for one in found), screen)
    if not found:
        say("the audit log has no such entry")
    return Exit.DONE


def _line(entry: Logged) -> str:
    """Index, time, model, what, who serves from then on, why."""
    predicate = entry.predicate
    what = str(predicate.get("verdict") or f"{entry.kind} {predicate.get('change', '')}".rstrip())
    late = " (late)" if predicate.get("late") else ""
    told = [in_words(entry.shares), clean(str(predicate.get("reason", "")))]
    words = "; ".join(part for part in told if part)
    return f"{entry.index:>6}  {predicate.get('time')}  {predicate.get('model')}  {what}{late}  {words}"


def _prove(arguments: argparse.Namespace) -> int:
    kubectl = kubectl_of(arguments)
    source = source_of(arguments, kubectl)
    if arguments.entry is not None:
        model, text = f"entry {arguments.entry}", source.get(f"{AUDIT_PROOFS_PATH}?index={arguments.entry}")
    else:
        model = f"{kubectl.namespace()}/{arguments.name}"
        text = proofs_of(source, model, arguments.first)
    count = proofs_in(text)
    if arguments.output:
        text = json.dumps({"model": model, "first": arguments.first, "count": count, "proofs": text}) + "\n"
    if arguments.file is None:
        sys.stdout.write(text)
        return Exit.DONE
    try:
        arguments.file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ClusterProblem(f"{arguments.file} cannot be written: {error}") from None
    print(
        f"{model}: {count} proofs are in {arguments.file}; verify them with: "
        f"marquee audit verify {arguments.file} --trust POLICY"
    )
    return Exit.DONE


def _index(text: str) -> int:
    return 0 if text == "0" else _count(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 10 * MAX_AUDIT_ENTRIES**2):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
