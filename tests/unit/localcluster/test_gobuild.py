"""When Go programs are built again, and what is left of a build that fails."""

import json
from pathlib import Path

import pytest

from localcluster import gobuild
from localcluster.errors import BuildFailed, CannotRunHere
from localcluster.gobuild import Recipe, module_hash
from localcluster.stages import Stages

QUIET = Stages(quiet=True)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "binaries"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    folder = tmp_path / "module"
    (folder / "cmd" / "tool").mkdir(parents=True)
    (folder / "go.mod").write_text("module x\n")
    (folder / "go.sum").write_text("")
    (folder / "cmd" / "tool" / "main.go").write_text("package main\n")
    return folder


@pytest.fixture
def recipe(module: Path) -> Recipe:
    return Recipe("the tool", module, ("tool",))


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A go command that knows its version and fails at everything else."""
    return go_that(monkeypatch, tmp_path, 'echo "main.go:1: syntax error" >&2; exit 1')


def go_that(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, does: str) -> Path:
    program = tmp_path / "go"
    program.write_text(f'#!/bin/sh\nif [ "$1" = env ]; then echo go1.99; exit; fi\n{does}\n')
    program.chmod(0o755)
    monkeypatch.setattr(gobuild, "go_program", lambda: str(program))
    return program


def no_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gobuild, "go_program", lambda: None)


def write_tool(_: str, folder: Path) -> None:
    (folder / "tool").write_text("built")


def test_the_hash_follows_the_sources_only(module: Path) -> None:
    """A source or go.mod changes it, a note beside them or the folder's place does not."""
    before = module_hash(module)
    (module / "notes.txt").write_text("x")
    moved = module.rename(module.with_name("moved"))
    assert module_hash(moved) == before
    (moved / "cmd" / "tool" / "main.go").write_text("package main // changed\n")
    changed = module_hash(moved)
    assert changed != before
    (moved / "go.mod").write_text("module y\n")
    assert module_hash(moved) not in (before, changed)


def test_further_inputs_count(module: Path, tmp_path: Path) -> None:
    """A build that also takes something from a pinned list is another one when the list changes."""
    pins = tmp_path / "pins.txt"
    pins.write_text("a==1")
    before = module_hash(module, pins)
    assert before != module_hash(module)
    pins.write_text("a==2")
    assert module_hash(module, pins) != before


@pytest.mark.usefixtures("go")
def test_an_unchanged_module_is_built_once(recipe: Recipe) -> None:
    """The second call takes what the first one made; a change of a source builds anew, beside the old."""
    folder = gobuild.ensure(recipe, write_tool, QUIET)
    assert (folder / "tool").read_text() == "built"

    def build_again(_: str, __: Path) -> None:
        raise AssertionError("built twice")

    assert gobuild.ensure(recipe, build_again, QUIET) == folder == gobuild.cached(recipe)
    (recipe.module / "go.mod").write_text("module y\n")
    assert gobuild.ensure(recipe, write_tool, QUIET) != folder
    assert folder.exists()


@pytest.mark.usefixtures("go")
def test_a_failed_build_leaves_nothing(recipe: Recipe, cache: Path) -> None:
    """Half a build is never taken for a whole one."""

    def fail(go: str, folder: Path) -> None:
        write_tool(go, folder)
        raise BuildFailed("no")

    with pytest.raises(BuildFailed):
        gobuild.ensure(recipe, fail, QUIET)
    assert gobuild.cached(recipe) is None
    assert [path.name for path in cache.iterdir()] == ["module.lock"]


@pytest.mark.usefixtures("go")
def test_another_go_builds_again(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The version of Go is part of the build's name, for it decides what is in the programs."""
    first = gobuild.ensure(recipe, write_tool, QUIET)
    program = go_that(monkeypatch, tmp_path, "exit 1")
    program.write_text(program.read_text().replace("go1.99", "go1.100"))
    assert gobuild.cached(recipe) is None
    assert gobuild.ensure(recipe, write_tool, QUIET) != first


def test_without_go_a_build_of_another_machine_is_used(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """A cache that was filled before needs no Go; one of other sources or a half one is not taken for it."""
    no_go(monkeypatch)
    filled(cache / "a", module="of-other-sources")
    (filled(cache / "b", module=module_hash(recipe.module)) / "tool").unlink()
    with pytest.raises(CannotRunHere, match="no build of the tool and no Go to make one"):
        gobuild.ensure(recipe, write_tool, QUIET)
    folder = filled(cache / "c", module=module_hash(recipe.module))
    assert gobuild.ensure(recipe, write_tool, QUIET) == folder


def filled(folder: Path, *, module: str) -> Path:
    """A folder as a build leaves it."""
    folder.mkdir(parents=True)
    (folder / "inputs.json").write_text(json.dumps({"module": module, "go": "go1.26"}))
    (folder / "tool").touch()
    return folder


def test_a_compiler_error_is_told_with_its_lines(recipe: Recipe, go: Path) -> None:
    """What the compiler says reaches the person, and how to see all of it."""
    with pytest.raises(BuildFailed, match="go build of the tool failed") as failure:
        gobuild.compile_programs(str(go), recipe, ["-o", "x", "./cmd/tool"], QUIET)
    assert "syntax error" in failure.value.why
    assert "go build ./cmd/tool" in failure.value.fix


def test_programs_are_static(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They run in images that have no libc, and hold no path of this machine."""
    go = go_that(monkeypatch, tmp_path, f'echo "$CGO_ENABLED $*" > {tmp_path}/said')
    gobuild.compile_programs(str(go), recipe, ["-o", tmp_path / "out", "./cmd/tool"], QUIET)
    assert (tmp_path / "said").read_text().split() == [
        "0", "build", "-v", "-trimpath", "-o", str(tmp_path / "out"), "./cmd/tool",
    ]  # fmt: skip
