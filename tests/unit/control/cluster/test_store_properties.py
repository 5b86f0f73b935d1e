"""Two sources race, watch and answers to own writes: the store ends at the truth and nobody is left unaware."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from marquee.control.cluster.store import ObjectKey, Store
from tests.support.examples import examples
from tests.unit.control.cluster.scripted_api import group_of, made

names = st.sampled_from(["a", "b"])
groups = st.sampled_from([None, "x", "y"])

Raw = dict[str, Any]


class Race(RuleBasedStateMachine):
    """An API server with a history, a watch that lags behind it, and answers that arrive whenever they like."""

    answers = Bundle("answers")

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        self.truth: dict[str, Raw] = {}
        self.pending: list[tuple[str, Raw, bool]] = []  # type, object, by us
        self.told: dict[str, int] = {}  # name -> how often a change was told
        self.store: Store[Raw] = Store(transform=lambda raw: raw, index=group_of, on_change=self.on_change)

    def on_change(self, old: Raw | None, new: Raw | None) -> None:
        subject = new or old
        assert subject is not None
        name = subject["metadata"]["name"]
        self.told[name] = self.told.get(name, 0) + 1

    def write(self, name: str, group: str | None, *, ours: bool) -> Raw:
        self.version += 1
        known = self.truth.get(name)
        uid = known["metadata"]["uid"] if known else f"uid-{self.version}"
        self.truth[name] = raw = made(name, self.version, uid=uid, group=group)
        self.pending.append(("MODIFIED" if known else "ADDED", raw, ours))
        return raw

    @rule(name=names, group=groups)
    def somebody_writes(self, name: str, group: str | None) -> None:
        self.write(name, group, ours=False)

    @rule(target=answers, name=names, group=groups)
    def we_write(self, name: str, group: str | None) -> Raw:
        return self.write(name, group, ours=True)

    @rule(answer=consumes(answers))
    def our_answer_arrives(self, answer: Raw) -> None:
        self.store.write_back(answer)

    @rule(name=names)
    def somebody_deletes(self, name: str) -> None:
        if name in self.truth:
            self.version += 1
            last = self.truth.pop(name)["metadata"]
            self.pending.append(("DELETED", made(name, self.version, uid=last["uid"]), False))

    @rule()
    def the_watch_delivers(self) -> None:
        if self.pending:
            kind, raw, ours = self.pending.pop(0)
            name = raw["metadata"]["name"]
            before = self.told.get(name, 0)
            known = self.store.get("ns", name)
            self.store.take_event(kind, raw)
            if not ours and kind != "DELETED" and known != raw:
                assert self.told.get(name, 0) > before, "somebody else's change went unnoticed"
            if kind == "DELETED" and known is not None:
                assert self.told.get(name, 0) > before, "a deletion went unnoticed"

    @rule()
    def the_watch_is_lost_and_listed_again(self) -> None:
        self.pending.clear()
        keys: set[ObjectKey] = {self.store.take_listed(raw) for raw in self.truth.values()}
        self.store.finish_list(keys, self.version)
        self.agrees_with_the_truth()

    @invariant()
    def never_ahead_of_or_beside_the_truth(self) -> None:
        """What is known was true at some time, and the index holds exactly what is known."""
        for raw in self.store:
            assert int(raw["metadata"]["resourceVersion"]) <= self.version
        for group in ("x", "y"):
            expected = sorted(raw["metadata"]["name"] for raw in self.store if group_of(raw) == group)
            assert [raw["metadata"]["name"] for raw in self.store.select("ns", group)] == expected

    @invariant()
    def current_when_nothing_is_under_way(self) -> None:
        """Once the watch has told all, the store is the truth, whatever answers are still under way."""
        if not self.pending:
            self.agrees_with_the_truth()

    def agrees_with_the_truth(self) -> None:
        assert {raw["metadata"]["name"]: raw for raw in self.store} == self.truth


def test_the_store_ends_at_the_truth_and_tells_of_every_change() -> None:
    """For any order of changes, events, own answers and lists."""
    run_state_machine_as_test(
        Race, settings=settings(max_examples=examples(100), stateful_step_count=30, deadline=None)
    )
