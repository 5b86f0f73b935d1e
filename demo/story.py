"""The demo, step by step."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path
from typing import Any, Final

import yaml

from demo import canary
from demo.errors import DemoError
from demo.forwarding import call, forwarded
from demo.images import Images, provide_images
from demo.target import Target, find_target, wait_until_ready
from demo.training import Trained, train
from demo.volumes import claims
from localcluster.paths import cache_root
from localcluster.stages import Stages

ROOT: Final = Path(__file__).resolve().parents[1]
RESOURCES: Final = Path(__file__).parent / "resources"
NAMESPACE: Final = "marketing"
SYSTEM: Final = "marquee-system"
MODELS: Final = ("lead-scoring", "customer-value")
SEED: Final = 7
READ_OFTEN: Final = {"evidenceSeconds": 1, "driftSeconds": 2}


def run() -> None:
    """From nothing to two models that answer, and two rollouts that are decided by their evidence."""
    stages = Stages()
    target = find_target(stages)
    images = provide_images(target, stages)
    entrance = canary.find_entrance(target, stages)
    api_key = canary.provide_api_key(target, SYSTEM)
    install(target, images, stages)
    prepare_namespace(target, NAMESPACE, stages)
    for model in MODELS:
        provide_revision(target, model, images, stages)
    canary.forget_rejected(target, NAMESPACE, "lead-scoring", stages)
    target.apply(*(_resource(model, entrance) for model in MODELS))
    for model in MODELS:
        wait_until_ready(target, model, NAMESPACE)
        stages.say(f"model {model}: ready")
    _show(target)
    if entrance is None:
        stages.say("rollouts: left out, no gateway; name one: MARQUEE_GATEWAY=NAMESPACE/NAME=http://ADDRESS make demo")
    else:
        with forwarded(target, "lead-scoring", NAMESPACE) as url:
            inputs = _example(call(f"{url}/openapi.json"))
        canary.play(canary.Stage(target, entrance, SYSTEM, api_key, inputs, stages), NAMESPACE, "lead-scoring")
    print(_next_commands(target))


def _resource(model: str, entrance: canary.Entrance | None) -> dict[str, Any]:
    """The MarketingModel; lead scoring with its ramp, where there is a gateway that can split its traffic."""
    body: dict[str, Any] = yaml.safe_load((RESOURCES / f"{model}.yaml").read_text())
    return canary.with_ramp(body, entrance) if model == "lead-scoring" and entrance is not None else body


def install(target: Target, images: Images, stages: Stages, **overrides: Any) -> None:
    """Install or upgrade the chart, and wait for the operator and the ledger.

    A demo's book may go with its pod: not every cluster has a storage class. Evidence and drift are read often, since a
    demo's steps last seconds.
    """
    ledger = {"persistence": {"enabled": False}, "apiKeysSecret": canary.API_KEYS}
    target.helm(
        "upgrade", "--install", "marquee", str(ROOT / "helm" / "marquee"),
        "--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "180s",
        values=images.chart_values() | {"ledger": ledger, "operator": READ_OFTEN} | overrides,
    )  # fmt: skip
    stages.say(f"operator: installed by Helm into namespace {SYSTEM}")


def prepare_namespace(target: Target, namespace: str, stages: Stages) -> None:
    """A namespace that admits only restricted pods, with claims for artifacts and training data."""
    data = cache_root() / "data"
    if target.local is not None:
        fetch_training_data(data)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    target.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}},
        *claims(target, namespace, data),
    )
    stages.say(f"namespace {namespace}: ready")


def fetch_training_data(folder: Path) -> None:
    """Fetch the public data sets into the cache: pods of the local cluster reach nothing outside of it."""
    from models.data import caravan, cdnow

    caravan.load(folder)
    cdnow.load(folder, "master")
    cdnow.load(folder, "sample")


def provide_revision(target: Target, model: str, images: Images, stages: Stages) -> None:
    """Train the model's first revision on the cluster, unless an earlier run of the demo has."""
    name = f"{model}-v1"
    if target.get("modelrevision", name, NAMESPACE) is not None:
        stages.say(f"revision {name}: was trained before")
        return
    trained = train(target, use_case=model, revision=name, namespace=NAMESPACE, image=images.trainer, seed=SEED)
    target.apply(revision(name, model, NAMESPACE, trained))
    told = ", ".join(f"{key} {value:.4g}" for key, value in sorted(trained.metrics.items())[:6])
    stages.say(f"revision {name}: trained on the cluster ({told})")


def revision(name: str, model: str, namespace: str, trained: Trained) -> dict[str, Any]:
    """The ModelRevision of a training run."""
    return {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "ModelRevision",
        "metadata": {"name": name, "namespace": namespace, "labels": {"channel": "production"}},
        "spec": {"model": model, "artifact": {"uri": trained.uri, "digest": trained.digest}},
    }


def _show(target: Target) -> None:
    print("\nWhat was deployed\n")
    print(target.kubectl("get", "marketingmodels,modelrevisions", "-n", NAMESPACE))
    print(target.kubectl("get", "deployments,services,horizontalpodautoscalers,pods", "-n", NAMESPACE))
    for model in MODELS:
        with forwarded(target, model, NAMESPACE) as url:
            example = _example(call(f"{url}/openapi.json"))
            print(f"A real prediction by {model}\n")
            print("\n".join(textwrap.wrap(f"POST /predict {json.dumps({'inputs': example})}", width=110)), "\n")
            print(f"{json.dumps(call(f'{url}/predict', {'inputs': example}), indent=2)}\n")


def _example(document: dict[str, Any]) -> dict[str, Any]:
    """The example row that the service's own API description gives."""
    schemas = document["components"]["schemas"].values()
    found = next((schema["examples"][0] for schema in schemas if "examples" in schema), None)
    if found is None:
        raise DemoError("the service's /openapi.json has no example of its inputs")
    return dict(found.get("inputs", found))


def _next_commands(target: Target) -> str:
    export = ""
    if os.environ.get("KUBECONFIG", "") != str(target.kubeconfig):
        export = f"  export KUBECONFIG={target.kubeconfig}\n"
    return (
        "Try next\n\n"
        f"{export}"
        f"  kubectl get mm -n {NAMESPACE} -o wide\n"
        f"  kubectl describe mm lead-scoring -n {NAMESPACE}\n"
        f"  kubectl port-forward -n {NAMESPACE} service/lead-scoring 8080:80 &\n"
        "  curl -s localhost:8080/v2/models/lead-scoring\n"
        f"  kubectl marquee status lead-scoring -n {NAMESPACE}   # with {Path(sys.executable).parent} on PATH\n"
        f"  kubectl marquee why lead-scoring -n {NAMESPACE}\n"
        f"  kubectl scale mm customer-value -n {NAMESPACE} --replicas=3\n"
        "  make clean      # stops the local cluster and removes what was built here\n"
    )
