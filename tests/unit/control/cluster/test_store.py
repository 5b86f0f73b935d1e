from __future__ import annotations

from typing import Any

import pytest

from marquee.control.cluster.store import Store
from tests.unit.control.cluster.scripted_api import group_of, made

Change = tuple[str | None, str | None]


class Changes(list[Change]):
    """Notes each change as (old, new)."""

    def __call__(self, old: str | None, new: str | None) -> None:
        self.append((old, new))

    def taken(self) -> list[Change]:
        found = list(self)
        self.clear()
        return found


def text_of(raw: dict[str, Any]) -> str:
    return f"{raw['metadata']['name']}@{raw['metadata']['resourceVersion']}"


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def store(changes: Changes) -> Store[str]:
    return Store(transform=text_of, index=group_of, on_change=changes)


def test_objects_appear_change_and_vanish(store: Store[str], changes: Changes) -> None:
    """Each change is told with what was before and what is now."""
    store.take_event("MODIFIED", made("a", 1))
    store.take_event("MODIFIED", made("a", 2))
    store.take_event("DELETED", made("a", 3))

    assert changes == [(None, "a@1"), ("a@1", "a@2"), ("a@2", None)]
    assert store.get("ns", "a") is None
    assert len(store) == 0


def test_the_same_version_again_is_no_news(store: Store[str], changes: Changes) -> None:
    """A list that shows what is known already tells nobody."""
    store.take_event("MODIFIED", made("a", 1))
    changes.clear()

    store.take_event("MODIFIED", made("a", 1))

    assert changes == []


def test_the_index_finds_by_namespace_and_key(store: Store[str]) -> None:
    """Objects are found under their index key, in order of name, within their own namespace."""
    store.take_event("MODIFIED", made("b", 1, group="x"))
    store.take_event("MODIFIED", made("a", 2, group="x"))
    store.take_event("MODIFIED", made("c", 3, group="y"))
    store.take_event("MODIFIED", made("d", 4))
    other = made("a", 5, group="x")
    other["metadata"]["namespace"] = "other"
    store.take_event("MODIFIED", other)

    assert store.select("ns", "x") == ["a@2", "b@1"]
    assert store.select("other", "x") == ["a@5"]
    assert store.select("ns", "nothing") == []
    assert sorted(store) == ["a@2", "a@5", "b@1", "c@3", "d@4"]


def test_the_index_follows_its_object(store: Store[str]) -> None:
    """An object whose label changes is found under the new key only, a deleted one under none; nothing leaks."""
    store.take_event("MODIFIED", made("a", 1, group="x"))
    store.take_event("MODIFIED", made("a", 2, group="y"))

    assert (store.select("ns", "x"), store.select("ns", "y")) == ([], ["a@2"])
    store.take_event("DELETED", made("a", 3, group="y"))
    assert store.select("ns", "y") == []
    assert not store._groups


def test_our_own_write_is_seen_at_once_and_told_to_nobody(store: Store[str], changes: Changes) -> None:
    """The answer to a write is in the cache at once; its echo on the watch wakes nobody."""
    store.write_back(made("a", 5, group="x"))

    assert store.get("ns", "a") == "a@5"
    assert store.select("ns", "x") == ["a@5"]
    store.take_event("MODIFIED", made("a", 5, group="x"))
    assert changes == []


def test_an_older_answer_does_not_replace_newer_knowledge(store: Store[str]) -> None:
    """An answer that comes later than the watch's newer version is ignored."""
    store.take_event("MODIFIED", made("a", 7))

    store.write_back(made("a", 6))

    assert store.get("ns", "a") == "a@7"


def test_versions_are_compared_as_numbers(store: Store[str]) -> None:
    """Version 10 is newer than 9."""
    store.take_event("MODIFIED", made("a", 9))
    store.take_event("MODIFIED", made("a", 10))

    assert store.get("ns", "a") == "a@10"


def test_a_change_of_somebody_else_hidden_by_our_write_is_still_told(store: Store[str], changes: Changes) -> None:
    """When our write, made after somebody else's, is known first, their event still wakes the owner."""
    store.take_event("MODIFIED", made("a", 1))
    store.write_back(made("a", 3))
    changes.clear()

    store.take_event("MODIFIED", made("a", 2))
    store.take_event("MODIFIED", made("a", 3))

    assert changes == [("a@3", "a@3")]
    assert store.get("ns", "a") == "a@3"


