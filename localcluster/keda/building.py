"""KEDA's two programs in the cache, with the kinds and the permissions that its module publishes."""

import re
import shutil
from pathlib import Path

from localcluster import gobuild
from localcluster.archives import ScratchImage
from localcluster.gobuild import Recipe
from localcluster.keda import source
from localcluster.paths import PACKAGE
from localcluster.stages import Stages

MODULE = PACKAGE / "keda"
PROGRAMS = ("operator", "adapter")
_KEDA = "github.com/kedacore/keda/v2"
_METRICS = "k8s.io/metrics"
_INPUTS = (Path(source.__file__), *sorted(source.CLOUDLESS.glob("*.go")))
_RECIPE = Recipe("KEDA", MODULE, (*PROGRAMS, "crds.yaml", "role.yaml"), _INPUTS)


def ensure_programs(stages: Stages) -> Path:
    """Folder with `operator`, `adapter`, `crds.yaml` and `role.yaml`; built now if need be."""

    def build(go: str, folder: Path) -> None:
        go_mod = (MODULE / "go.mod").read_text()
        version = keda_version(go_mod)
        stages.say(f"keda: building KEDA {version} (minutes, only this once)")
        (folder / "crds.yaml").write_text(_published_crds(go))
        (folder / "role.yaml").write_text((_published(go) / "config/rbac/role.yaml").read_text())
        flags = f"-s -w -X {_KEDA}/version.Version={version.removeprefix('v')}"
        packages = [f"{_KEDA}/cmd/{name}" for name in PROGRAMS]
        module_file = _slimmed(go, folder / "source", go_mod)
        arguments: list[str | Path] = ["-modfile", module_file, "-ldflags", flags, "-o", f"{folder}/", *packages]
        gobuild.compile_programs(go, _RECIPE, arguments, stages)
        shutil.rmtree(folder / "source")

    return gobuild.ensure(_RECIPE, build, stages)


def crds(stages: Stages) -> str:
    """KEDA's CRDs as YAML; needs no build, so that every API test can have them."""
    folder = gobuild.cached(_RECIPE)
    if folder is not None:
        return (folder / "crds.yaml").read_text()
    go = gobuild.go_program()
    return _published_crds(go) if go else (ensure_programs(stages) / "crds.yaml").read_text()


def images(programs: Path) -> list[ScratchImage]:
    """The images of operator and adapter."""
    return [ScratchImage(f"localhost/marquee/keda-{name}:{programs.name[:12]}", programs / name) for name in PROGRAMS]


def keda_version(go_mod: str) -> str:
    """Version of KEDA that a go.mod requires, such as v2.19.0."""
    return gobuild.required_version(go_mod, _KEDA, where=MODULE / "go.mod")


def _slimmed(go: str, folder: Path, go_mod: str) -> Path:
    """A go.mod, with its go.sum, by which KEDA's slimmed source is compiled instead of the published one."""
    source.prepare(_published(go), folder, go_mod)
    source.prepare_metrics(_published(go, _METRICS), folder / "metrics")
    file = folder / "marquee.mod"
    here = re.sub(rf"(?m)^(\s*{_METRICS} =>) .*$", rf"\1 {folder / 'metrics'}", go_mod)
    file.write_text(f"{here}\nreplace {_KEDA} => {folder}\n")
    shutil.copyfile(MODULE / "go.sum", folder / "marquee.sum")
    return file


def _published(go: str, module: str = _KEDA) -> Path:
    """A module's own files, of the version that go.mod comes to."""
    return gobuild.published(go, _RECIPE, module)


def _published_crds(go: str) -> str:
    return gobuild.joined(sorted((_published(go) / "config/crd/bases").glob("*.yaml")))
