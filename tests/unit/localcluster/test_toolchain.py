"""When the Go programs are built again."""

import json
import shutil
from pathlib import Path

import pytest

from localcluster import toolchain
from localcluster.errors import BuildFailed, CannotRunHere
from localcluster.stages import Stages


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "cmd" / "tool").mkdir(parents=True)
    (folder / "go.mod").write_text("module x\n")
    (folder / "go.sum").write_text("")
    (folder / "cmd" / "tool" / "main.go").write_text("package main\n")
    return folder


def test_the_hash_follows_the_sources_only(module: Path) -> None:
    """A source or go.mod changes it, a note beside them or the folder's place does not."""
    before = toolchain.module_hash(module)
    (module / "notes.txt").write_text("x")
    moved = module.rename(module.with_name("moved"))
    assert toolchain.module_hash(moved) == before
    (moved / "cmd" / "tool" / "main.go").write_text("package main // changed\n")
    changed = toolchain.module_hash(moved)
    assert changed != before
    (moved / "go.mod").write_text("module y\n")
    assert toolchain.module_hash(moved) not in (before, changed)


def test_the_server_knows_its_version() -> None:
    """The version comes from go.mod; without these flags the server calls itself v0.0.0."""
    version = toolchain.kubernetes_version("require (\n\tk8s.io/api v0.35.4\n\tk8s.io/kubernetes v1.35.4\n)\n")
    assert version == "v1.35.4"
    flags = toolchain.linker_flags(version)
    assert "-X k8s.io/component-base/version.gitVersion=v1.35.4" in flags
    assert "-X k8s.io/component-base/version.gitMinor=35" in flags


def test_a_go_mod_without_a_release_is_told() -> None:
    """A pseudo-version has no minor number to tell the server."""
    with pytest.raises(BuildFailed, match="no release of"):
        toolchain.kubernetes_version("require k8s.io/kubernetes v1.36.0-alpha.0\n")


def test_the_real_module_names_its_programs() -> None:
    """Every program that is expected has its source."""
    commands = {folder.name for folder in (toolchain.MODULE / "cmd").iterdir()}
    assert commands == set(toolchain.PROGRAMS)


def test_an_earlier_build_serves_where_go_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Go the cached programs of the same sources are found, whatever Go built them."""
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path))
    monkeypatch.setattr(toolchain, "go_program", lambda: None)
    folder = tmp_path / "binaries" / "any"
    folder.mkdir(parents=True)
    (folder / "inputs.json").write_text(json.dumps({"module": toolchain.module_hash(toolchain.MODULE), "go": "go1"}))
    assert toolchain.cached_binaries() is None
    for name in toolchain.PROGRAMS:
        (folder / name).touch()
    assert toolchain.ensure_binaries(Stages(quiet=True)) == folder
    shutil.rmtree(folder)
    with pytest.raises(CannotRunHere, match="no Go to build them with"):
        toolchain.ensure_binaries(Stages(quiet=True))
