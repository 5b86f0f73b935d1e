"""The full training runs begin: nothing takes as long, and a run of all tests must not end with waiting for them."""

from __future__ import annotations

from pathlib import Path

import pytest

_FOLDER = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After whoever shuffles."""
    items.sort(key=lambda item: _FOLDER not in item.path.parents)
