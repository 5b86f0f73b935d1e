"""Which changes of children are a reason to look at their model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from marquee.control.cluster.connection import Connection
from marquee.control.kinds import DEPLOYMENT
from marquee.control.observe import transforms
from marquee.control.observe.children import Children
from marquee.control.snapshot import DeploymentState

BODY: dict[str, Any] = {
    "metadata": {"name": "churn-1", "namespace": "crm", "uid": "u", "labels": {"marquee.dev/model": "churn"}},
    "spec": {"replicas": 1},
}


def _deployment() -> DeploymentState:
    return transforms.deployment(DEPLOYMENT, BODY)


async def _woken_by(old: DeploymentState | None, new: DeploymentState | None) -> list[tuple[str, str]]:
    woken: list[tuple[str, str]] = []
    children = Children(cast("Connection", None), (), woken.append)
    children._changed(old, new)
    return woken


async def test_appearing_changing_and_vanishing_are_reasons() -> None:
    """Each names the model whose label the child carries."""
    deployment = _deployment()
    assert await _woken_by(None, deployment) == [("crm", "churn")]
    assert await _woken_by(deployment, replace(deployment, available_replicas=1)) == [("crm", "churn")]
    assert await _woken_by(deployment, None) == [("crm", "churn")]


async def test_what_is_not_kept_is_no_reason() -> None:
    """A heartbeat in a status, or another manager's note, leaves the object as it is known."""
    assert await _woken_by(_deployment(), _deployment()) == []


async def test_a_change_hidden_by_our_own_write_is_a_reason() -> None:
    """The cache passes the very same object twice when somebody else had written before us."""
    deployment = _deployment()
    assert await _woken_by(deployment, deployment) == [("crm", "churn")]
