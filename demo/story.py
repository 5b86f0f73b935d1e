"""The demo, step by step."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any, Final

import yaml

from demo.errors import DemoError
from demo.forwarding import call, forwarded
from demo.images import Images, provide_images
from demo.target import Target, find_target, wait_for
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


def run() -> None:
    """From nothing to two models that answer."""
    stages = Stages()
    target = find_target(stages)
    images = provide_images(target, stages)
    install(target, images, stages)
    prepare_namespace(target, NAMESPACE, stages)
    for model in MODELS:
        provide_revision(target, model, images, stages)
    target.apply(*(yaml.safe_load((RESOURCES / f"{model}.yaml").read_text()) for model in MODELS))
    for model in MODELS:
        wait_until_ready(target, model, NAMESPACE)
        stages.say(f"model {model}: ready")
    _show(target)


def install(target: Target, images: Images, stages: Stages, **overrides: Any) -> None:
    """Install or upgrade the chart, and wait for the operator."""
    target.helm(
        "upgrade", "--install", "marquee", str(ROOT / "helm" / "marquee"),
        "--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "180s",
        values=images.chart_values() | overrides,
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


def wait_until_ready(target: Target, model: str, namespace: str, *, timeout_seconds: float = 180) -> None:
    """Wait for the model's Ready condition.

    Raises:
        DemoError: it did not come in time; says what the conditions say.

    """

    def ready() -> bool | None:
        found = target.get("marketingmodel", model, namespace) or {}
        conditions = found.get("status", {}).get("conditions", [])
        current = [c for c in conditions if c["observedGeneration"] == found["metadata"]["generation"]]
        return True if any(c["type"] == "Ready" and c["status"] == "True" for c in current) else None

    try:
        wait_for(f"model {model}", ready, timeout_seconds=timeout_seconds)
    except DemoError as error:
        described = target.kubectl("describe", "marketingmodel", model, "-n", namespace)
        raise DemoError(f"{error}\n{described}") from None


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
    print(_next_commands(target))


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
        f"  kubectl scale mm customer-value -n {NAMESPACE} --replicas=3\n"
        "  make clean      # stops the local cluster and removes what was built here\n"
    )
