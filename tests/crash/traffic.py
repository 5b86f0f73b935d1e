"""Whether users could be answered at every moment: each version of a Service against the Deployments of that moment."""

from __future__ import annotations

from collections.abc import Iterable

from tests.crash.observatory import Event
from tests.support.kinds import Object

LABEL = "marquee.dev/revision"


def troubles(history: Iterable[Event]) -> list[str]:
    """Moments at which users were sent where nobody is, or moved to a revision without a pod; empty when all is well.

    Judged from the history of one namespace with one model: no moment is missed, as asking now and then would.
    """
    found = []
    deployments: dict[str, Object] = {}
    pointed: str | None = None
    for event in history:
        if event.kind == "Deployment":
            if event.gone:
                deployments.pop(event.name, None)
                if event.name == pointed:
                    found.append(f"{event.version}: {event.name} was removed while users were sent to it")
            else:
                deployments[event.name] = event.body
            continue
        wanted = None if event.gone else str(event.body["spec"]["selector"][LABEL])
        if wanted is not None and wanted not in deployments:
            found.append(f"{event.version}: users are sent to {wanted}, and there is only {sorted(deployments)}")
        elif wanted is not None and pointed not in (None, wanted) and not _available(deployments[wanted]):
            found.append(f"{event.version}: users are moved from {pointed} to {wanted}, which has no pod")
        pointed = wanted
    return found


def _available(deployment: Object) -> int:
    return int(deployment.get("status", {}).get("availableReplicas", 0))
