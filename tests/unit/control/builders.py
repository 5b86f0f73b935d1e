"""Snapshots for tests of decisions, from the few things that a test is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision, RevisionMetric, RevisionSlice
from marquee.api.scaling import ScalingClass
from marquee.api.types import timestamp
from marquee.contract.holding import ANNOTATION_KILL, Hold
from marquee.control.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from marquee.control.observe import transforms
from marquee.control.render import children, deployment, names, scaling
from marquee.control.snapshot import (
    Child,
    Defaults,
    DeploymentState,
    Keda,
    PodState,
    ProbeResult,
    ScaledObjectState,
    Snapshot,
)
from tests.support import samples

NOW: Final = datetime(2024, 11, 22, 12, 0, 0, tzinfo=UTC)
NAMESPACE: Final = "crm"
MODEL: Final = "churn"
DEFAULTS: Final = Defaults(predictor_image="registry.example.com/predictor:1")
EARLIER: Final = timestamp(NOW - timedelta(hours=1))


def digest_of(revision: str) -> str:
    """A digest that tells revisions apart."""
    return "sha256:" + revision.encode().hex().ljust(64, "0")[:64]


def a_revision(
    name: str, *, of: str = MODEL, age_minutes: int = 60, labels: Mapping[str, str] | None = None
) -> ModelRevision:
    """A stored ModelRevision."""
    body = samples.revision(name, of=of, namespace=NAMESPACE, digest=digest_of(name))
    body["metadata"] |= {
        "uid": f"uid-{name}",
        "labels": dict(labels or {}),
        "creationTimestamp": timestamp(NOW - timedelta(minutes=age_minutes)),
    }
    return ModelRevision.model_validate(body)


def with_slices(revision: ModelRevision, slices: Mapping[str, tuple[int, float]]) -> ModelRevision:
    """The same, which tells rows and auc of groups."""
    told = tuple(
        RevisionSlice(name=name, rows=rows, metrics=(RevisionMetric(name="auc", value=value),))
        for name, (rows, value) in slices.items()
    )
    return revision.model_copy(update={"spec": revision.spec.model_copy(update={"slices": told})})


def a_model(
    *, revision: Mapping[str, Any], proven: str | None = None, generation: int = 1, **spec: Any
) -> MarketingModel:
    """A stored MarketingModel; ``proven`` is the revision of its status.stable."""
    body = samples.model(MODEL, revision="", namespace=NAMESPACE, **spec)
    body["spec"]["revision"] = dict(revision)
    body["metadata"] |= {"uid": "uid-model", "generation": generation, "resourceVersion": "10"}
    if proven is not None:
        arm = {"revision": proven, "digest": digest_of(proven), "since": EARLIER, "replicas": 1, "readyReplicas": 1}
        body["status"] = {"observedGeneration": generation, "stable": arm}
    return MarketingModel.model_validate(body)


def killed(observed: Snapshot) -> Snapshot:
    """The same with the kill switch engaged by a person."""
    text = Hold(on=True, by="anna", reason="prices are wrong", at=NOW.isoformat()).to_text()
    annotations = observed.model.metadata.annotations | {ANNOTATION_KILL: text}
    metadata = observed.model.metadata.model_copy(update={"annotations": annotations})
    return replace(observed, model=observed.model.model_copy(update={"metadata": metadata}))


@dataclass(frozen=True)
class Arm:
    """One revision's Deployment and how far it has come; every pod is listed, unless ``pods`` says else."""

    replicas: int = 1
    ready: int | None = None
    """Pods that are ready; all of them when not given."""
    deleting: bool = False
    deadline_exceeded: bool = False
    creation_failure: str = ""
    image: str = DEFAULTS.predictor_image
    pods: tuple[PodState, ...] | None = None
    updated: int | None = None
    surplus: int = 0
    """Pods of a former template that are still there."""
    observed: bool = True

    @property
    def ready_replicas(self) -> int:
        """Number of ready pods."""
        return self.replicas if self.ready is None else self.ready


READY: Final = Arm()
STARTING: Final = Arm(ready=0)


def a_pod(revision: str, index: int = 0, **fields: Any) -> PodState:
    """A ready pod, but for what the test says."""
    pod = PodState(
        namespace=NAMESPACE,
        name=f"{revision}-{index}",
        model=MODEL,
        uid=f"pod-{revision}-{index}",
        revision=revision,
        ip=f"198.18.0.{index + 10}",
        ready=True,
        deleting=False,
        restarts=0,
        created=timestamp(NOW - timedelta(minutes=30 - index)),
        template="a",
    )
    return replace(pod, **fields)


def a_probe(
    revision: str, *, passed: bool, seconds_ago: float = 1, message: str = "says 3, not 2", index: int = 0
) -> ProbeResult:
    """What a pod of that revision answered."""
    return ProbeResult(
        pod_uid=f"pod-{revision}-{index}",
        passed=passed,
        message="" if passed else message,
        at=NOW - timedelta(seconds=seconds_ago),
    )


def stored(kind: Kind, manifest: Mapping[str, Any], *, deleting: bool = False, generation: int = 1) -> Child:
    """A child as the cache holds it, with nothing added by the server."""
    metadata = dict(manifest["metadata"]) | {"uid": f"uid-{kind.plural}-{manifest['metadata']['name']}"}
    metadata["generation"] = generation
    if deleting:
        metadata["deletionTimestamp"] = EARLIER
    return transforms.child(kind, dict(manifest) | {"metadata": metadata})


