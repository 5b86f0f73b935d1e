"""The chart as a whole: it lints, renders the same twice, and carries the generated CRDs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from localcluster import helm
from tests.support import chart
from tests.support.crds.generated import crds

ROOT: Final = Path(__file__).resolve().parents[3]
VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "defaults": {},
    "one replica": {"replicas": 1},
    "two namespaces": {"watchNamespaces": ["growth", "retention"], "crds": {"install": False}},
    "everything": {
        "imagePullSecrets": [{"name": "registry"}],
        "predictor": {"imagePullSecrets": ["registry"]},
        "serviceAccount": {"annotations": {"example.com/role": "marquee"}},
        "monitoring": {"enabled": True, "labels": {"release": "prometheus"}},
        "networkPolicy": {"enabled": True},
        "ledger": {"database": {"urlSecret": "ledger-database"}, "apiKeysSecret": "ledger-keys"},
        "podAnnotations": {"example.com/a": "b"},
        "podLabels": {"example.com/team": "platform"},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "system", "effect": "NoSchedule"}],
        "affinity": {"nodeAffinity": {}},
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
    },
}
MONITORING: Final = tuple(
    f"--api-versions=monitoring.coreos.com/v1{kind}" for kind in ("", "/PodMonitor", "/ServiceMonitor")
)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_chart_lints_strictly(values: dict[str, Any], tmp_path: Path) -> None:
    """Helm's own linter has neither an error nor a warning."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    said = helm.run(chart.NO_CLUSTER, ["lint", "--strict", str(chart.CHART), "--values", str(file)])
    assert "1 chart(s) linted, 0 chart(s) failed" in said
    assert "[WARNING]" not in said


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_rendering_is_deterministic(values: dict[str, Any]) -> None:
    """The same values give the same bytes, so that GitOps tools see no difference where there is none.

    They know no cluster while they render, so they name a Secret of their own for the master key.
    """
    given = values | {"ledger": values.get("ledger", {}) | {"masterKeySecret": "prediction-keys"}}
    given |= {"audit": {"logKeySecret": "log-key", "authorKeySecret": "author-key"}}
    first = chart.render_text(given, *MONITORING)
    assert first == chart.render_text(given, *MONITORING)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS.keys())
def test_no_object_is_rendered_twice(values: dict[str, Any]) -> None:
    """Each object has an identity of its own."""
    rendered = chart.render(values, *MONITORING)
    identities = [(body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) for body in rendered]
    assert len(identities) > 5
    assert len(identities) == len(set(identities))


def test_versions_are_those_of_the_package() -> None:
    """The chart installs the images of its own version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    description = yaml.safe_load((chart.CHART / "Chart.yaml").read_text())
    assert description["version"] == description["appVersion"] == project["version"]


def test_crds_are_the_generated_ones() -> None:
    """What the chart installs says what the types say; only Helm's annotation and labels are added."""
    rendered = {body["metadata"]["name"]: body for body in chart.of_kind(chart.render(), "CustomResourceDefinition")}
    assert set(rendered) == {crd["metadata"]["name"] for crd in crds().values()}
    for crd in crds().values():
        installed = rendered[crd["metadata"]["name"]]
        assert installed["spec"] == crd["spec"]
        assert installed["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert installed["metadata"].pop("labels")["app.kubernetes.io/part-of"] == "marquee"
        assert installed["metadata"] == crd["metadata"]


def test_crds_may_be_left_to_others() -> None:
    """With crds.install off there is none, with crds.keep off an uninstallation removes them."""
    assert chart.of_kind(chart.render({"crds": {"install": False}}), "CustomResourceDefinition") == []
    for crd in chart.of_kind(chart.render({"crds": {"keep": False}}), "CustomResourceDefinition"):
        assert "annotations" not in crd["metadata"]
