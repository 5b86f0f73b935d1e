"""What a model of class KEDA is told of its autoscaler: whether it works, and if not, what to do."""

from __future__ import annotations

from marquee.api.conditions import ConditionDraft, ConditionType, Reason
from marquee.api.scaling import ScalingClass
from marquee.control.decide.diagnosing import bounded
from marquee.control.snapshot import Snapshot


def autoscaler_draft(snapshot: Snapshot, serving: str | None) -> ConditionDraft | None:
    """What a model of class KEDA is told of its autoscaler; None: there is nothing to say."""
    scaling = snapshot.model.spec.scaling
    if scaling.class_ is not ScalingClass.KEDA or serving is None:
        return None
    reason, message = _told(snapshot, serving)
    return ConditionDraft(
        type=ConditionType.AUTOSCALER_READY, status=reason is Reason.AUTOSCALING, reason=reason, message=message
    )


def _told(snapshot: Snapshot, serving: str) -> tuple[Reason, str]:
    scaling, keda = snapshot.model.spec.scaling, snapshot.keda
    if keda is None:
        kept = f"the model keeps at least {max(1, scaling.min_replicas)} pods and is not scaled"
        what = f"this cluster does not serve ScaledObjects (keda.sh/v1alpha1): {kept}"
        return Reason.KEDA_UNAVAILABLE, f"{what}; install KEDA, or choose another spec.scaling.class"
    if not keda.demand_url and (scaling.requests_per_second or scaling.concurrency):
        what = "requestsPerSecond and concurrency have no effect: the operator has no address that KEDA could ask"
        return Reason.DEMAND_UNAVAILABLE, f"{what}; install it by the chart, or set MARQUEE_OPERATOR_DEMAND_URL"
    states = [state for state in snapshot.scaled_objects if not state.child.deleting]
    for state in states:
        if state.trouble:
            see = f"see `kubectl describe scaledobject -n {state.namespace} {state.child.name}`"
            return Reason.AUTOSCALER_FAILING, f"KEDA can't scale {state.child.name}: {bounded(state.trouble)}; {see}"
    own = next((state for state in states if state.child.name == serving), None)
    if own is None or own.trouble is None:
        return (
            Reason.AUTOSCALER_PENDING,
            f"KEDA has not answered for ScaledObject {serving} yet; if this lasts: does its operator run?",
        )
    return Reason.AUTOSCALING, f"KEDA scales revision {serving}"