@dataclass(frozen=True)
class Switched:
    """The Service's memory of the last switch."""

    previous: str
    seconds_ago: float


def snapshot(
    *,
    wanted: str = "churn-1",
    track: Mapping[str, str] | None = None,
    revisions: tuple[str | ModelRevision, ...] = ("churn-1", "churn-2"),
    others: tuple[ModelRevision, ...] = (),
    stable: str | None = None,
    serving: str | None = None,
    proven: str | None = None,
    arms: Mapping[str, Arm] | None = None,
    probe: ProbeResult | None = None,
    switched: Switched | None = None,
    service_deleting: bool = False,
    defaults: Defaults = DEFAULTS,
    spec_error: str = "",
    generation: int = 1,
    pod: Mapping[str, Any] | None = None,
    keda: Keda | None = None,
    **spec: Any,
) -> Snapshot:
    """A model with its children as the operator itself would have left them.

    Args:
        wanted: ``spec.revision.name``, unless ``track`` is given.
        track: ``spec.revision.track.matchLabels``.
        revisions: The model's ModelRevisions; a name stands for an ordinary one.
        others: Revisions of other models.
        stable: Stands for ``serving`` and ``proven`` of that revision.
        serving: The revision in the Service's selector; None: there is no Service.
        proven: The revision in ``status.stable``.
        arms: Deployments by revision.
        probe: The operator's memory of its last probe.
        switched: The Service's annotations about the last switch.
        service_deleting: Whether the Service is on its way out.
        defaults: The operator's own.
        spec_error: Why the newest spec could not be read.
        generation: Of the model.
        pod: ``spec.serving``, changed since the children were written.
        keda: KEDA, when the cluster has it: it scales the serving revision where the spec says so.
        **spec: Other blocks of the spec.

    """
    serving, proven = serving or stable, proven or stable
    reference = {"track": {"matchLabels": dict(track)}} if track is not None else {"name": wanted}
    model = a_model(revision=reference, proven=proven, generation=generation, **spec)
    known = tuple(a_revision(item) if isinstance(item, str) else item for item in revisions)
    stored_arms = arms or {}
    wished = (
        model if pod is None else a_model(revision=reference, proven=proven, generation=generation, serving=pod, **spec)
    )
    return Snapshot(
        model=wished,
        revisions=known,
        revisions_of_others=others,
        deployments=tuple(_deployment(model, name, arm) for name, arm in stored_arms.items()),
        pods=tuple(pod for name, arm in stored_arms.items() for pod in _pods(name, arm)),
        children=tuple(_children(model, serving, switched, service_deleting=service_deleting)),
        probe=probe,
        defaults=defaults,
        now=NOW,
        spec_error=spec_error,
        keda=keda,
        scaled_objects=tuple(_scaled_objects(model, serving, keda)),
    )


def a_scaled_object(
    model: MarketingModel, revision: str, keda: Keda, *, trouble: str | None = "", floor: int | None = None
) -> ScaledObjectState:
    """A ScaledObject as it is outside of a rollout."""
    arm = scaling.ScaledArm(revision, model.spec.scaling.min_replicas if floor is None else floor)
    return ScaledObjectState(stored(SCALED_OBJECT, scaling.scaled_object(model, arm, keda)), trouble)


def _scaled_objects(model: MarketingModel, serving: str | None, keda: Keda | None) -> Iterator[ScaledObjectState]:
    if keda is not None and serving is not None and model.spec.scaling.class_ is ScalingClass.KEDA:
        yield a_scaled_object(model, serving, keda)


def _deployment(model: MarketingModel, name: str, arm: Arm) -> DeploymentState:
    manifest = deployment.deployment(model, a_revision(name), Defaults(predictor_image=arm.image))
    manifest["spec"]["replicas"] = arm.replicas
    return DeploymentState(
        child=stored(DEPLOYMENT, manifest, deleting=arm.deleting, generation=2),
        replicas=arm.replicas,
        observed_generation=2 if arm.observed else 1,
        updated_replicas=arm.replicas if arm.updated is None else arm.updated,
        ready_replicas=arm.ready_replicas,
        available_replicas=arm.ready_replicas,
        total_replicas=arm.replicas + arm.surplus,
        deadline_exceeded=arm.deadline_exceeded,
        creation_failure=arm.creation_failure,
    )


def _pods(name: str, arm: Arm) -> tuple[PodState, ...]:
    if arm.pods is not None:
        return arm.pods
    return tuple(a_pod(name, index, ready=index < arm.ready_replicas) for index in range(arm.replicas))


def _children(
    model: MarketingModel, serving: str | None, switched: Switched | None, *, service_deleting: bool
) -> list[Child]:
    found = [
        stored(SERVICE_ACCOUNT, children.service_account(model)),
        stored(NETWORK_POLICY, children.network_policy(model)),
        stored(POD_DISRUPTION_BUDGET, children.pod_disruption_budget(model)),
    ]
    if serving is not None:
        annotations = {}
        if switched is not None:
            moment = NOW - timedelta(seconds=switched.seconds_ago)
            annotations = {
                names.ANNOTATION_SWITCHED_AT: moment.isoformat(timespec="milliseconds"),
                names.ANNOTATION_PREVIOUS_REVISION: switched.previous,
            }
        manifest = children.service(model, revision=serving, annotations=annotations)
        found.append(stored(SERVICE, manifest, deleting=service_deleting))
        if (autoscaler := scaling.horizontal_pod_autoscaler(model, revision=serving)) is not None:
            found.append(stored(HORIZONTAL_POD_AUTOSCALER, autoscaler))
    return found
