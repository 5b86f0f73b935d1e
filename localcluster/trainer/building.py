"""Kubeflow Trainer's and JobSet's programs in the cache, with the kinds, roles and webhooks that their modules publish.

Kubeflow Trainer makes a JobSet of each TrainJob, so one is nothing without the other. The modules publish what
kustomize would put together; the names that it would give are given here.
"""

from pathlib import Path

from localcluster import gobuild
from localcluster.archives import ScratchImage
from localcluster.errors import BuildFailed
from localcluster.gobuild import Recipe
from localcluster.paths import PACKAGE
from localcluster.stages import Stages

MODULE = PACKAGE / "trainer"
PROGRAMS = ("trainer-controller-manager", "jobset")
_TRAINER, _JOBSET = "github.com/kubeflow/trainer/v2", "sigs.k8s.io/jobset"
_RECIPE = Recipe("Kubeflow Trainer", MODULE, (*PROGRAMS, "crds.yaml", "published.yaml"), (Path(__file__),))
_CRDS = {_TRAINER: "manifests/base/crds/trainer.*.yaml", _JOBSET: "config/components/crd/bases/*.yaml"}
_OF_JOBSETS = "objectSelector: {matchExpressions: [{key: jobset.sigs.k8s.io/jobset-name, operator: Exists}]}"
_RENAMED = {
    _TRAINER: (
        ("manifests/base/rbac/role.yaml", "manifests/base/webhook/manifests.yaml"),
        {
            "name: mutating-webhook-configuration": "name: defaulter.trainer.kubeflow.org",
            "name: validating-webhook-configuration": "name: validator.trainer.kubeflow.org",
            "name: webhook-service": "name: kubeflow-trainer-controller-manager",
            "namespace: system": "namespace: kubeflow-system",
        },
    ),
    _JOBSET: (
        ("config/components/rbac/role.yaml", "config/components/webhook/manifests.yaml"),
        {
            "name: manager-role": "name: jobset-manager-role",
            "name: mutating-webhook-configuration": "name: jobset-mutating-webhook-configuration",
            "name: validating-webhook-configuration": "name: jobset-validating-webhook-configuration",
            "name: webhook-service": "name: jobset-webhook-service",
            "namespace: system": "namespace: jobset-system",
            # else no pod of the cluster could start while JobSet does not answer
            "name: mpod.kb.io": f"name: mpod.kb.io\n  {_OF_JOBSETS}",
            "name: vpod.kb.io": f"name: vpod.kb.io\n  {_OF_JOBSETS}",
        },
    ),
}
"""Of each module: files, and what kustomize would change in them."""


def ensure_programs(stages: Stages) -> Path:
    """Folder with `trainer-controller-manager`, `jobset`, `crds.yaml` and `published.yaml`; built now if need be."""

    def build(go: str, folder: Path) -> None:
        stages.say(f"trainer: building Kubeflow Trainer {trainer_version((MODULE / 'go.mod').read_text())}")
        (folder / "crds.yaml").write_text(_published_crds(go))
        (folder / "published.yaml").write_text(_published(go))
        packages = [f"{_TRAINER}/cmd/trainer-controller-manager", _JOBSET]
        gobuild.compile_programs(go, _RECIPE, ["-ldflags", "-s -w", "-o", f"{folder}/", *packages], stages)

    return gobuild.ensure(_RECIPE, build, stages)


def crds(stages: Stages) -> str:
    """The CRDs of Kubeflow Trainer and JobSet as YAML; needs no build, so that every API test can have them."""
    folder = gobuild.cached(_RECIPE)
    if folder is not None:
        return (folder / "crds.yaml").read_text()
    go = gobuild.go_program()
    return _published_crds(go) if go else (ensure_programs(stages) / "crds.yaml").read_text()


def images(programs: Path) -> list[ScratchImage]:
    """The images of both controller managers."""
    return [ScratchImage(f"localhost/marquee/{name}:{programs.name[:12]}", programs / name) for name in PROGRAMS]


def trainer_version(go_mod: str) -> str:
    """Version of Kubeflow Trainer that a go.mod requires, such as v2.2.0."""
    return gobuild.required_version(go_mod, _TRAINER, where=MODULE / "go.mod")


def renamed(text: str, names: dict[str, str]) -> str:
    """A published file with other names.

    Raises:
        BuildFailed: one of them does not occur, as in another release.

    """
    for old, new in names.items():
        if old not in text:
            raise BuildFailed(f"what is published has no {old!r}", fix=f"repair {__file__}")
        text = text.replace(old, new)
    return text


def _published(go: str) -> str:
    return "\n---\n".join(
        renamed("\n---\n".join((gobuild.published(go, _RECIPE, module) / file).read_text() for file in files), names)
        for module, (files, names) in _RENAMED.items()
    )


def _published_crds(go: str) -> str:
    folders = ((gobuild.published(go, _RECIPE, module), pattern) for module, pattern in _CRDS.items())
    return gobuild.joined(file for folder, pattern in folders for file in sorted(folder.glob(pattern)))
