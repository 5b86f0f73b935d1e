"""A cluster small enough for property tests: an API server of dictionaries, controllers and kubelets of a few lines.

It adds defaults as the real API server does, keeps fields that others own, replaces pods one by one when a
template changes, and carries out plans write by write, so that a test can stop the operator after any of them.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, cast

import orjson

from marquee.api.types import timestamp
from marquee.contract.pod import Failure, FailureReason
from marquee.control.decide import decide
from marquee.control.decide.plan import Apply, Declare, Delete, Entry, Plan, Probe, Scale, Stamp
from marquee.control.kinds import DEPLOYMENT, HTTP_ROUTE, POD, SCALED_OBJECT, SERVICE, Kind
from marquee.control.observe import transforms
from marquee.control.observe.children import Children, Owned
from marquee.control.observe.observer import Observer
from marquee.control.observe.resources import Resources
from marquee.control.render import names
from marquee.control.snapshot import Defaults, Keda, ProbeResult, Reading, Snapshot
from tests.support import samples
from tests.unit.control.builders import DEFAULTS, MODEL, NAMESPACE, NOW, digest_of

Body = dict[str, Any]
ObjectKey = tuple[Kind, str]
SETTLE_ROUNDS: Final = 80
QUIET_ROUNDS: Final = 3
_OF_THEIR_OWN: Final = (DEPLOYMENT, HTTP_ROUTE, SCALED_OBJECT)
"""Kinds of which the status is read too."""


class Behaviour(Enum):
    """What becomes of a revision's pods."""

    GOOD = "ready and right"
    WRONG = "ready, and the probe's answer is wrong"
    BROKEN = "ends itself with a reason"
    SILENT = "never ready, and never says why"


class OperatorKilled(Exception):  # noqa: N818 - what happened, not an error of the test
    """The operator died between two writes."""


