"""Helm is built once from its own Go module, and knows only the cluster that it is told of."""

from pathlib import Path

import pytest

from localcluster import helm
from localcluster.errors import BuildFailed, CommandFailed

NOWHERE = Path("/nonexistent/kubeconfig")


def test_helm_tells_the_version_that_go_mod_requires() -> None:
    """A Helm that does not know its version is refused by charts that ask for one."""
    required = next(line.split()[1] for line in go_mod().splitlines() if line.strip().startswith("helm.sh/helm/v3 "))
    assert helm.run(NOWHERE, ["version", "--short"]).strip() == required


def test_rendering_assumes_the_kubernetes_of_its_client() -> None:
    """Without these flags `helm template` would assume 1.20 and refuse our chart."""
    flags = helm.linker_flags("require (\n\thelm.sh/helm/v3 v3.1.2\n\tk8s.io/client-go v0.99.1 // indirect\n)\n")
    assert "version.version=v3.1.2" in flags
    assert flags.count("k8sVersionMajor=1") == flags.count("k8sVersionMinor=99") == 2


def test_go_mod_without_a_release_is_told() -> None:
    """A pseudo-version or a missing line cannot give a version."""
    with pytest.raises(BuildFailed, match=r"requires no release of helm\.sh/helm/v3"):
        helm.linker_flags("require helm.sh/helm/v3 latest\n")


def test_users_own_configuration_is_not_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Repositories and plugins of the person who runs it change nothing."""
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path))
    monkeypatch.setenv("HELM_CONFIG_HOME", "/somewhere/else")
    environment = helm.environment(tmp_path / "kubeconfig")
    assert environment["KUBECONFIG"] == str(tmp_path / "kubeconfig")
    for kind in ("CACHE", "CONFIG", "DATA"):
        assert Path(environment[f"HELM_{kind}_HOME"]).is_relative_to(tmp_path)


def test_refusal_carries_helms_last_lines() -> None:
    """What Helm says about a mistake reaches the person who made it."""
    with pytest.raises(CommandFailed, match="unknown command"):
        helm.run(NOWHERE, ["instal"])


def go_mod() -> str:
    """The module file that Helm is built by."""
    return (helm.MODULE / "go.mod").read_text()
