"""The lineage: equal for equal inputs, different when any of them changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import models
from marquee.contract.manifest import DataSource
from models.lineage import code_digest, data_digest, lineage_of


def digest_of_copy(folder: Path) -> str:
    """The digest of lead scoring's code as a fresh process sees it below a folder."""
    program = "from models.lineage import code_digest; print(code_digest('models.lead_scoring'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package somewhere else."""
    source = Path(next(iter(models.__path__)))
    shutil.copytree(source, tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_code_digest_is_that_of_the_sources_it_depends_on(copy: Path) -> None:
    """Not of where they lie; its own and shared modules count, another use case does not."""
    before = digest_of_copy(copy)
    assert before == code_digest("models.lead_scoring")
    (copy / "models" / "customer_value" / "fitting.py").write_text("changed = True\n")
    assert digest_of_copy(copy) == before
    with (copy / "models" / "profile.py").open("a") as file:
        file.write("# changed\n")
    assert digest_of_copy(copy) != before


def test_two_use_cases_have_different_code() -> None:
    """Their own packages differ."""
    assert code_digest("models.lead_scoring") != code_digest("models.customer_value")


def test_the_data_digest_depends_on_every_source_and_not_on_their_order() -> None:
    """It is what a retraining compares to see whether data have changed."""
    one, two = (
        DataSource(name=name, sha256=digit * 64, rows=1, origin="x") for name, digit in (("a", "1"), ("b", "2"))
    )
    assert data_digest([one, two]) == data_digest([two, one])
    assert data_digest([one]) != data_digest([one, two])


def test_versions_of_libraries_are_recorded() -> None:
    """Python's too, because sums in another version may end in other bits."""
    lineage = lineage_of("models.lead_scoring", data=(), seed=3, libraries=("numpy", "scipy"))
    assert set(lineage.libraries) == {"python", "numpy", "scipy"}
    assert lineage.seed == 3
    assert all(version[0].isdigit() for version in lineage.libraries.values())
