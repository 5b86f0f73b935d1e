"""``kubectl marquee`` under the real kubectl against a real API server."""

from __future__ import annotations

import json

import pytest

from marquee.contract.command import ANNOTATION_COMMAND, Action, read_command
from tests.api.cli.conftest import Desk
from tests.support import chart
from tests.support.apiserver import collection_of
from tests.support.rollouts import ROLLOUT, counts, evidence
from tests.support.samples import revision


def test_status_is_a_plugin_of_kubectl(desk: Desk) -> None:
    """The person has it on PATH: kubectl finds it on PATH, and it shows the model of the context's namespace."""
    done = desk.person().types("status", "lead")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{desk.namespace}/lead: Canary"
    assert "  verdict   hold: the weight stays" in lines
    assert lines[-1].split()[:4] == ["conversion", "100", "of", "3,000"]
    assert "\x1b" not in done.stdout


def test_the_help_is_kubectls(desk: Desk) -> None:
    """Usage as the person typed it, without the commands of trainers."""
    done = desk.person().types("--help")
    assert done.stdout.startswith("usage: kubectl marquee ")
    assert " train " not in done.stdout
    assert " retrain " in done.stdout


@pytest.mark.parametrize("steps", range(1, 5))
def test_evidence_is_computed_again_from_what_the_api_server_keeps(desk: Desk, steps: int) -> None:
    """The golden integers go through the CRD's schema and give the operator's verdict."""
    verdict = "Rollback" if steps == 4 else "Hold"
    desk.report(step=steps - 1, progress=f"{steps}/4", counts=counts(steps), evidence=evidence(steps), verdict=verdict)
    done = desk.person().types("evidence", "lead")
    assert done.stderr == ""
    assert done.returncode == 0, done.stdout
    assert ["0.124556", "1.003769", "2.446568", "5.490098"][steps - 1] in done.stdout
    assert f"here      {'rolled back' if steps == 4 else 'held'}: conversion " in done.stdout


def test_evidence_by_another_plan_is_refused(desk: Desk) -> None:
    """Somebody has changed alpha since."""
    body = desk.body()
    body["spec"]["rollout"]["analysis"]["alpha"] = 0.01
    assert desk.server.send("PUT", desk.path, body).accepted
    done = desk.person().types("evidence", "lead")
    assert done.returncode == 1
    assert "spec.rollout: is another plan now" in done.stderr


def test_a_card_is_made_of_what_the_api_server_has(desk: Desk) -> None:
    """Model, revision and approvals; no pod serves it, so the artifact's own part is said to be left out."""
    body = revision("lead-v1", of="lead", namespace=desk.namespace)
    body["spec"]["slices"] = [{"name": "region=north", "rows": 900, "metrics": [{"name": "auc", "value": 0.8}]}]
    assert desk.server.create(collection_of("ModelRevision", desk.namespace), body).accepted
    done = desk.person().types("card", "lead")
    assert done.returncode == 0, done.stderr
    assert "no pod of lead-v1 is ready" in done.stderr
    assert done.stdout.startswith(f"# Model card: {desk.namespace}/lead\n")
    assert "| region=north | 900 | auc | 0.8 |" in done.stdout
    assert "| 5 | Risk management system (Article 9) | missing |" in done.stdout
    refused = desk.person().types("card", "lead", "--revision", "lead-v9")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not found" in refused.stderr


def test_a_command_takes_the_place_of_an_older_one(desk: Desk) -> None:
    """One annotation, by a field manager of its own; the spec and its generation stay as they were."""
    before = desk.body()
    person = desk.person()
    for action in ("pause", "resume", "promote"):
        done = person.types(action, "lead")
        assert (done.returncode, done.stderr) == (0, "")
    after = desk.body()
    assert list(after["metadata"]["annotations"]) == [ANNOTATION_COMMAND]
    command = read_command(after["metadata"]["annotations"][ANNOTATION_COMMAND])
    assert command is not None
    assert (command.action, command.rollout, command.step) == (Action.PROMOTE, ROLLOUT, 1)
    assert (after["spec"], after["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"])
    assert "kubectl-marquee" in {entry["manager"] for entry in after["metadata"]["managedFields"]}


def test_a_shown_command_is_what_was_written(desk: Desk) -> None:
    """After a pause, status says who has paused."""
    person = desk.person()
    assert person.types("pause", "lead").returncode == 0
    assert "  command   pause, by " in person.types("status", "lead").stdout


def test_a_missing_model_is_told(desk: Desk) -> None:
    """In the API server's words."""
    done = desk.person().types("status", "nobody")
    assert done.returncode == 1
    assert done.stderr == ('marquee: Error from server (NotFound): marketingmodels.marquee.dev "nobody" not found\n')


def test_an_unreachable_server_is_told(desk: Desk) -> None:
    """And nothing hangs."""
    done = desk.person(server="https://127.0.0.1:1").types("status", "lead")
    assert done.returncode == 1
    assert done.stderr.startswith("marquee: The connection to the server 127.0.0.1:1 was refused")


@pytest.fixture
def roles(desk: Desk) -> Desk:
    """The chart's roles for people are bound: vera views, eddy edits."""
    for role in chart.of_kind(chart.render(), "ClusterRole"):
        if role["metadata"]["name"] in {"marquee-view", "marquee-edit"}:
            desk.plane.kubectl("apply", "-f", "-", input=json.dumps(role))
    bindings = {"vera": ["marquee-view"], "eddy": ["marquee-view", "marquee-edit"]}
    for person, names in bindings.items():
        for name in names:
            desk.plane.kubectl(
                "create", "rolebinding", f"{person}-{name}", f"--clusterrole={name}", f"--user={person}",
                "-n", desk.namespace,
            )  # fmt: skip
    return desk


def test_who_may_view_sees_and_recomputes_but_decides_nothing(roles: Desk) -> None:
    """The chart's view role is enough for status and evidence."""
    vera = roles.person("vera")
    assert vera.types("status", "lead").returncode == 0
    assert vera.types("evidence", "lead").returncode == 0
    done = vera.types("abort", "lead")
    assert done.returncode == 1
    assert 'User "vera" cannot patch resource "marketingmodels"' in done.stderr
    assert "annotations" not in roles.body()["metadata"]


def test_who_may_edit_decides(roles: Desk) -> None:
    """The chart's edit role is enough for every command."""
    eddy = roles.person("eddy")
    assert eddy.types("pause", "lead").returncode == 0
    assert eddy.types("resume", "lead").returncode == 0


def test_a_stranger_sees_nothing(roles: Desk) -> None:
    """Forbidden, in the API server's words."""
    done = roles.person("eve").types("status", "lead")
    assert done.returncode == 1
    assert 'User "eve" cannot get resource "marketingmodels"' in done.stderr
