"""``kubectl marquee approve``: say that a revision may have users, as the person that the API server knows."""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from marquee.cli.exits import Exit
from marquee.cli.kubectl import add_options, kubectl_of
from marquee.cli.problems import ClusterProblem
from marquee.cli.seen import Model
from marquee.contract.approval import ANNOTATION_EDITOR

_DAYS: Final = 7
_MOST_DAYS: Final = 366


class Approve:
    """One person's approval."""

    name = "approve"
    summary = "approve the wanted revision, as yourself"
    description = """Create a ModelApproval of the revision that the status tells of: its digest, and the digest of the
        rules as they are. The approver is who the API server says you are (`kubectl auth whoami`). Needs the verbs
        get on marketingmodels and create on modelapprovals."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        add_options(parser)
        parser.add_argument("--days", type=_days, default=_DAYS, metavar="N", help="until it expires (default: 7)")
        parser.add_argument("--comment", default="", metavar="TEXT", help="for people, in a line")
        parser.add_argument("--revision", metavar="NAME", help="refuse when the wanted revision is another one by now")
        parser.add_argument("-o", "--output", choices=("json",), help="what was created, for programs")

    def run(self, arguments: argparse.Namespace) -> int:
        """Create it."""
        kubectl = kubectl_of(arguments)
        model = kubectl.model(arguments.name)
        wanted = _wanted(model, arguments.revision)
        user = kubectl.user()
        if model.body.get("metadata", {}).get("annotations", {}).get(ANNOTATION_EDITOR) == user:
            raise ClusterProblem(
                f"you, {user}, have changed last what {model.path} asks for: let another person approve"
            )
        expires = (datetime.now(UTC) + timedelta(days=arguments.days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        spec = {
            "model": model.name,
            "revision": wanted["revision"],
            "digest": wanted["digest"],
            "policy": wanted["policy"],
            "approver": user,
            "expires": expires,
            "comment": arguments.comment,
        }
        body = {
            "apiVersion": "marquee.dev/v1alpha1",
            "kind": "ModelApproval",
            "metadata": {"generateName": f"{wanted['revision'][:50]}-", "namespace": model.namespace},
            "spec": spec,
        }
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "approval.json")
            file.write_text(json.dumps(body), encoding="utf-8")
            kubectl.create(str(file))
        if arguments.output:
            print(json.dumps({"namespace": model.namespace} | spec))
        else:
            print(f"{model.path}: {user} approves {wanted['revision']} until {expires}")
        return Exit.DONE


def _wanted(model: Model, named: str | None) -> dict[str, Any]:
    """What the status asks approvals for. Raises `ClusterProblem` when it asks for none, or is about an older spec."""
    found = model.body.get("status", {}).get("governance")
    if not isinstance(found, dict):
        raise ClusterProblem(f"{model.path} asks for no approvals now: see spec.governance.approvals")
    if not model.is_current:
        raise ClusterProblem("the spec has changed since the operator looked: wait until it has, and look again")
    if named is not None and found["revision"] != named:
        raise ClusterProblem(f"the wanted revision is {found['revision']} by now, not {named}: nothing is created")
    return found


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MOST_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days from 1 to {_MOST_DAYS}")
    return int(text)
