"""The CRD files are what the types say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from marquee.api.crds import all_crds, render
from tests.support.crds.generated import crds

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = [folder for folder in (ROOT / "crds", ROOT / "helm/marquee/files/crds") if folder.exists()]


@pytest.mark.parametrize("name", sorted(crds()))
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_generated_file_is_current(folder: Path, name: str) -> None:
    """Each folder holds the CRDs as the types generate them today; `make generate` writes them."""
    assert (folder / name).read_text(encoding="utf-8") == render(crds()[name])


def test_the_command_writes_every_crd_into_every_folder(tmp_path: Path) -> None:
    """``python -m marquee.api.crds FOLDER...`` writes the files that the repository holds."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    command = [sys.executable, "-m", "marquee.api.crds", *map(str, folders)]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": str(ROOT / "operator")})
    for folder in folders:
        assert {path.name: path.read_text() for path in folder.iterdir()} == {
            name: render(crd) for name, crd in all_crds().items()
        }


@pytest.mark.parametrize("crd", crds().values(), ids=crds())
def test_a_rendered_crd_is_plain_yaml(crd: dict[str, object]) -> None:
    """The file reads back as the CRD, without anchors that people would have to follow."""
    text = render(crd)
    assert yaml.safe_load(text) == crd
    assert "&id" not in text
