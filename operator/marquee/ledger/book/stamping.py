"""Which rollout's requests the pods of a model stamp themselves, and when each of its steps begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, select, update

from marquee.contract.stamping import LEAD_SECONDS, StampedStep, Stamping, StampingReply
from marquee.ledger.book.entries import RolloutKey
from marquee.ledger.book.rollouts import OpenRollout
from marquee.ledger.errors import RolloutUnknownError, StampingChangedError
from marquee.ledger.store.schema import rollouts


@dataclass(frozen=True, slots=True)
class Stored:
    """What the book says of a rollout's stamping."""

    stable: str
    canary: str
    begins: tuple[tuple[int, int], ...]
    """Step and its beginning, in seconds since 1970."""
    over: bool = False

    @property
    def changes(self) -> int:
        """How often it was written: the statistics' revision grows with it."""
        return len(self.begins) + self.over

    def to_text(self) -> str:
        """As it is stored."""
        return orjson.dumps([self.stable, self.canary, self.begins, self.over]).decode()


def stored(text: str | None) -> Stored | None:
    """What a row says; None: its requests are stamped by a gateway, or by nobody."""
    if text is None:
        return None
    stable, canary, begins, over = orjson.loads(text)
    return Stored(stable, canary, tuple((step, begin) for step, begin in begins), over)


def stamp(connection: Connection, key: RolloutKey, rollout: OpenRollout | None, wanted: Stamping, now: int) -> bool:
    """Let a step begin soon; False when that was told before, and stays as it was.

    Raises:
        RolloutUnknownError: there is no rollout of this name.
        StampingChangedError: it is over, or was told with other revisions.

    """
    if rollout is None:
        raise RolloutUnknownError(f"there is no rollout {key}")
    known = stored(rollout.stamping)
    if rollout.closed or (known is not None and known.over):
        raise StampingChangedError(f"{key} is over: its pods stamp no more, and will not again")
    if known is not None and (known.stable, known.canary) != (wanted.stable, wanted.canary):
        raise StampingChangedError(
            f"{key} compares {known.canary} with {known.stable}; other revisions are another rollout"
        )
    begins = known.begins if known is not None else ()
    if begins and begins[-1][0] >= wanted.step:
        return False
    _write(connection, rollout, Stored(wanted.stable, wanted.canary, (*begins, (wanted.step, now + LEAD_SECONDS))))
    return True


def end(connection: Connection, key: RolloutKey, rollout: OpenRollout | None) -> bool:
    """No pod stamps for it any more; False when none did. Its integers may still grow by late batches and outcomes.

    Raises:
        RolloutUnknownError: there is no rollout of this name.

    """
    if rollout is None:
        raise RolloutUnknownError(f"there is no rollout {key}")
    known = stored(rollout.stamping)
    if known is None or known.over:
        return False
    _write(connection, rollout, Stored(known.stable, known.canary, known.begins, over=True))
    return True


def read(connection: Connection, model: str, now: float) -> StampingReply:
    """What the pods of a model stamp: the steps of the rollout that was told of last, unless it is over.

    One that was told of and never began, as its operator was killed, does not come back after the one that did.
    """
    columns = rollouts.c
    rows = connection.execute(
        select(columns.name, columns.stamping)
        .where(columns.model == model, columns.closed_at.is_(None), columns.stamping.is_not(None))
        .order_by(columns.id)
    )
    told = [
        (known.begins[-1][1], number, name, known)
        for number, (name, text) in enumerate(rows)
        if (known := stored(text))
    ]
    if not told:
        return StampingReply()
    *_, name, last = max(told, key=lambda one: one[:2])
    if last.over:
        return StampingReply()
    steps = tuple(StampedStep(step=step, in_seconds=begin - now) for step, begin in last.begins)
    return StampingReply(rollout=name, stable=last.stable, canary=last.canary, steps=steps)


def _write(connection: Connection, rollout: OpenRollout, changed: Stored) -> None:
    values: dict[str, Any] = {"stamping": changed.to_text()}
    connection.execute(update(rollouts).where(rollouts.c.id == rollout.id).values(values))
    rollout.stamping = values["stamping"]
