"""One pass over one model: observe -> decide -> act -> report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from marquee.control.act import REFUSED_AGAIN_SECONDS, Actor
from marquee.control.decide import decide
from marquee.control.decide.plan import DriftQuestion, Plan
from marquee.control.observe.observer import Observer
from marquee.control.report import Reporter
from marquee.control.retraining import Retrainer
from marquee.control.snapshot import ModelKey


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Level-triggered: what it does depends on what is, never on which event woke it."""

    observer: Observer
    actor: Actor
    reporter: Reporter
    forget: Callable[[ModelKey], None]
    follow: Callable[[ModelKey, str | None], None] = lambda _key, _rollout: None
    """Says whose integers in the ledger the next decision needs."""
    follow_drift: Callable[[ModelKey, DriftQuestion | None], None] = lambda _key, _question: None
    """Says whose windows of counters it needs."""
    retrainer: Retrainer | None = None

    async def reconcile(self, key: ModelKey) -> float | None:
        """Bring one model a step closer to its spec.

        Returns:
            Seconds after which to look again although nothing may happen until then, or None.

        """
        snapshot = self.observer.observe(key)
        if snapshot is None:
            self.forget(key)
            return None
        plan: Plan = decide(snapshot)
        refusal = await self.actor.act(key, plan)
        self.follow(key, plan.follow)
        self.follow_drift(key, plan.follow_drift)
        if plan.retraining is not None and self.retrainer is not None:
            await self.retrainer.carry_out(key, plan.retraining)
            return 0.0  # whatever came of it: it is a fact of the next decision
        if (plan.probe is not None and refusal is None) or (refusal is not None and refusal.at_once):
            return 0.0  # the answer changes the decision: look again before telling anybody
        await self.reporter.report(snapshot, plan, refusal)
        return REFUSED_AGAIN_SECONDS if refusal is not None else plan.requeue_after_seconds