@dataclass
class World:
    """One model in one namespace, and an operator that may die at any write."""

    defaults: Defaults = DEFAULTS
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    now: datetime = NOW
    model: Body = field(default_factory=dict)
    revisions: dict[str, Body] = field(default_factory=dict)
    objects: dict[ObjectKey, Body] = field(default_factory=dict)
    pods: dict[str, Body] = field(default_factory=dict)
    probe: ProbeResult | None = None
    writes: list[str] = field(default_factory=list)
    verified: set[str] = field(default_factory=set)
    """Revisions of which a pod has passed a probe, ever."""
    first_served: set[str] = field(default_factory=set)
    """Revisions that the Service was made for while none had ever served."""
    keda: Keda | None = None
    """None: the cluster has none."""
    wished: dict[str, int] = field(default_factory=dict)
    """Pods of a revision that KEDA's triggers come to; 0 unless given."""
    kills: int = 0
    """How often the operator was killed because its writes were used up."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _writes_left: int | None = None

    def __post_init__(self) -> None:
        body = samples.model(MODEL, revision="churn-1", namespace=NAMESPACE)
        body["metadata"] |= {"uid": "uid-model", "generation": 1, "resourceVersion": self._next()}
        self.model = body

    # what people do

    def set_spec(self, **blocks: Any) -> None:
        """Edit the model."""
        self.model["spec"] |= blocks
        self.model["metadata"]["generation"] += 1
        self.model["metadata"]["resourceVersion"] = self._next()

    def add_revision(self, name: str, behaviour: Behaviour = Behaviour.GOOD) -> None:
        """Create a ModelRevision; what its pods do is settled for good, since it is immutable."""
        self.behaviours.setdefault(name, behaviour)
        body = samples.revision(name, of=MODEL, namespace=NAMESPACE, digest=digest_of(name))
        body["metadata"] |= {"uid": self._next(), "creationTimestamp": timestamp(self.now)}
        self.revisions[name] = body

    def remove(self, kind: Kind, name: str) -> None:
        """Somebody deletes one of our objects."""
        self.objects.pop((kind, name), None)
        if kind == DEPLOYMENT:
            self.pods = {key: pod for key, pod in self.pods.items() if _label(pod, names.LABEL_REVISION) != name}

    # what is

    @property
    def serving(self) -> str | None:
        """The revision that users reach."""
        service = self.objects.get((SERVICE, MODEL))
        return None if service is None else service["spec"]["selector"][names.LABEL_REVISION]

    @property
    def phase(self) -> str:
        """The status that the operator wrote last."""
        return str(self.model.get("status", {}).get("phase", ""))

    def deployments(self) -> set[str]:
        """Names of the Deployments."""
        return {name for kind, name in self.objects if kind == DEPLOYMENT}

    def ready_pods(self, revision: str) -> int:
        """Pods of a revision that take requests."""
        return sum(_is_ready(pod) for pod in self._pods_of(revision))

    def reading(self) -> Reading | None:
        """What the operator knows of the ledger; None: it has none."""
        return None

    def snapshot(self) -> Snapshot:
        """What the operator would observe, through its own caches and transforms."""
        resources = Resources()
        resources.put_model(_copy(self.model))
        for body in self.revisions.values():
            resources.put_revision(body)
        observer = Observer(
            resources,
            cast("Children", _Cache(self)),
            lambda _: self.probe,
            self.defaults,
            lambda: self.now,
            keda=self.keda or Keda(),
        )
        observed = observer.observe((NAMESPACE, MODEL))
        assert observed is not None
        return replace(observed, ledger=self.reading())

    # what the operator does

    def reconcile(self, *, die_after: int | None = None) -> Plan:
        """One pass; with ``die_after`` the operator is killed after so many writes, and a new one starts."""
        self._writes_left, written = die_after, len(self.writes)
        plan = decide(self.snapshot())
        try:
            self._act(plan)
            if plan.probe is not None:  # the answer changes the decision
                plan = decide(self.snapshot())
                self._act(plan)
        except OperatorKilled:
            # what a service refuses ends a pass like a kill, with writes left
            self.kills += len(self.writes) - written == die_after
            self.restart_operator()
        return plan

    def restart_operator(self) -> None:
        """What was only in memory is gone."""
        self.probe = None

    def _act(self, plan: Plan) -> None:
        if plan.declare is not None:
            self._declare(plan.declare)
        if plan.stamp is not None:
            self._stamp(plan.stamp)
        if plan.entries:
            self._enter(plan.entries)
        for apply in plan.applies:
            self._apply(apply)
        for scale in plan.scales:
            self._scale(scale)
        if plan.probe is not None:
            self._probe(plan.probe)
        for delete in plan.deletes:
            self._delete(delete)
        if plan.end_stamping is not None:
            self._end_stamping(plan.end_stamping)
        status = plan.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        if plan.probe is None and status != self.model.get("status"):
            self._write("status")
            self.model["status"] = status

    def _write(self, what: str) -> None:
        if self._writes_left is not None:
            if self._writes_left == 0:
                raise OperatorKilled
            self._writes_left -= 1
        self.writes.append(what)

    def _declare(self, declare: Declare) -> None:
        raise AssertionError(f"there is no ledger to declare {declare.rollout} to")

    def _stamp(self, stamp: Stamp) -> None:
        raise AssertionError(f"there is no ledger to tell of a step of {stamp.rollout}")

    def _enter(self, entries: tuple[Entry, ...]) -> None:
        raise AssertionError(f"there is no audit log to enter {entries[-1].decision} in")

    def _end_stamping(self, rollout: str) -> None:
        raise AssertionError(f"there is no ledger to tell of the end of {rollout}")

    def _apply(self, apply: Apply) -> None:
        key = (apply.kind, apply.manifest["metadata"]["name"])
        self._write(f"apply {apply.kind.kind} {key[1]}")
        old = self.objects.get(key)
        if key == (SERVICE, MODEL) and old is None and "stable" not in self.model.get("status", {}):
            self.first_served.add(apply.manifest["spec"]["selector"][names.LABEL_REVISION])
        new = with_defaults(apply.kind, apply.manifest)
        new["metadata"]["uid"] = old["metadata"]["uid"] if old else self._next()
        if apply.kind == DEPLOYMENT:
            new["spec"]["replicas"] = old["spec"]["replicas"] if old else 1
        generation = old["metadata"]["generation"] if old else 0
        is_changed = old is None or old.get("spec") != new.get("spec")
        new["metadata"]["generation"] = generation + is_changed
        new["status"] = old.get("status", {}) if old else {}
        self.objects[key] = new

    def _scale(self, scale: Scale) -> None:
        self._write(f"scale {scale.name} to {scale.replicas}")
        body = self.objects[DEPLOYMENT, scale.name]
        body["spec"]["replicas"] = scale.replicas
        body["metadata"]["generation"] += 1

    def _delete(self, delete: Delete) -> None:
        self._write(f"delete {delete.kind.kind} {delete.name}")
        known = self.objects.get((delete.kind, delete.name))
        if known is not None and known["metadata"]["uid"] == delete.uid:
            self.remove(delete.kind, delete.name)

    def _probe(self, probe: Probe) -> None:
        pod = next(body for body in self.pods.values() if body["metadata"]["uid"] == probe.pod_uid)
        revision = _label(pod, names.LABEL_REVISION)
        passed = self.behaviours[revision] is Behaviour.GOOD and revision == probe.revision
        if passed:
            self.verified.add(revision)
        message = "" if passed else "the pod serves digest 'x', not 'y'"
        self.probe = ProbeResult(pod_uid=probe.pod_uid, passed=passed, message=message, at=self.now)

    # what the cluster does

    def tick(self, seconds: float = 1) -> bool:
        """Controllers and kubelets take one step; returns whether anything changed."""
        before = orjson.dumps([list(self.objects.values()), self.pods], option=orjson.OPT_SORT_KEYS)
        self.now += timedelta(seconds=seconds)
        self.pods = {name: pod for name, pod in self.pods.items() if "deletionTimestamp" not in pod["metadata"]}
        for pod in self.pods.values():
            self._run(pod)
        for kind, name in list(self.objects):
            if kind == DEPLOYMENT:
                self._roll(name)
            if kind == SCALED_OBJECT and self.keda is not None:
                self._autoscale(name)
        return before != orjson.dumps([list(self.objects.values()), self.pods], option=orjson.OPT_SORT_KEYS)

    def _autoscale(self, name: str) -> None:
        """One step of KEDA and the autoscaler that it makes."""
        scaled = self.objects[SCALED_OBJECT, name]
        scaled["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
        spec, target = scaled["spec"], self.objects.get((DEPLOYMENT, scaled["spec"]["scaleTargetRef"]["name"]))
        if target is None:
            return
        now = target["spec"]["replicas"]
        number = min(max(self.wished.get(name, 0), spec["minReplicaCount"]), spec["maxReplicaCount"])
        if "advanced" in spec and number < now:  # the only rules that these models ever have: it is held
            number = now
        if number != now:
            target["spec"]["replicas"] = number
            target["metadata"]["generation"] += 1

    def settle(self) -> None:
        """Let everybody work until nothing happens any more, however much time passes."""
        quiet = 0
        for _ in range(SETTLE_ROUNDS):
            written = len(self.writes)
            plan = self.reconcile()
            changed = self.tick(seconds=plan.requeue_after_seconds or 1)
            quiet = 0 if changed or len(self.writes) != written else quiet + 1
            if quiet == QUIET_ROUNDS:
                return
        raise AssertionError(f"still at work after {SETTLE_ROUNDS} rounds: {self.writes[-10:]}")

    def _run(self, pod: Body) -> None:
        """One step of a kubelet."""
        behaviour = self.behaviours[_label(pod, names.LABEL_REVISION)]
        ready = behaviour in (Behaviour.GOOD, Behaviour.WRONG) and self._is_up(pod)
        pod["status"]["conditions"] = [{"type": "Ready", "status": "True" if ready else "False"}]
        if behaviour is Behaviour.BROKEN:
            failure = Failure(reason=FailureReason.DIGEST_MISMATCH, message="manifest.json has another digest")
            terminated = {"reason": "Error", "exitCode": 78, "message": failure.to_text()}
            pod["status"]["containerStatuses"] = [
                {"name": "predictor", "restartCount": 1, "lastState": {"terminated": terminated}, "state": {}}
            ]

    def _is_up(self, _: Body) -> bool:
        """Whether nothing from outside keeps a pod from answering."""
        return True

    def _roll(self, name: str) -> None:
        """One step of the Deployment controller: surge 1, unavailable 0."""
        body = self.objects[DEPLOYMENT, name]
        wanted, template = body["spec"]["replicas"], _hash(body["spec"]["template"])
        pods = self._pods_of(name)
        current = [pod for pod in pods if _label(pod, "pod-template-hash") == template]
        former = [pod for pod in pods if pod not in current]
        if len(current) < wanted and len(pods) <= wanted:
            self._start_pod(name, body["spec"]["template"], template)
        elif former and (not all(map(_is_ready, former)) or sum(map(_is_ready, pods)) > wanted):
            self._stop_pod(min(former, key=_is_ready))
        elif len(current) > wanted and not former:
            self._stop_pod(min(current, key=_is_ready))
        self._report(name, template)

    def _report(self, name: str, template: str) -> None:
        body = self.objects[DEPLOYMENT, name]
        pods = self._pods_of(name)
        body["status"] = {
            "observedGeneration": body["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": sum(_label(pod, "pod-template-hash") == template for pod in pods),
            "readyReplicas": sum(map(_is_ready, pods)),
            "availableReplicas": sum(map(_is_ready, pods)),
        }

    def _start_pod(self, revision: str, template: Body, template_hash: str) -> None:
        number = self._next()
        labels = template["metadata"]["labels"] | {"pod-template-hash": template_hash}
        self.pods[f"{revision}-{number}"] = {
            "metadata": {
                "name": f"{revision}-{number}",
                "namespace": NAMESPACE,
                "uid": f"pod-{number}",
                "labels": labels,
                "creationTimestamp": timestamp(self.now),
            },
            "status": {"podIP": "198.18.0.9", "conditions": []},
        }

    def _stop_pod(self, pod: Body) -> None:
        pod["metadata"]["deletionTimestamp"] = timestamp(self.now)

    def _pods_of(self, revision: str) -> list[Body]:
        return [
            pod
            for pod in self.pods.values()
            if _label(pod, names.LABEL_REVISION) == revision and "deletionTimestamp" not in pod["metadata"]
        ]

    def _next(self) -> str:
        return str(next(self._numbers))


@dataclass(frozen=True)
class _Cache:
    """What the informers would hold: stands in for `Children`."""

    world: World

    def of(self, namespace: str, model: str, *, owner_uid: str) -> Owned:
        """Everything, as the transforms keep it."""
        assert (namespace, model, owner_uid) == (NAMESPACE, MODEL, "uid-model")
        objects = self.world.objects.items()
        return Owned(
            deployments=tuple(transforms.deployment(kind, body) for (kind, _), body in objects if kind == DEPLOYMENT),
            pods=tuple(transforms.pod(POD, body) for body in self.world.pods.values()),
            others=tuple(transforms.child(kind, body) for (kind, _), body in objects if kind not in _OF_THEIR_OWN),
            scaled_objects=tuple(
                transforms.scaled_object(kind, body) for (kind, _), body in objects if kind == SCALED_OBJECT
            ),
            route=next((transforms.route(kind, body) for (kind, _), body in objects if kind == HTTP_ROUTE), None),
        )

    def serves(self, kind: Kind) -> bool:
        """Whether the cluster has that kind."""
        return kind != SCALED_OBJECT or self.world.keda is not None


def _label(body: Body, key: str) -> str:
    return str(body["metadata"]["labels"].get(key, ""))


def _is_ready(pod: Body) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"])


def _hash(template: Body) -> str:
    return hashlib.sha256(orjson.dumps(template, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]


def with_defaults(kind: Kind, manifest: Body) -> Body:
    """The manifest as the API server stores it: the defaults that it adds to each kind, and quantities in its words."""
    body = _copy(manifest)
    if kind == DEPLOYMENT:
        pod = body["spec"]["template"]["spec"]
        pod |= {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"}
        for container in pod["containers"]:
            container |= {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}
            container["env"].append({"name": "INJECTED", "value": "by admission"})
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                container[probe] |= {"successThreshold": 1}
                container[probe]["httpGet"]["scheme"] = "HTTP"
            for amounts in container["resources"].values():
                amounts |= {
                    name: {"1000m": "1", "0.5": "500m"}.get(str(value), value) for name, value in amounts.items()
                }
    if kind == SERVICE:
        added = {"clusterIP": "198.18.64.7", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster"}
        body["spec"] = added | body["spec"]
    return body


def _copy(body: Body) -> Body:
    """As it is after it has been sent, in a fraction of the time that a deep copy of objects takes."""
    copied: Body = orjson.loads(orjson.dumps(body))
    return copied
