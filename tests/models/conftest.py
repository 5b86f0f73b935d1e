"""The full training runs begin: nothing takes as long, and a run of all tests must not end with waiting for them."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After whoever shuffles."""
    items.sort(key=lambda item: not item.nodeid.startswith("tests/models/"))
