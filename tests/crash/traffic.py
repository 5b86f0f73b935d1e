"""Whether users could be answered at every moment: Services and routes against the Deployments of that moment.

Judged from the history of one namespace with one model: no moment is missed, as asking now and then would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tests.crash.observatory import Event
from tests.crash.routes import Split, receivers, split_of
from tests.support.kinds import Object

LABEL = "marquee.dev/revision"


def troubles(history: Sequence[Event]) -> list[str]:
    """Everything that was wrong at some moment; empty when all was well."""
    return [*misdirected(history), *misrouted(history), *out_of_order(history)]


def misdirected(history: Iterable[Event]) -> list[str]:
    """Moments at which the model's Service sent users where nobody is, or let a revision without a pod have any."""
    found = []
    deployments: dict[str, Object] = {}
    reached: set[str] = set()
    for event in history:
        if event.kind == "Deployment" and event.gone:
            deployments.pop(event.name, None)
            if event.name in reached:
                found.append(f"{event.version}: {event.name} was removed while users were sent to it")
        elif event.kind == "Deployment":
            deployments[event.name] = event.body
            if len(reached) > 1 and event.name not in reached:
                found.append(f"{event.version}: {event.name} came while the Service took in the pods of all")
        elif event.kind == "Service" and not is_of_an_arm(event.body):
            wanted = set() if event.gone else _selected(event.body, deployments)
            for name in sorted(wanted - reached):
                if name not in deployments:
                    found.append(f"{event.version}: users are sent to {name}, and there is only {sorted(deployments)}")
                elif reached and not _available(deployments[name]):
                    found.append(f"{event.version}: users of {sorted(reached)} are sent to {name}, which has no pod")
            reached = wanted
    return found


def _selected(service: Object, deployments: Mapping[str, Object]) -> set[str]:
    """Revisions whose pods a Service takes in: the one that its selector names, or all that there are."""
    revision = service["spec"]["selector"].get(LABEL)
    return set(deployments) if revision is None else {revision}


def misrouted(history: Iterable[Event]) -> list[str]:
    """Moments at which the gateway was told to send requests to an arm that was not ready, or had no address."""
    found = []
    deployments: dict[str, Object] = {}
    services: set[str] = set()
    reached: set[str] = set()
    for event in history:
        if event.kind == "HTTPRoute":
            now = set() if event.gone else receivers(event.body)
            for name in sorted(now - reached):
                if name not in services:
                    found.append(f"{event.version}: requests go to {name}, and there is no such Service")
                if reached and not _is_ready(deployments.get(name)):  # the first revision's route comes before its pods
                    found.append(f"{event.version}: requests go to {name}, whose pods are not all ready")
            reached = now
            continue
        if event.gone and event.name in reached:
            found.append(f"{event.version}: the {event.kind} of {event.name} was removed while requests went to it")
        if event.kind == "Deployment":
            deployments.pop(event.name, None)
            if not event.gone:
                deployments[event.name] = event.body
        elif is_of_an_arm(event.body):
            services.discard(event.name)
            services |= set() if event.gone else {event.name}
    return found


def out_of_order(history: Iterable[Event]) -> list[str]:
    """Steps of a rollout that came back, or a rollout that came back after it had ended."""
    found = []
    ended: set[str] = set()
    at: Split | None = None
    for event in history:
        if event.kind != "HTTPRoute" or event.gone:
            continue
        now = split_of(event.body)
        if now is not None and now.rollout in ended:
            found.append(f"{event.version}: {now} after its end")
        if at is not None and now is not None and at.rollout == now.rollout:
            if now.step - at.step not in (0, 1) or (now.weight > at.weight) != (now.step > at.step):
                found.append(f"{event.version}: {now} after {at}")
        elif at is not None:
            ended.add(at.rollout)
        at = now
    return found


def is_of_an_arm(service: Object) -> bool:
    """Whether it is the headless Service of one revision, for the gateway alone."""
    return LABEL in service.get("metadata", {}).get("labels", {})


def _is_ready(deployment: Object | None) -> bool:
    """All of its pods are available."""
    return deployment is not None and 0 < deployment["spec"]["replicas"] <= _available(deployment)


def _available(deployment: Object) -> int:
    return int(deployment.get("status", {}).get("availableReplicas", 0))
