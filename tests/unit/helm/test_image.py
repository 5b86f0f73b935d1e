"""The operator's image: what its Dockerfiles promise and the chart relies on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from tests.support import chart

ROOT: Final = Path(__file__).resolve().parents[3]
DOCKERFILE: Final = (ROOT / "operator" / "Dockerfile").read_text()
PARTS: Final = ("operator", "ledger")
LOCKED: Final = {part: (ROOT / "requirements" / f"{part}.txt").read_text() for part in PARTS}


def requirements() -> list[tuple[str, str]]:
    """What pyproject.toml asks for to run the operator and the ledger."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        (part, requirement)
        for part in PARTS
        for requirement in [*project["dependencies"], *project["optional-dependencies"][part]]
    ]
    return [(part, re.split(r"[<>=\[!~ ]", requirement, maxsplit=1)[0]) for part, requirement in wanted]


@pytest.mark.parametrize(("part", "name"), requirements())
def test_requirement_is_locked_by_hash(part: str, name: str) -> None:
    """A dependency that is not in the lock file is missing in the image, and its part does not start."""
    locked = re.search(rf"^{re.escape(name)}==\S+ \\\n    --hash=sha256:", LOCKED[part], re.MULTILINE)
    assert locked is not None, f"{name} is not in requirements/{part}.txt: run `make lock`"


@pytest.mark.parametrize("part", PARTS)
def test_every_locked_package_has_a_hash(part: str) -> None:
    """Pip refuses the whole file otherwise."""
    packages = re.findall(r"^\S+==\S+(.*)$", LOCKED[part], re.MULTILINE)
    assert len(packages) > 20
    assert set(packages) == {" \\"}


def test_both_parts_lock_the_same_versions() -> None:
    """They are installed into one image, where a package has one version."""
    versions = [dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", LOCKED[part], re.MULTILINE)) for part in PARTS]
    shared = versions[0].keys() & versions[1].keys()
    assert "aiohttp" in shared
    assert {name: versions[0][name] for name in shared} == {name: versions[1][name] for name in shared}


def test_image_runs_as_the_charts_user() -> None:
    """A numeric user, so that the kubelet can tell that it is not root."""
    security = chart.the(chart.render(), "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert f"\nUSER {security['runAsUser']}:{security['runAsGroup']}\n" in DOCKERFILE


def test_image_names_its_user() -> None:
    """Kopf asks for the user's name at its start; an id that the cluster assigns has none in /etc/passwd."""
    assert re.search(r"^ENV .*\bLOGNAME=\S+$", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize("name", ["operator/Dockerfile", "operator/Dockerfile.deps"])
def test_commands_need_no_shell(name: str) -> None:
    """Exec form throughout: the image may be built on a base without a shell, and signals reach the operator."""
    steps = re.findall(r"^(?:RUN|CMD) (.*)$", (ROOT / name).read_text(), re.MULTILINE)
    assert steps
    assert all(step.startswith("[") for step in steps)
