"""The verbs as a person types them."""

from pathlib import Path
from typing import NoReturn

import pytest

from localcluster.__main__ import _BUILDS, main
from localcluster.cluster import Cluster
from localcluster.errors import StartFailed
from localcluster.parts import PartState, SupervisorState
from localcluster.processes import Identity
from localcluster.status import table


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test here may see, let alone change, the real cluster."""
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path))


def test_kubeconfig_is_below_the_cache(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The path is printed whether or not the cluster is up."""
    assert main(["kubeconfig"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "cluster" / "kubeconfig")


def test_status_of_nothing_is_down(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts see exit status 3, people the verb that brings it up."""
    assert main(["status"]) == 3
    assert "localcluster up" in capsys.readouterr().out


def test_gateway_without_a_cluster_is_told_before_anything_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody waits minutes for a build that cannot be used."""
    assert main(["gateway"]) == 1
    assert "what to do: python3 -m localcluster up" in capsys.readouterr().err


@pytest.mark.parametrize("program", ["binaries", "helm", "gateway"])
def test_each_build_says_where_it_lies(
    program: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Builds are separate steps, so that they can be made before they are needed."""
    monkeypatch.setitem(_BUILDS, program, lambda _: Path("/cache") / program)
    assert main([f"build-{program}"]) == 0
    assert f"{program}: /cache/{program}" in capsys.readouterr().out


def test_kubectl_without_a_cluster_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """No trace, but what to do."""
    assert main(["kubectl", "get", "pods"]) == 1
    assert "what to do: python3 -m localcluster up" in capsys.readouterr().err


def test_logs_of_an_unknown_part_names_the_known(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A misspelt part is answered with the list."""
    logs = tmp_path / "cluster" / "logs"
    logs.mkdir(parents=True)
    (logs / "kubelet.log").touch()
    assert main(["logs", "kublet"]) == 1
    assert "there are logs of: kubelet" in capsys.readouterr().err


def test_attaching_to_nothing_is_told() -> None:
    """Tests that need the cluster say how to get it."""
    with pytest.raises(StartFailed, match="not up"):
        Cluster.attach()


@pytest.mark.parametrize(
    ("verb", "program"), [("kubectl", ["/bin/kubernetes", "kubectl"]), ("helm", ["/bin/helm"])], ids=["kubectl", "helm"]
)
def test_kubectl_and_helm_take_every_word_that_follows(
    verb: str, program: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Options of theirs are not ours, not even when they come first."""
    became: list[list[str]] = []

    def become(_: str, words: list[str], environment: dict[str, str]) -> NoReturn:
        assert environment["KUBECONFIG"] == str(Cluster().kubeconfig)
        became.append(words)
        raise SystemExit

    monkeypatch.setattr(Cluster, "program", Path("/bin/kubernetes"))
    monkeypatch.setattr("localcluster.helm.ensure_helm", lambda _: Path("/bin/helm"))
    monkeypatch.setattr("os.execve", become)
    with pytest.raises(SystemExit):
        main([verb, "-n", "kube-system", "list", "--output=wide"])
    assert became == [[*program, "-n", "kube-system", "list", "--output=wide"]]


def test_the_table_tells_states_apart() -> None:
    """A part that has no process is stopped; one that is gone too, although a pid is remembered."""
    state = SupervisorState(Identity(1, 1), {"a": PartState(restarts=2), "b": PartState(Identity(2**22 - 1, 0), True)})
    lines = table(state, 100)
    assert "stopped" in lines[1]
    assert "stopped" in lines[2]
    assert lines[1].split()[-1] == "2"
