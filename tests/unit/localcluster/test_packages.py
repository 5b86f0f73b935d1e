"""Installing what is missing: parts of one test run that start side by side may miss the same programs."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcluster import packages
from localcluster.errors import CommandFailed
from localcluster.stages import Stages

APT_GET = """#!/bin/sh
mkdir {folder}/busy || exit 100
sleep 0.2
echo "$@" >> {folder}/asked
rmdir {folder}/busy
{end}
"""
"""As the real one, it fails while another one is at work."""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages may be installed; the cache and the programs are this test's own."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(packages, "installable", lambda: True)


def program(folder: Path, name: str, content: str = "#!/bin/sh\n") -> None:
    path = folder / "bin" / name
    path.write_text(content)
    path.chmod(0o755)


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines()


def test_whoever_waited_finds_the_program_installed(tmp_path: Path) -> None:
    """Of three that miss the same program one installs it; none of them is in another's way."""
    tool = tmp_path / "bin" / "marquee-tool"
    end = f"printf '#!/bin/sh' > {tool}; chmod +x {tool}"
    program(tmp_path, "apt-get", APT_GET.format(folder=tmp_path, end=end))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: packages.ensure(["marquee-tool"], Stages(quiet=True)), range(3)))
    assert asked(tmp_path) == ["install -y --no-install-recommends marquee-tool"]


def test_lists_are_brought_up_to_date_where_an_installation_fails(tmp_path: Path) -> None:
    """A machine that has never asked its mirrors knows of no package; a second failure is told."""
    program(tmp_path, "apt-get", APT_GET.format(folder=tmp_path, end='[ "$1" = update ]'))
    with pytest.raises(CommandFailed, match="apt-get install"):
        packages.ensure(["marquee-tool"], Stages(quiet=True))
    assert [line.split()[0] for line in asked(tmp_path)] == ["install", "update", "install"]
