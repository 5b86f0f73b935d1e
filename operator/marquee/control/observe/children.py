"""The informers of what Marquee has made, and which of it belongs to a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from marquee.control.cluster.connection import Connection
from marquee.control.cluster.informer import Informer
from marquee.control.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    JOB,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    TRAIN_JOB,
    TRAINING_RUNTIME,
    Kind,
)
from marquee.control.observe import transforms
from marquee.control.render.names import MANAGED_SELECTOR, TRAINER_SELECTOR
from marquee.control.snapshot import (
    Child,
    DeploymentState,
    JobState,
    ModelKey,
    PodState,
    RouteState,
    ScaledObjectState,
    TrainerPodState,
)

PLAIN_KINDS = (SERVICE, SERVICE_ACCOUNT, POD_DISRUPTION_BUDGET, NETWORK_POLICY, HORIZONTAL_POD_AUTOSCALER)


class Managed(Protocol):
    """What every cached object can say about itself."""

    @property
    def namespace(self) -> str:
        """Where it is."""
        ...

    @property
    def model(self) -> str:
        """Whose it is."""
        ...


@dataclass(frozen=True, slots=True)
class Owned:
    """One model's children."""

    deployments: tuple[DeploymentState, ...]
    pods: tuple[PodState, ...]
    others: tuple[Child, ...]
    route: RouteState | None = None
    scaled_objects: tuple[ScaledObjectState, ...] = ()
    jobs: tuple[JobState, ...] = ()
    training_runtimes: tuple[Child, ...] = ()
    trainer_pods: tuple[TrainerPodState, ...] = ()


_OPTIONAL: Final = (HTTP_ROUTE, SCALED_OBJECT, TRAIN_JOB, TRAINING_RUNTIME)
"""A cluster without the Gateway API, KEDA or Kubeflow Trainer serves models all the same."""

_TRANSFORMS: Final[Mapping[Kind, Callable[[Kind, dict[str, Any]], Managed]]] = {
    DEPLOYMENT: transforms.deployment,
    POD: transforms.pod,
    JOB: transforms.job,
    TRAIN_JOB: transforms.job,
    HTTP_ROUTE: transforms.route,
    SCALED_OBJECT: transforms.scaled_object,
}


class Children:
    """One informer a kind, for the objects that carry Marquee's label.

    Args:
        connection: The API server.
        namespaces: Where to watch; empty for the whole cluster.
        on_change: Called with (namespace, model) when a child of that model appears, changes or goes.

    """

    def __init__(
        self, connection: Connection, namespaces: tuple[str, ...], on_change: Callable[[ModelKey], None]
    ) -> None:
        self._on_change = on_change
        self._informers: dict[Kind, dict[str | None, Informer[Any]]] = {
            kind: {scope: self._informer(connection, kind, scope) for scope in namespaces or (None,)}
            for kind in (DEPLOYMENT, POD, JOB, *_OPTIONAL, *PLAIN_KINDS)
        }
        self._trainers: dict[str | None, Informer[TrainerPodState]] = {
            scope: Informer(
                connection,
                POD,
                label_selector=TRAINER_SELECTOR,
                namespace=scope,
                transform=partial(transforms.trainer_pod, POD),
                index=transforms.trained_model_of,
                on_change=self._changed,
            )
            for scope in namespaces or (None,)
        }

    async def run(self) -> None:
        """Keep all caches current, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self.informers():
                group.create_task(informer.run())

    async def wait_until_synced(self) -> None:
        """Return when every cache holds what the API server held at the start."""
        for informer in self.informers():
            await informer.synced.wait()

    def informers(self) -> list[Informer[Any]]:
        """All of them, for probes and metrics."""
        found = [informer for scopes in self._informers.values() for informer in scopes.values()]
        return [*found, *self._trainers.values()]

    def of(self, namespace: str, model: str, *, owner_uid: str) -> Owned:
        """A model's children. What a former model of the same name has left behind is not among them."""
        deployments: list[DeploymentState] = self._scope(DEPLOYMENT, namespace).select(namespace, model)
        pods: list[PodState] = self._scope(POD, namespace).select(namespace, model)
        others: list[Child] = [
            child for kind in PLAIN_KINDS for child in self._scope(kind, namespace).select(namespace, model)
        ]
        scaled: list[ScaledObjectState] = self._scope(SCALED_OBJECT, namespace).select(namespace, model)
        routes: list[RouteState] = self._scope(HTTP_ROUTE, namespace).select(namespace, model)
        jobs: list[JobState] = [
            state for kind in (JOB, TRAIN_JOB) for state in self._scope(kind, namespace).select(namespace, model)
        ]
        runtimes: list[Child] = self._scope(TRAINING_RUNTIME, namespace).select(namespace, model)
        trainers = self._trainers[namespace if namespace in self._trainers else None]
        return Owned(
            deployments=tuple(state for state in deployments if state.child.owner_uid == owner_uid),
            pods=tuple(pods),
            others=tuple(child for child in others if child.owner_uid == owner_uid),
            route=next((state for state in routes if state.child.owner_uid == owner_uid), None),
            scaled_objects=tuple(state for state in scaled if state.child.owner_uid == owner_uid),
            jobs=tuple(state for state in jobs if state.child.owner_uid == owner_uid),
            training_runtimes=tuple(child for child in runtimes if child.owner_uid == owner_uid),
            trainer_pods=tuple(trainers.select(namespace, model)),
        )

    def pods_of(self, namespace: str, model: str) -> list[PodState]:
        """The pods of a model."""
        return list(self._scope(POD, namespace).select(namespace, model))

    def deployments_of(self, namespace: str, model: str) -> list[DeploymentState]:
        """The Deployments of a model."""
        return list(self._scope(DEPLOYMENT, namespace).select(namespace, model))

    def serves(self, kind: Kind) -> bool:
        """Whether the API server has that kind, as far as is known."""
        return all(informer.served for informer in self._informers[kind].values())

    def write_back(self, kind: Kind, body: dict[str, Any]) -> None:
        """Take the server's reply to our own write."""
        self._scope(kind, body["metadata"]["namespace"]).write_back(body)

    def _scope(self, kind: Kind, namespace: str) -> Informer[Any]:
        """The informer that watches that namespace."""
        scopes = self._informers[kind]
        return scopes[namespace] if namespace in scopes else scopes[None]

    def _informer(self, connection: Connection, kind: Kind, namespace: str | None) -> Informer[Any]:
        transform: Callable[[Kind, dict[str, Any]], Managed]
        transform = _TRANSFORMS.get(kind, transforms.child)
        return Informer(
            connection,
            kind,
            label_selector=MANAGED_SELECTOR,
            namespace=namespace,
            optional=kind in _OPTIONAL,
            transform=partial(transform, kind),
            index=transforms.model_of,
            on_change=self._changed,
        )

    def _changed(self, old: Managed | None, new: Managed | None) -> None:
        if old is not new and old == new:
            return  # what changed is nothing that we keep: a heartbeat in a status, another manager's bookkeeping
        changed = new if new is not None else old
        if changed is not None:
            self._on_change((changed.namespace, changed.model))