def test_a_late_answer_does_not_resurrect(store: Store[str]) -> None:
    """The answer to a write that was followed by a deletion is ignored, though its object is unknown by now."""
    store.take_event("MODIFIED", made("a", 1, uid="u"))
    store.take_event("DELETED", made("a", 3, uid="u"))

    store.write_back(made("a", 2, uid="u"))
    store.write_back(made("a", 2, uid="another that is older than the deletion"))

    assert store.get("ns", "a") is None


def test_a_new_object_of_the_same_name_is_taken(store: Store[str]) -> None:
    """After a deletion, a new object of the name is known at once from our own write."""
    store.take_event("MODIFIED", made("a", 1, uid="u"))
    store.take_event("DELETED", made("a", 3, uid="u"))

    store.write_back(made("a", 4, uid="v"))

    assert store.get("ns", "a") == "a@4"


def test_a_late_deletion_does_not_take_the_successor(store: Store[str], changes: Changes) -> None:
    """The watch's late word of the old object's end leaves the new one, and tells that something happened."""
    store.take_event("MODIFIED", made("a", 1, uid="u"))
    store.write_back(made("a", 4, uid="v"))
    changes.clear()

    store.take_event("DELETED", made("a", 3, uid="u"))

    assert store.get("ns", "a") == "a@4"
    assert changes == [("a@4", "a@4")]


def test_what_a_list_does_not_show_has_vanished(store: Store[str], changes: Changes) -> None:
    """Objects deleted while nobody watched are told as deleted after the list."""
    keys = {store.take_listed(made("stays", 1))}
    store.take_event("MODIFIED", made("gone", 2, group="x"))
    changes.clear()

    store.finish_list(keys, 10)
    store.write_back(made("gone", 9))

    assert changes == [("gone@2", None)]
    assert (store.get("ns", "gone"), store.select("ns", "x")) == (None, [])


def test_what_we_wrote_after_the_list_was_taken_stays(store: Store[str], changes: Changes) -> None:
    """A list cannot show what was created after it: our own newer write is kept, silently."""
    store.write_back(made("new", 11))

    store.finish_list(set(), 10)

    assert store.get("ns", "new") == "new@11"
    assert changes == []


def test_a_deletion_of_something_unknown_is_no_news(store: Store[str], changes: Changes) -> None:
    """A deletion of what was never seen is not told, and an answer from before it is ignored."""
    store.take_event("DELETED", made("a", 3))
    store.write_back(made("a", 2))

    assert changes == []
    assert len(store) == 0


def test_an_answer_from_before_a_bookmark_is_no_news(store: Store[str]) -> None:
    """What the watch has passed is known or gone: a later answer about it is ignored."""
    store.take_event("BOOKMARK", {"metadata": {"resourceVersion": "50"}})

    store.write_back(made("a", 50))
    store.write_back(made("b", 51))

    assert list(store) == ["b@51"]


def test_versions_that_are_no_numbers_have_the_watch_believed(store: Store[str], changes: Changes) -> None:
    """Where versions cannot be compared, the watch's order counts and answers to writes are left to it."""

    def odd(version: str) -> dict[str, Any]:
        raw = made("a", 0)
        raw["metadata"]["resourceVersion"] = version
        return raw

    store.take_event("MODIFIED", odd("x-2"))
    store.take_event("MODIFIED", odd("x-1"))
    store.write_back(odd("x-9"))
    assert store.get("ns", "a") == "a@x-1"

    store.take_event("DELETED", odd("x-3"))
    assert changes[-1] == ("a@x-1", None)

    store.take_event("MODIFIED", odd("x-4"))
    store.finish_list(set(), -1)
    assert len(store) == 0


def test_a_failing_transform_leaves_what_was_known(changes: Changes) -> None:
    """An object that our own code stumbles over changes nothing."""

    def refuse_two(raw: dict[str, Any]) -> str:
        if raw["metadata"]["resourceVersion"] == "2":
            raise KeyError("spec")
        return text_of(raw)

    store: Store[str] = Store(transform=refuse_two, index=group_of, on_change=changes)
    store.take_event("MODIFIED", made("a", 1, group="x"))

    with pytest.raises(KeyError):
        store.take_event("MODIFIED", made("a", 2, group="y"))

    assert (store.get("ns", "a"), store.select("ns", "x"), store.select("ns", "y")) == ("a@1", ["a@1"], [])
