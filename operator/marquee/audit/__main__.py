"""``python -m marquee.audit [new-key | fsck | prove | witness]``: what the keeper of a log does by hand.

``new-key`` prints a key; ``fsck`` reads a whole log and exits with 1 when something is not as it must be; ``prove``
prints a proof of entries, or of all entries of a model; ``witness`` watches logs and cosigns their checkpoints.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from marquee.audit.checking import fsck
from marquee.audit.errors import AuditError, FormatError
from marquee.audit.heads import CHECKPOINT, COSIGNED
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.notes import read_checkpoint
from marquee.audit.policy import Policy, read_policy
from marquee.audit.proving import indices_of, prove
from marquee.audit.store.objects import BucketStore
from marquee.audit.store.port import Store
from marquee.audit.store.posix import FolderStore

EXIT_CODE_SETTINGS = 78
"""EX_CONFIG of sysexits.h."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        return int(arguments.run(arguments))
    except AuditError as error:
        print(f"the audit log: {error}", file=sys.stderr)
        return EXIT_CODE_SETTINGS


def store_at(location: str) -> Store:
    """The store of a folder's path, or of a URI that fsspec understands."""
    return BucketStore(location) if "://" in location else FolderStore(location)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="marquee.audit", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    key = commands.add_parser("new-key", help="print a private key and its public key")
    key.add_argument("name", help="name of the log, the author or the witness, such as logs.example/marquee")
    key.add_argument("--witness", action="store_true", help="a key for cosignatures")
    key.set_defaults(run=_new_key)
    check = commands.add_parser("fsck", help="read a whole log and compare everything")
    _add_log(check)
    check.set_defaults(run=_fsck)
    proof = commands.add_parser("prove", help="print proofs")
    _add_log(proof)
    which = proof.add_mutually_exclusive_group(required=True)
    which.add_argument("--index", type=int, action="append", help="an entry; may be given several times")
    which.add_argument("--model", help="namespace/name: all entries of a model")
    proof.set_defaults(run=_prove)
    witness = commands.add_parser("witness", help="watch logs and cosign their checkpoints")
    witness.add_argument("--key", type=Path, required=True, help="file with the witness's private key")
    witness.add_argument("--logs", type=Path, required=True, help="file with a public key of a log on each line")
    witness.add_argument("--state", required=True, help="folder where it remembers what it has seen")
    witness.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    witness.add_argument("--port", type=int, default=8091, help="port to listen on, 0 for a free one (%(default)s)")
    witness.set_defaults(run=_witness)
    return parser


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("location", help="folder of the log, or its URI")
    parser.add_argument("--trust", type=Path, required=True, help="policy file with the log's keys")


def _policy(path: Path) -> Policy:
    try:
        return read_policy(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(str(path), f"cannot be read: {error}", "name a policy file") from error


def _new_key(arguments: argparse.Namespace) -> int:
    key = PrivateKey.generate(arguments.name, Use.COSIGNATURE if arguments.witness else Use.LOG)
    print(f"{key.text}\n{key.public.text}")
    return 0


def _fsck(arguments: argparse.Namespace) -> int:
    policy = _policy(arguments.trust)
    report = fsck(store_at(arguments.location), policy.origin, [log.key for log in policy.logs])
    for finding in report.findings:
        print(f"{finding.where}: {finding.what}")
    signed = report.checkpoint.size if report.checkpoint else 0
    print(f"{report.entries} entries, {signed} of them in the checkpoint; {len(report.findings)} findings")
    return 0 if report.is_good else 1


def _prove(arguments: argparse.Namespace) -> int:
    policy, store = _policy(arguments.trust), store_at(arguments.location)
    path = COSIGNED if policy.quorum else CHECKPOINT
    signed = read_checkpoint(store.read(path), path)
    policy.require(signed, path)
    indices = arguments.index or indices_of(store, signed.checkpoint.size, arguments.model)
    for proof in prove(store, signed, indices):
        proof.require(policy)
        sys.stdout.write(proof.text)
    return 0


def _witness(arguments: argparse.Namespace) -> int:
    from marquee.audit.witness.service import main as serve

    return serve(arguments.key, arguments.logs, arguments.state, arguments.host, arguments.port)


if __name__ == "__main__":
    sys.exit(main())
