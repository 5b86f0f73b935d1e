"""The state machine as data: the first row whose predicate holds names the phase, the reason and the moves.

The table is rendered into ``docs/states.md`` by `make generate`; a test walks every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import Final

from marquee.api.conditions import Reason
from marquee.api.marketing_model import Phase
from marquee.api.rollout_status import RolloutResult
from marquee.control.decide.facts import Facts
from marquee.tables import Fact


class Move(Flag):
    """What a row allows to be written."""

    NONE = 0
    ENSURE = auto()
    """identity, protection, the wanted revision's Deployment, and the Service as it points now"""
    PROBE = auto()
    """one prediction by a ready pod of the wanted revision"""
    BEGIN = auto()
    """declare a rollout, and give the canary the first step's weight"""
    ADVANCE = auto()
    """give it the next step's weight"""
    FILL = auto()
    """give it the pods that it needs alone"""
    WITHDRAW = auto()
    """give all users to stable, and let the canary finish what it answers"""
    SWITCH = auto()
    """give all users to the wanted revision"""
    SETTLE = auto()
    """the route as the newest rollout's end has left it"""
    PRUNE = auto()
    """remove arms that nobody wants and nobody reaches"""


class Cause(StrEnum):
    """Who names the reason where the row does not."""

    RESOLUTION = "why there is none"
    DIAGNOSIS = "the cause"
    EVIDENCE = "the verdict's"
    RECORD = "as recorded"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``result``: how the rollout ends with it."""

    name: str
    when: Fact[Facts]
    phase: Phase
    reason: Reason | Cause
    moves: Move
    meaning: str
    result: RolloutResult | None = None


def _is_broken(facts: Facts) -> bool:
    diagnosis = facts.target.diagnosis if facts.target is not None else None
    return diagnosis is not None and not diagnosis.may_pass


_EXTERNAL: Final[Fact[Facts]] = Fact("somebody else's", lambda facts: facts.external)
_JUDGEABLE: Final[Fact[Facts]] = Fact("with a ledger", lambda facts: facts.judgeable)
_BLOCKED: Final[Fact[Facts]] = Fact("without a revision to run", lambda facts: facts.target is None)
_BESIDE: Final[Fact[Facts]] = Fact("beside stable", lambda facts: facts.stable is not None)
_READY: Final[Fact[Facts]] = Fact("ready", lambda facts: facts.target is not None and facts.target.ready)
_ASLEEP: Final[Fact[Facts]] = Fact("asleep", lambda facts: facts.asleep)
_AVAILABLE: Final[Fact[Facts]] = Fact("available", lambda facts: facts.target is not None and facts.target.available)
_PROVEN: Final[Fact[Facts]] = Fact("proven", lambda facts: facts.target is not None and facts.target.verified)
_REFUTED: Final[Fact[Facts]] = Fact("refuted", lambda facts: facts.target is not None and facts.target.refuted)
_BROKEN: Final[Fact[Facts]] = Fact("broken", _is_broken)
_HELD_UP: Final[Fact[Facts]] = Fact(
    "held up", lambda facts: facts.target is not None and facts.target.diagnosis is not None
)
_DRAINING: Final[Fact[Facts]] = Fact("draining", lambda facts: bool(facts.draining))
_OVERTAKEN: Final[Fact[Facts]] = Fact("overtaken", lambda facts: facts.rollout.overtaken)
_REJECTED: Final[Fact[Facts]] = Fact("rejected", lambda facts: facts.rollout.rejected)
_STEPPED: Final[Fact[Facts]] = Fact("with steps", lambda facts: facts.rollout.stepped)
_ENDED: Final[Fact[Facts]] = Fact("after a rollout", lambda facts: facts.rollout.ended)
_RUNNING: Final[Fact[Facts]] = Fact("on a step", lambda facts: facts.rollout.running)
_ROUTED: Final[Fact[Facts]] = Fact("routed", lambda facts: facts.route_refusal == "")
_UNDECIDABLE: Final[Fact[Facts]] = Fact("undecidable", lambda facts: facts.rollout.undecidable)
_ABORTED: Final[Fact[Facts]] = Fact("aborted", lambda facts: facts.rollout.aborted)
_HARMFUL: Final[Fact[Facts]] = Fact("condemned", lambda facts: facts.rollout.harmful)
_PAUSED: Final[Fact[Facts]] = Fact("paused", lambda facts: facts.rollout.paused)
_PASSED: Final[Fact[Facts]] = Fact("past the step", lambda facts: facts.rollout.passed)
_FREE: Final[Fact[Facts]] = Fact("free to go on", lambda facts: facts.rollout.free)
_LAST: Final[Fact[Facts]] = Fact("on the last step", lambda facts: facts.rollout.on_last_step)
_BY_PODS: Final[Fact[Facts]] = Fact("by pods", lambda facts: facts.rollout.by_pods)
_AMONG_OTHERS: Final[Fact[Facts]] = Fact("among others", lambda facts: facts.strangers)
_FULL: Final[Fact[Facts]] = Fact("full", lambda facts: facts.target is not None and facts.target.full)
_UNSIGNED: Final[Fact[Facts]] = Fact(
    "without its approvals", lambda facts: facts.approvals is not None and not facts.approvals.enough
)
_UNMEASURED: Final[Fact[Facts]] = Fact(
    "without its slices", lambda facts: facts.fairness is not None and facts.fairness.missing
)
_UNFAIR: Final[Fact[Facts]] = Fact("unfair", lambda facts: facts.fairness is not None and facts.fairness.exceeded)
_NEXT: Final[Fact[Facts]] = Fact("about to get users", lambda facts: not facts.rollout.running or facts.rollout.free)
_NEW: Final[Fact[Facts]] = Fact("the first", lambda facts: facts.serving is None)
_HELD: Final[Fact[Facts]] = Fact("frozen", lambda facts: facts.held is not None)
_KILLED: Final[Fact[Facts]] = Fact("killed", lambda facts: facts.kill is not None)
_OPEN: Final[Fact[Facts]] = Fact("under way", lambda facts: facts.rollout.open is not None)
_ALWAYS: Final[Fact[Facts]] = Fact("otherwise", lambda _: True)
_RAMPED: Final = _BESIDE & _STEPPED

GLOSSARY: Final = {
    _EXTERNAL.words: "`spec.serving.class` is External: somebody else deploys it and moves the traffic",
    _JUDGEABLE.words: "the operator was installed with a ledger",
    _BLOCKED.words: "`spec.revision` names no ModelRevision of this model, or the spec cannot be read",
    _BESIDE.words: "another revision serves",
    _READY.words: "the wanted revision has all its pods, each of the current template and available",
    _ASLEEP.words: "it has no pods, as scaling class KEDA with `minReplicas: 0` allows",
    _AVAILABLE.words: "at least one pod of the wanted revision answers",
    _PROVEN.words: "a probe prediction by one of its pods named the right model, revision and digest, "
    "now or before it became stable",
    _REFUTED.words: "the last probe prediction failed or named something else, and nothing has proven it before",
    _BROKEN.words: "a pod, the kubelet or the Deployment says why the wanted revision cannot serve",
    _HELD_UP.words: "the same, or a cause that may pass by itself, such as a missing node",
    _DRAINING.words: "the revision that users left has time for its open connections (`spec.rollout.drainSeconds`), "
    "and in any case until the gateway has heard that they left it",
    _OVERTAKEN.words: "a rollout is under way, of another revision or other bytes than the wanted ones, or by another "
    "plan (steps, analysis, assignment, slo) than the spec's",
    _REJECTED.words: "its rollout by the present plan was rolled back or aborted, or its promotion is undone, and "
    "nobody has said retry; the revision before then stands for it",
    _STEPPED.words: "`spec.rollout.steps` has a ramp, and the revision is not rejected",
    _RUNNING.words: "its rollout by the present plan is under way; without a revision to run, any that is",
    _ROUTED.words: "a gateway carries the model's HTTPRoute",
    _ENDED.words: "the newest rollout has ended, in whatever way",
    _UNDECIDABLE.words: "`spec.rollout.analysis` asks for evidence, the operator has no ledger, and nobody has sent "
    "the rollout on",
    _ABORTED.words: "`kubectl marquee abort` names this rollout",
    _HARMFUL.words: "the verdict is Rollback, by shown harm or by `onInconclusive`",
    _PAUSED.words: "`spec.rollout.paused`, or `kubectl marquee pause` names this rollout; never when rejected",
    _PASSED.words: "the verdict is Promote; without an analysis: the step's minDurationSeconds are over",
    _FREE.words: "past the step with `approval: Automatic`, or sent on: `kubectl marquee promote` names this rollout "
    "and this step",
    _LAST.words: "no step follows",
    _BY_PODS.words: "it has steps and `spec.traffic` is not set: the Service reaches both arms, and their numbers of "
    "pods are the split",
    _AMONG_OTHERS.words: "there are pods of a revision that neither is wanted nor serves",
    _FULL.words: "the number of pods that it is to have now is what it needs to answer everybody",
    _UNSIGNED.words: "fewer people than `spec.governance.approvals.required` have approved it: docs/governance.md",
    _UNMEASURED.words: "its `spec.slices` do not tell what `spec.governance.fairness` compares, of two groups with "
    "enough rows: docs/governance.md",
    _UNFAIR.words: "groups of an input are further apart than `spec.governance.fairness` lets them be",
    _NEXT.words: "without a rollout, or free to go on from its step",
    _NEW.words: "no revision of the model has ever served",
    _HELD.words: "a PromotionFreeze, `spec.rollout.windows` and `freezes`, or `kubectl marquee freeze` let no revision "
    "get more users at this time",
    _KILLED.words: "`spec.killSwitch.engaged`, or `kubectl marquee kill` and no `unkill` since; the wanted revision is "
    "then the fallback, it is ready when any of its pods is, and steps, pauses and verdicts count for nothing",
    _OPEN.words: "there is a rollout that has not ended, of whatever revision",
}
"""What the words of the facts mean."""

_PREPARE: Final = Move.ENSURE | Move.PRUNE
_WITHDRAW: Final = Move.ENSURE | Move.WITHDRAW
"""Nothing is removed in the same pass: users are on their way from the canary."""

TABLE: Final[tuple[Row, ...]] = (
    Row("judged only", _EXTERNAL & _JUDGEABLE, Phase.EXTERNAL, Cause.RESOLUTION, Move.NONE,
        "nothing is deployed; whoever moves the traffic asks the ledger for verdicts"),
    Row("unjudged", _EXTERNAL, Phase.BLOCKED, Cause.RESOLUTION, Move.NONE,
        "nothing is deployed, and there is no ledger to ask for verdicts"),
    Row("killed", _KILLED & _OPEN, Phase.PREPARING, Reason.KILL_SWITCH, _WITHDRAW,
        "the kill switch ends the rollout, whatever it has shown; the fallback follows", RolloutResult.ABORTED),
    Row("aborted", _RUNNING & _ABORTED, Phase.PREPARING, Reason.ABORTED, _WITHDRAW,
        "a person has ended the rollout", RolloutResult.ABORTED),
    Row("harm", _RUNNING & _HARMFUL, Phase.PREPARING, Cause.EVIDENCE, _WITHDRAW,
        "the evidence says so; readiness is not waited for, nor a revision that spec.revision names",
        RolloutResult.ROLLED_BACK),
    Row("withdrawn", _BLOCKED & _ENDED, Phase.BLOCKED, Cause.RESOLUTION, Move.SETTLE,
        "no usable revision, after a rollout: what an operator that was killed has left undone of its end is done"),
    Row("no revision", _BLOCKED, Phase.BLOCKED, Cause.RESOLUTION, Move.NONE,
        "spec.revision names no usable revision: nothing is touched, what serves keeps serving, weights stay"),
    Row("first unmeasured", _NEW & _UNMEASURED, Phase.BLOCKED, Reason.FAIRNESS_MISSING, Move.NONE,
        "the model's first revision is not deployed before it tells how it does for each group"),
    Row("first unfair", _NEW & _UNFAIR, Phase.BLOCKED, Reason.FAIRNESS_EXCEEDED, Move.NONE,
        "the model's first revision is not deployed while groups are too far apart"),
    Row("first unsigned", _NEW & _UNSIGNED, Phase.BLOCKED, Reason.APPROVALS_MISSING, Move.NONE,
        "the model's first revision is not deployed before people have approved it"),
    Row("superseded", _OVERTAKEN, Phase.PREPARING, Reason.SUPERSEDED, _WITHDRAW,
        "the rollout under way is not the wanted one any more; another one begins after it", RolloutResult.SUPERSEDED),
    Row("canary broken", _RUNNING & ~_READY & _BROKEN, Phase.PREPARING, Reason.CANARY_UNAVAILABLE,
        _WITHDRAW, "the canary's pods say why they cannot serve", RolloutResult.ROLLED_BACK),
    Row("broken", ~_READY & _BROKEN, Phase.FAILED, Cause.DIAGNOSIS, _PREPARE,
        "the wanted revision's pods say why they cannot serve; stable, if any, keeps serving"),
    Row("held up", ~_READY & _HELD_UP, Phase.PREPARING, Cause.DIAGNOSIS, _PREPARE,
        "something that may pass by itself keeps the wanted revision's pods from starting"),
    Row("asleep", ~_BESIDE & _PROVEN & _ASLEEP, Phase.SERVING, Reason.ASLEEP, _PREPARE,
        "nobody needs pods now: KEDA brings them back by the schedule"),
    Row("lost", ~_BESIDE & _PROVEN & ~_AVAILABLE, Phase.PREPARING, Reason.STABLE_UNAVAILABLE, _PREPARE,
        "the serving revision has no available pod"),
    Row("starting", ~_READY & ~_PROVEN, Phase.PREPARING, Reason.PREPARING, _PREPARE,
        "the wanted revision's pods are coming up beside stable"),
    Row("changing", ~_READY, Phase.PREPARING, Reason.SCALING, _PREPARE,
        "the wanted revision has answered before; its pods are being replaced or their number changed"),
    Row("refuted", _REFUTED, Phase.FAILED, Reason.PROBE_FAILED, _PREPARE | Move.PROBE,
        "the pods are ready and their answer is wrong; asked again every 10 seconds"),
    Row("unproven", ~_PROVEN, Phase.PREPARING, Reason.PROBING, _PREPARE | Move.PROBE,
        "the pods are ready; one of them predicts the artifact's example and names the bytes it serves"),
    Row("paused", _BESIDE & _PAUSED, Phase.CANARY, Reason.PAUSED, _PREPARE,
        "who serves, and at which weight, stays until a person goes on"),
    Row("frozen", _BESIDE & ~_REJECTED & _HELD & _NEXT, Phase.CANARY, Reason.FROZEN, _PREPARE,
        "weights stay until the time has come, whoever says promote; harm, abort and undo do not wait"),
    Row("unmeasured", _BESIDE & _UNMEASURED & _NEXT, Phase.CANARY, Reason.FAIRNESS_MISSING, _PREPARE,
        "it gets no users, and no more of them, before it tells how it does for each group; whoever says promote"),
    Row("unfair", _BESIDE & _UNFAIR & _NEXT, Phase.CANARY, Reason.FAIRNESS_EXCEEDED, _PREPARE,
        "it gets no users, and no more of them, while groups are too far apart; whoever says promote"),
    Row("unsigned", _BESIDE & _UNSIGNED & _NEXT, Phase.CANARY, Reason.APPROVALS_MISSING, _PREPARE,
        "people have to approve it before it gets users, and before it gets more; whoever says promote"),
    Row("no ledger", _RAMPED & _UNDECIDABLE, Phase.FAILED, Reason.LEDGER_UNAVAILABLE, _PREPARE,
        "a verdict could never be reached: weights stay as they are"),
    Row("no route", _RAMPED & ~_ROUTED, Phase.PREPARING, Reason.GATEWAY_UNAVAILABLE, _PREPARE,
        "weights mean nothing while no gateway carries the route: they stay as they are"),
    Row("not alone", _RAMPED & ~_RUNNING & _BY_PODS & _AMONG_OTHERS, Phase.PREPARING, Reason.OTHERS_LEAVING, _PREPARE,
        "a Service over both arms would reach the others' pods too: they go first"),
    Row("first step", _RAMPED & ~_RUNNING, Phase.CANARY, Reason.ROLLOUT_STARTED, _PREPARE | Move.BEGIN,
        "the canary is ready: it gets the first step's weight"),
    Row("unapproved", _RUNNING & _PASSED & ~_FREE, Phase.CANARY, Reason.AWAITING_APPROVAL, _PREPARE,
        "the step has what it asks for, and a person has to let the rollout go on"),
    Row("on a step", _RUNNING & ~_FREE, Phase.CANARY, Cause.EVIDENCE, _PREPARE,
        "the step does not have what it asks for yet"),
    Row("next step", _RUNNING & ~_LAST, Phase.CANARY, Reason.STEP_PASSED, _PREPARE | Move.ADVANCE,
        "the canary gets the next step's weight"),
    Row("filling up", _RUNNING & ~_FULL, Phase.CANARY, Reason.STEP_PASSED, _PREPARE | Move.FILL,
        "the last step is passed: the canary gets the pods that it needs alone"),
    Row("proven", _BESIDE, Phase.SWITCHING, Reason.SWITCHING, _PREPARE | Move.SWITCH,
        "all users are given to the wanted revision", RolloutResult.PROMOTED),
    Row("safe", _KILLED, Phase.SERVING, Reason.KILL_SWITCH, _PREPARE,
        "the fallback answers everybody, and no revision gets more users until the kill switch is lifted"),
    Row("rolled back", _REJECTED, Phase.ROLLED_BACK, Cause.RECORD, _PREPARE,
        "the revision that spec.revision names was rejected: stable serves alone until the spec names another"),
    Row("draining", _DRAINING, Phase.DRAINING, Reason.DRAINING, _PREPARE,
        "the previous revision's pods finish what their open connections ask"),
    Row("serving", _ALWAYS, Phase.SERVING, Reason.SERVING, _PREPARE,
        "the wanted revision answers users, with the wanted number of pods"),
)  # fmt: skip


def match(facts: Facts) -> Row:
    """The first row that holds; the last one always does."""
    return next(row for row in TABLE if row.when.holds(facts))
