"""What the other rules of an object ask for once one value of it has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Body = dict[str, Any]
Place = tuple[str | int, ...]
"""Keys and indexes from the object to one value in it."""


def settle(body: Body, place: Place) -> None:
    """Change what stands around ``place`` so that only the value there can be what a refusal is about."""
    match place:
        case ("spec", "retraining", "run", "nodes"):
            body["spec"]["retraining"]["run"].pop("processesPerNode", None)
        case ("spec", "model"):
            body["metadata"]["name"] = f"{body['spec']['model']}-1"
        case ("spec", "serving", *_, "resources", "requests"):
            body["spec"]["scaling"] = {"class": "None"}
        case ("spec", "serving", *inner):
            _serving(body["spec"]["serving"], inner)
        case ("spec", "privacy", "consent", "proof"):
            _proof(body["spec"]["privacy"]["consent"])
        case ("spec", "scaling", *inner):
            _scaling(body["spec"]["scaling"], inner)
        case ("spec", "traffic", "assignment", "unit"):
            body["spec"]["traffic"]["assignment"]["holdoutPercent"] = 0
        case ("spec", "drift", "performance", "kind"):
            body["spec"]["drift"]["performance"].pop("cap", None)
        case ("spec", "rollout", *inner):
            _rollout(body["spec"]["rollout"], inner)


def beside_others(item: Any, index: int) -> Any:
    """The item with a name, or a weight, of its own: for lists that have each once, or in order."""
    match item:
        case "Mon":
            return item
        case "profiling" | "product-development":
            return f"{item}-{index}"
        case str():
            return f"{index}.{item}"
        case {"type": _, "status": _}:
            return item | {"type": f"Condition{index}"}
        case {"name": _, "count": _}:
            return item | {"name": f"limit{index}"}
        case {"name": _, "direction": _} | {"name": _, "value": _} | {"name": _, "rows": _}:
            return item | {"name": f"metric_{index}" + ("=value" if "rows" in item else "")}
        case {"input": _}:
            return item | {"input": f"input_{index}"}
        case {"weight": _}:
            return item | {"weight": index + 1}
        case {"metric": "Outcome"}:
            return item | {"outcome": f"outcome-{index}"}
    return item


def _serving(serving: Body, changed: Sequence[str | int]) -> None:
    """One way to GPUs, and GPUs for the instances that run on them."""
    match changed:
        case ["triton", *inner]:
            _triton(serving["triton"], inner)
            _gpus(serving)
        case ["gpu", "resourceClaimTemplateName"]:
            serving["gpu"].pop("resource", None)


def _proof(consent: Body) -> None:
    """Keys for tokens, and for tokens alone."""
    consent.pop("keysSecret", None)
    if consent["proof"] == "Token":
        consent["keysSecret"] = "purpose-keys"


def _scaling(scaling: Body, changed: Sequence[str | int]) -> None:
    """Bounds that do not cross; no pod at all only by a schedule."""
    match changed:
        case ["minReplicas"] if scaling["minReplicas"] == 0:
            floor = {"start": "0 8 * * *", "end": "0 9 * * *", "minReplicas": 1}
            scaling |= {"class": "KEDA", "maxReplicas": 1, "schedule": [floor]}
        case ["minReplicas"] if "maxReplicas" in scaling:
            scaling["maxReplicas"] = 1000
        case ["schedule", int(), "minReplicas"]:
            scaling["maxReplicas"] = 1000
        case ["maxReplicas"]:
            scaling["minReplicas"] = 1
            scaling.pop("schedule", None)


def _triton(triton: Body, changed: Sequence[str | int]) -> None:
    """Batch sizes that fit, backends that run on what the instances ask for, resources that instances may hold."""
    groups = triton.get("instanceGroups", [])
    match changed:
        case ["maxBatchSize"]:
            triton.pop("dynamicBatching", None)
            triton.pop("warmUp", None)
        case ["backend"]:
            triton.pop("instanceGroups", None)
        case ["dynamicBatching" | "warmUp", *_]:
            triton["maxBatchSize"] = 1024
        case ["instanceGroups", int(index), "kind"]:
            groups[index].pop("gpus", None)
        case ["instanceGroups", int(index), "rateLimits", *_]:
            triton["rateLimiter"] = {"resources": groups[index]["rateLimits"]}
        case ["rateLimiter", *_]:
            triton["instanceGroups"] = [
                {key: value for key, value in group.items() if key != "rateLimits"} for group in groups
            ]


def _gpus(serving: Body) -> None:
    """GPUs where an instance runs on one, and enough of them for every index."""
    groups = serving["triton"].get("instanceGroups", [])
    if any(group.get("kind") == "GPU" for group in groups) or serving["triton"].get("backend") == "tensorrt":
        serving["gpu"] = {"resource": "nvidia.com/gpu", "count": 16}
    elif groups or serving["triton"].get("backend") == "python":
        serving.pop("gpu", None)


def _rollout(rollout: Body, changed: Sequence[str | int]) -> None:
    """One step or guardrail alone."""
    match changed:
        case ["steps", int(index), field]:
            rollout["steps"] = [_step(rollout["steps"][index], field)]
        case ["analysis", "primary", "kind"]:
            _primary(rollout["analysis"]["primary"])
        case ["analysis", "guardrails", int(index), field]:
            guardrails = rollout["analysis"]["guardrails"]
            rollout["analysis"]["guardrails"] = [_guardrail(guardrails[index], field)]


def _step(step: Body, changed: str | int) -> Body:
    """The step alone, as any weight rises then; its two durations do not cross."""
    if changed == "minDurationSeconds":
        return {key: value for key, value in step.items() if key != "maxDurationSeconds"}
    return step | {"minDurationSeconds": 0} if changed == "maxDurationSeconds" else step


def _primary(primary: Body) -> None:
    if primary["kind"] != "Mean":
        primary.pop("values", None)


def _guardrail(guardrail: Body, changed: str | int) -> Body:
    """The guardrail alone, as no other has its metric then; without what the changed field does not go with."""
    foreign = set()
    if changed == "metric" and guardrail.get("metric") != "Outcome":
        foreign.add("outcome")
    if changed == "direction" and guardrail["direction"] != "LowerIsBetter":
        foreign.add("toleratedRate")
    return {key: value for key, value in guardrail.items() if key not in foreign}
