"""The rules of .dockerignore."""

from pathlib import Path

import pytest

from localcluster.ignorefile import Ignore, files, find


@pytest.mark.parametrize(
    ("rule", "path", "ignored"),
    [
        ("build", "build/lib/a.py", True),
        ("build", "src/build", False),
        ("/build/", "build/a", True),
        ("*.log", "a.log", True),
        ("*.log", "logs/a.log", False),
        ("**/*.log", "logs/deep/a.log", True),
        ("**/*.log", "a.log", True),
        ("**/__pycache__", "a/b/__pycache__/c.pyc", True),
        ("docs/**", "docs/a/b.md", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab].txt", "b.txt", True),
        ("a.b", "aXb", False),
        ("# comment", "# comment", False),
    ],
)
def test_one_rule(rule: str, path: str, ignored: bool) -> None:
    """A star stays within a name, two stars cross folders, and a folder means all below it."""
    assert Ignore(rule).ignores(path) is ignored


def test_the_last_matching_rule_decides() -> None:
    """Everything is left out except what a later line brings back."""
    ignore = Ignore("*\n!src\nsrc/secret\n")
    assert ignore.ignores("README.md")
    assert not ignore.ignores("src/a.py")
    assert ignore.ignores("src/secret")


def test_files_below_an_ignored_folder_are_found_when_brought_back(tmp_path: Path) -> None:
    """The walk enters an ignored folder only when an exception may be in it."""
    for name in ("src/a.py", "build/b", "c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [f.relative_to(tmp_path).as_posix() for f in files(tmp_path, Ignore("*\n!src"))] == ["src/a.py"]
    assert [f.relative_to(tmp_path).as_posix() for f in files(tmp_path, Ignore("build"))] == ["c", "src/a.py"]


def test_the_file_beside_the_dockerfile_wins(tmp_path: Path) -> None:
    """Several Dockerfiles of one context may leave out different things."""
    dockerfile = tmp_path / "Dockerfile.app"
    assert find(dockerfile, tmp_path) is None
    (tmp_path / ".dockerignore").touch()
    assert find(dockerfile, tmp_path) == tmp_path / ".dockerignore"
    (tmp_path / "Dockerfile.app.dockerignore").touch()
    assert find(dockerfile, tmp_path) == tmp_path / "Dockerfile.app.dockerignore"
