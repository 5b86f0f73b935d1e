"""The chart `helm/marquee`, rendered by the real Helm."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from localcluster import helm
from localcluster.errors import CommandFailed

CHART: Final = Path(__file__).resolve().parents[2] / "helm" / "marquee"
RELEASE: Final = "marquee"
NAMESPACE: Final = "marquee-system"

Manifest = dict[str, Any]
NO_CLUSTER: Final = Path("/nonexistent/kubeconfig")


def render_text(values: Mapping[str, Any] | None = None, *options: str, namespace: str = NAMESPACE) -> str:
    """What `helm template` prints for the values, given on top of the chart's own.

    Raises:
        CommandFailed: Helm refuses the values, or a template fails.

    """
    argv = ["template", RELEASE, str(CHART), "--namespace", namespace, "--values", "-", *options]
    return helm.run(NO_CLUSTER, argv, input=json.dumps(values or {}))


def render(values: Mapping[str, Any] | None = None, *options: str, namespace: str = NAMESPACE) -> list[Manifest]:
    """The rendered objects, for the caller alone."""
    manifests: list[Manifest] = orjson.loads(_rendered(json.dumps(values or {}), options, namespace))
    return manifests


def installed_anew() -> list[Manifest]:
    """What one more installation with default values gets, with secrets of its own; without the kinds."""
    return yaml_of(render_text({"crds": {"install": False}}))


def yaml_of(text: str) -> list[Manifest]:
    """The objects of a text that Helm printed."""
    return [body for body in yaml.load_all(text, Loader=yaml.CSafeLoader) if body]


def mount(secret: Manifest, folder: Path) -> None:
    """Write a Secret as the kubelet mounts it."""
    folder.mkdir()
    for name, content in secret["data"].items():
        (folder / name).write_bytes(base64.b64decode(content))


@functools.cache
def _rendered(values: str, options: tuple[str, ...], namespace: str) -> bytes:
    """As JSON, which is read a hundred times as fast as YAML."""
    return orjson.dumps(yaml_of(render_text(json.loads(values), *options, namespace=namespace)))


def refusal(values: Mapping[str, Any]) -> str:
    """What Helm says to values that it refuses."""
    try:
        render_text(values)
    except CommandFailed as error:
        return error.why
    raise AssertionError(f"Helm accepts {values}")


def of_kind(manifests: Sequence[Manifest], *kinds: str) -> list[Manifest]:
    """Those of the manifests that are of one of the kinds."""
    return [body for body in manifests if body["kind"] in kinds]


def of_part(manifests: Sequence[Manifest], part: str) -> list[Manifest]:
    """Those that belong to one part: ``operator`` or ``ledger``."""
    name = f"marquee-{part}"
    return [body for body in manifests if body["metadata"]["labels"]["app.kubernetes.io/name"] == name]


def the(manifests: Sequence[Manifest], kind: str, *, part: str = "operator") -> Manifest:
    """The only manifest of a kind that belongs to a part."""
    (body,) = of_kind(of_part(manifests, part), kind)
    return body
