"""kubectl as a stub program, first on PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.stub_kubectl import StubKubectl


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubKubectl:
    """The program that the commands find."""
    stub = StubKubectl(tmp_path)
    stub.install()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return stub
