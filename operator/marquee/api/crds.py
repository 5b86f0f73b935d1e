"""The CustomResourceDefinitions, generated from the types; `make generate` writes them to ``crds/``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.api.promotion_freeze import PromotionFreeze
from marquee.api.schema import structural_schema
from marquee.api.types import GROUP, VERSION, cel

_HEADER = "# Generated from operator/marquee/api by `make generate`. Do not edit.\n"
_NAME_MESSAGE = (
    "metadata.name must start with a letter and hold at most 50 lower-case letters, digits and hyphens: "
    "it becomes the name of a Service"
)


_Kind = type[MarketingModel | ModelRevision | ModelApproval | PromotionFreeze]


class _PlainDumper(yaml.SafeDumper):
    """Writes out a list or a map that occurs twice, instead of an anchor that people must follow."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as PyYAML calls it
        return True


def marketing_model_crd() -> dict[str, Any]:
    """CRD of `MarketingModel`, with status and scale subresources."""
    schema = _object_schema(
        MarketingModel,
        cel("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')", _NAME_MESSAGE),
    )
    subresources = {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.scaling.minReplicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }
    columns = [
        _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
        _column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
        _column("Stable", ".status.stable.revision"),
        _column("Canary", ".status.canary.revision"),
        _column("Step", ".status.rollout.progress"),
        _column("Weight", ".status.rollout.weight", "integer"),
        _column("Verdict", ".status.rollout.verdict"),
        _column("Drift", ".status.drift.verdict"),
        _column("Retraining", ".status.retraining.outcome", priority=1),
        _column("Replicas", ".status.stable.readyReplicas", "integer"),
        _column("Use Case", ".spec.useCase", priority=1),
        _column("Team", ".spec.owner.team", priority=1),
        _column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    return _crd(MarketingModel, ["mm"], schema, columns, subresources)


def model_revision_crd() -> dict[str, Any]:
    """CRD of `ModelRevision`: no subresources, since nothing about it ever changes."""
    schema = _object_schema(
        ModelRevision,
        cel(
            "self.metadata.name.startsWith(self.spec.model + '-') && "
            "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')",
            "metadata.name must be MODEL-SOMETHING, at most 63 lower-case letters, digits and hyphens: "
            "it becomes the name of a Deployment",
        ),
    )
    columns = [
        _column("Model", ".spec.model"),
        _column("Artifact", ".spec.artifact.uri"),
        _column("Digest", ".spec.artifact.digest", priority=1),
        _column("Trained By", ".spec.lineage.run", priority=1),
        _column("Description", ".spec.description", priority=1),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    return _crd(ModelRevision, ["mrev"], schema, columns, None)


def model_approval_crd() -> dict[str, Any]:
    """CRD of `ModelApproval`: no subresources, since nothing about it ever changes."""
    columns = [
        _column("Model", ".spec.model"),
        _column("Revision", ".spec.revision"),
        _column("Approver", ".spec.approver"),
        _column("Expires", ".spec.expires", "date"),
        _column("Comment", ".spec.comment", priority=1),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    return _crd(ModelApproval, ["mapp"], _object_schema(ModelApproval), columns, None)


def promotion_freeze_crd() -> dict[str, Any]:
    """CRD of `PromotionFreeze`: no subresources, since the operator has nothing to say about it there."""
    columns = [
        _column("First", ".spec.first"),
        _column("Last", ".spec.last"),
        _column("Time Zone", ".spec.timeZone"),
        _column("Reason", ".spec.reason"),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]
    return _crd(PromotionFreeze, ["pfreeze"], _object_schema(PromotionFreeze), columns, None)


def all_crds() -> dict[str, dict[str, Any]]:
    """Every CRD by the name of its file in ``crds/``."""
    return {
        f"{MarketingModel.PLURAL}.yaml": marketing_model_crd(),
        f"{ModelApproval.PLURAL}.yaml": model_approval_crd(),
        f"{ModelRevision.PLURAL}.yaml": model_revision_crd(),
        f"{PromotionFreeze.PLURAL}.yaml": promotion_freeze_crd(),
    }


def render(crd: dict[str, Any]) -> str:
    """The file's text."""
    return _HEADER + yaml.dump(crd, Dumper=_PlainDumper, sort_keys=False, width=110, allow_unicode=True)


def _object_schema(model: _Kind, *names: dict[str, str]) -> dict[str, Any]:
    schema = structural_schema(model)
    properties = schema["properties"]
    properties["metadata"] = {"type": "object"}
    for known in ("apiVersion", "kind"):
        properties[known] = {"type": "string"}
    schema["required"] = ["spec"]
    if names:
        schema["x-kubernetes-validations"] = list(names)
    return schema


def _column(name: str, path: str, kind: str = "string", *, priority: int = 0) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}


def _crd(
    model: _Kind,
    short_names: list[str],
    schema: dict[str, Any],
    columns: list[dict[str, Any]],
    subresources: dict[str, Any] | None,
) -> dict[str, Any]:
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns,
    }
    if subresources is not None:
        version["subresources"] = subresources
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{model.PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": model.KIND,
                "listKind": f"{model.KIND}List",
                "plural": model.PLURAL,
                "singular": model.KIND.lower(),
                "shortNames": short_names,
                "categories": ["marquee"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def main() -> None:
    """Write every CRD into the folders given as arguments."""
    for folder in sys.argv[1:]:
        for name, crd in all_crds().items():
            Path(folder, name).write_text(render(crd), encoding="utf-8")
            print(f"wrote {folder}/{name}")


if __name__ == "__main__":
    main()
