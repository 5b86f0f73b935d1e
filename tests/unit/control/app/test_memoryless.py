"""What kopf keeps of objects between their events: nothing."""

from __future__ import annotations

import inspect
from typing import Any, Final

import kopf

from marquee.control.app.memoryless import NoMemories

BODY: Final[Any] = {"metadata": {"namespace": "crm", "name": "lead", "uid": "d2fb6eab"}}


async def test_no_object_is_remembered() -> None:
    """A thousand models cost kopf no memory, whether they were listed or came later; forgetting one is no error."""
    memories = NoMemories()
    first = await memories.recall(BODY, noticed_by_listing=True, memobase=None)
    second = await memories.recall(BODY, noticed_by_listing=False)
    assert first is not second
    assert (first.noticed_by_listing, second.noticed_by_listing) == (True, False)
    assert list(memories.iter_all_memories()) == []
    await memories.forget(BODY)


async def test_memo_of_the_operator_is_handed_on() -> None:
    """What kopf gives to every handler is in each memory, although none stays."""
    memobase = kopf.Memo(source="operator")
    memory = await NoMemories().recall(BODY, memobase=memobase)
    assert memory.memo == memobase


def test_kopf_takes_memories() -> None:
    """The parameter is documented by nothing but the signature."""
    assert "memories" in inspect.signature(kopf.spawn_tasks).parameters
