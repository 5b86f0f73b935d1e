"""Kubeflow Trainer as it is built and installed here: which names published objects get, and which are applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from localcluster.errors import BuildFailed
from localcluster.trainer import building, installing


def test_the_version_is_that_of_go_mod() -> None:
    """One place says which Kubeflow Trainer it is."""
    assert building.trainer_version((building.MODULE / "go.mod").read_text()).startswith("v2.")
    with pytest.raises(BuildFailed, match="requires no release"):
        building.trainer_version("module x\n")


def test_a_name_that_is_gone_is_noticed() -> None:
    """Another release may be put together differently: the build says so, not a pod a week later."""
    assert building.renamed("name: a\nname: b\n", {"name: a": "name: x"}) == "name: x\nname: b\n"
    with pytest.raises(BuildFailed, match="has no 'name: c'"):
        building.renamed("name: a\n", {"name: c": "name: x"})


def test_every_object_is_of_this_build(tmp_path: Path) -> None:
    """Both Deployments run the images of the build, as a user without rights; what is published is applied too."""
    (tmp_path / "published.yaml").write_text("kind: ClusterRole\nmetadata: {name: jobset-manager-role}\n")
    objects = [body for body in yaml.safe_load_all(installing.manifest(tmp_path)) if body]
    deployments = {body["metadata"]["namespace"]: body for body in objects if body["kind"] == "Deployment"}
    assert {ns: body["metadata"]["name"] for ns, body in deployments.items()} == {
        ns: deployment for ns, (deployment, _) in installing.MANAGERS.items()
    }
    containers = [body["spec"]["template"]["spec"]["containers"][0] for body in deployments.values()]
    assert {container["image"] for container in containers} == {image.name for image in building.images(tmp_path)}
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers)
    assert {"kind": "ClusterRole", "metadata": {"name": "jobset-manager-role"}} in objects


@pytest.mark.parametrize(("ready", "restarts"), [(1, 0), (0, 1)])
def test_pods_that_have_not_seen_their_certificate_start_anew(ready: int, restarts: int) -> None:
    """Once there is one; those that answer already are left alone."""
    asked: list[tuple[str, ...]] = []

    def kubectl(*words: str, input: str | None = None) -> str:  # noqa: A002, ARG001 - as `Kubectl` has it
        asked.append(words)
        is_secret = words[1].startswith("secret/")
        secret = {"data": {"tls.crt": "..."}} if len(asked) > 1 else {}
        return json.dumps(secret if is_secret else {"status": {"readyReplicas": ready}})

    installing.certify(kubectl, "jobset-system", "jobset-controller-manager", "certificate")
    assert sum(words[:2] == ("rollout", "restart") for words in asked) == restarts
