"""Where a card's sources come from: the cluster by kubectl, a pod of the revision, or an artifact's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from marquee.cli.cards.sources import Body, Sources, at, text_at
from marquee.cli.kubectl import Kubectl
from marquee.cli.problems import ClusterProblem
from marquee.cli.saying import say
from marquee.contract.card import PublicManifest
from marquee.contract.manifest import MANIFEST_NAME, Manifest
from marquee.contract.pod import MANIFEST_PATH, SERVING_PORT

REVISIONS: Final = "modelrevisions.marquee.dev"
APPROVALS: Final = "modelapprovals.marquee.dev"
LABEL_MODEL: Final = "marquee.dev/model"
LABEL_REVISION: Final = "marquee.dev/revision"


def of_cluster(kubectl: Kubectl, name: str, revision: str | None) -> Sources:
    """The sources of a revision; of the one that serves, or else is wanted, where none is named.

    What one may not read is left out, and said.

    Raises:
        ClusterProblem: there is no such model or revision.

    """
    model = kubectl.model(name)
    body, namespace = model.body, model.namespace
    named = revision or text_at(body, "status", "stable", "revision") or text_at(body, "status", "canary", "revision")
    named = named or text_at(body, "spec", "revision", "name")
    if not named:
        raise ClusterProblem(f"{model.path} has no revision yet: name one with --revision")
    found = _read(kubectl.read(REVISIONS, named))
    if text_at(found, "spec", "model") != name:
        raise ClusterProblem(f"revision {named} is one of model {text_at(found, 'spec', 'model')!r}, not of {name}")
    digest = text_at(found, "spec", "artifact", "digest")
    return Sources(
        manifest=_manifest_of_pod(kubectl, namespace, name, named, digest),
        model=body,
        revision=found,
        approvals=_approvals(kubectl, name, named, digest),
    )


def of_folder(folder: Path) -> Sources:
    """The sources of an artifact that is no revision yet.

    Raises:
        ClusterProblem: the folder holds no manifest that can be read.

    """
    path = folder / MANIFEST_NAME
    try:
        raw = path.read_bytes()
        manifest = Manifest.model_validate_json(raw)
    except OSError as error:
        raise ClusterProblem(f"{path}: {error.strerror}: give an artifact's folder, or a model's name") from None
    except ValueError as error:
        raise ClusterProblem(
            f"{path} is no manifest: {str(error).splitlines()[0]}; export the artifact again"
        ) from None
    return Sources(PublicManifest.of(manifest, Manifest.digest_of(raw)))


def _approvals(kubectl: Kubectl, model: str, revision: str, digest: str) -> tuple[Body, ...]:
    try:
        found = _read(kubectl.read(APPROVALS)).get("items", ())
    except ClusterProblem as problem:
        say(f"approvals are left out: {problem}")
        return ()
    wanted = (model, revision, digest)
    return tuple(
        one for one in found if tuple(at(one, "spec", key) for key in ("model", "revision", "digest")) == wanted
    )


def _manifest_of_pod(kubectl: Kubectl, namespace: str, model: str, revision: str, digest: str) -> PublicManifest | None:
    """What a ready pod of the revision tells; None, and said why, where no pod tells it of these bytes."""
    try:
        labels = f"--selector={LABEL_MODEL}={model},{LABEL_REVISION}={revision}"
        pods = _read(kubectl.read("pods", labels)).get("items", ())
        ready = [text_at(one, "metadata", "name") for one in pods if _is_ready(one)]
        if not ready:
            raise ClusterProblem(f"no pod of {revision} is ready; `marquee card FOLDER` reads an artifact's folder")
        path = f"/api/v1/namespaces/{namespace}/pods/{ready[0]}:{SERVING_PORT}/proxy{MANIFEST_PATH}"
        told = PublicManifest.model_validate_json(kubectl.raw(path))
    except (ClusterProblem, ValueError) as problem:
        words = str(problem).splitlines()[0]
        say(f"the artifact's manifest is left out: {words}")
        return None
    if told.digest != digest:
        say(f"the artifact's manifest is left out: the pod serves {told.digest}, not the revision's bytes")
        return None
    return told


def _is_ready(pod: Body) -> bool:
    conditions = at(pod, "status", "conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _read(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ClusterProblem("kubectl's answer is no JSON object: is this kubectl a wrapper?")
    return body
