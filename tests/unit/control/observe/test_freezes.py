"""Which PromotionFreezes are over which models, and whom a change of one wakes."""

from __future__ import annotations

from typing import Any, cast

from marquee.control.cluster.connection import Connection
from marquee.control.observe.freezes import Freezes, standing_freeze
from marquee.control.snapshot import StandingFreeze

HOME = "marquee-system"


def a_freeze(namespace: str, name: str = "peak", *, annotations: Any = None, **spec: Any) -> dict[str, Any]:
    """As the API server has it."""
    metadata = {"namespace": namespace, "name": name, "uid": f"uid-{namespace}-{name}", "resourceVersion": "1"}
    return {"metadata": metadata | {"annotations": annotations}, "spec": spec}


def freezes(woken: list[str | None], *namespaces: str) -> Freezes:
    return Freezes(cast("Connection", None), namespaces, HOME, woken.append)


async def test_its_namespace_or_all_of_them() -> None:
    """One in the operator's namespace is over every model; another one over those beside it."""
    known = freezes([])
    (informer,) = known.informers()
    for namespace, name in ((HOME, "peak"), ("growth", "b"), ("growth", "a"), ("crm", "c")):
        informer.write_back(a_freeze(namespace, name))
    assert [one.path for one in known.over("growth")] == ["growth/a", "growth/b", "marquee-system/peak"]
    assert [one.path for one in known.over("crm")] == ["crm/c", "marquee-system/peak"]
    assert [one.path for one in known.over("other")] == ["marquee-system/peak"]
    assert len(known.all()) == 4


async def test_namespaces_that_are_watched_and_the_operators_own() -> None:
    """One watch for each, and one where the operator itself is watched."""
    assert len(freezes([], "growth", "crm").informers()) == 3
    assert len(freezes([], "growth", HOME).informers()) == 2


async def test_whom_a_change_wakes() -> None:
    """The models of its namespace, or all; nobody when nothing is different."""
    woken: list[str | None] = []
    known = freezes(woken)
    growth, everywhere = standing_freeze(a_freeze("growth")), standing_freeze(a_freeze(HOME))
    known._changed(None, growth)
    known._changed(everywhere, None)
    known._changed(growth, standing_freeze(a_freeze("growth")))
    known._changed(growth, standing_freeze(a_freeze("growth", reason="sale")))
    assert woken == ["growth", None, "growth"]


def test_what_can_not_be_read_is_not_lost() -> None:
    """A spec of a newer version, or none at all, stands for a freeze that holds."""
    for spec in ({"first": "soon"}, {"reason": 7}):
        found = standing_freeze(a_freeze("growth", **spec))
        assert found == StandingFreeze("growth", "peak", "uid-growth-peak", None)
    assert standing_freeze({"metadata": {"namespace": "growth", "name": "peak"}}).spec is None


def test_who_has_changed_it_last() -> None:
    """As its annotation says; nobody where it says nothing."""
    assert standing_freeze(a_freeze("growth", annotations={"marquee.dev/editor": "anna"})).editor == "anna"
    assert standing_freeze(a_freeze("growth")).editor == ""
