"""KEDA as it is built and installed here: what is left of its source, and which objects are applied."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from localcluster.errors import BuildFailed
from localcluster.keda import building, installing, source

BUILDER = """func buildScaler() {
\tswitch triggerType {
\tcase "activemq":
\t\treturn scalers.NewActiveMQScaler(config)
\tcase "cpu":
\t\treturn scalers.NewCPUMemoryScaler(corev1.ResourceCPU, config)
\tcase "cron":
\t\treturn scalers.NewCronScaler(config)
\tcase "memory":
\t\treturn scalers.NewCPUMemoryScaler(corev1.ResourceMemory, config)
\tcase "metrics-api":
\t\treturn scalers.NewMetricsAPIScaler(config, client)
\tcase "redis-cluster":
\t\treturn scalers.NewRedisScaler(ctx, true, false, config)
\tdefault:
\t\treturn nil, fmt.Errorf("no scaler found for type: %s", triggerType)
\t}
}
"""
GO_MOD = """require (
\tgithub.com/prometheus/common v0.70.1 // indirect
\tgithub.com/prometheus/prometheus v0.304.2 // indirect
\tk8s.io/client-go v0.36.2 // indirect
)
"""


def test_only_the_scalers_that_marquee_names_are_left() -> None:
    """The others' cases go, and with them the libraries of every cloud; the end of the function stays."""
    slim = source.with_triggers(BUILDER)
    assert [line.strip() for line in slim.splitlines() if "case" in line] == [
        'case "cpu":', 'case "cron":', 'case "memory":', 'case "metrics-api":'
    ]  # fmt: skip
    assert slim.endswith(BUILDER[BUILDER.index("\tdefault:") :])


def test_a_scaler_that_is_gone_is_noticed() -> None:
    """Another release may name it differently: the build says so, not a pod a week later."""
    with pytest.raises(BuildFailed, match="builds 3 of the scalers cpu, memory, cron, metrics-api"):
        source.with_triggers(BUILDER.replace('"cron"', '"crontab"'))


def test_the_adapter_leaves_out_what_it_cannot_describe() -> None:
    """It says so before it runs; a main program of another shape is noticed."""
    main = "func main() {\n\tif err = cmd.Run(ctx); err != nil {\n\t\treturn\n\t}\n}\n"
    lines = source.without_openapi(main).splitlines()
    assert lines.index("\tif err = withoutOpenAPI(cmd); err != nil {") < lines.index(main.splitlines()[1])
    with pytest.raises(BuildFailed, match="runs in another way"):
        source.without_openapi(main.replace("cmd.Run", "cmd.Start"))


def test_metrics_are_messages(tmp_path: Path) -> None:
    """The file that makes them so is compiled without a tag; where there is none, the build says so."""
    folder = Path("pkg/apis/external_metrics/v1beta1")
    published = tmp_path / "published" / folder
    published.mkdir(parents=True)
    with pytest.raises(BuildFailed, match="no messages"):
        source.prepare_metrics(tmp_path / "published", tmp_path / "without")
    file = published / "generated.protomessage.pb.go"
    file.write_text("//go:build one_more_release\n// +build one_more_release\n\npackage v1beta1\n")
    source.prepare_metrics(tmp_path / "published", tmp_path / "with")
    assert (tmp_path / "with" / folder / file.name).read_text() == "\npackage v1beta1\n"


def test_versions_that_do_not_exist_are_replaced() -> None:
    """KEDA requires them for others to stumble over; everything else stays as it is."""
    keda = "require (\n\tk8s.io/api v0.35.0\n\tk8s.io/client-go v1.5.2\n\tgithub.com/prometheus/common v1.20.99\n)\n"
    expected = keda.replace("v1.5.2", "v0.36.2").replace("v1.20.99", "v0.70.1")
    assert source.with_versions(keda, GO_MOD) == expected
    with pytest.raises(BuildFailed, match=r"does not require k8s\.io/client-go"):
        source.with_versions(keda, GO_MOD.replace("client-go", "other"))


def test_the_version_is_that_of_go_mod() -> None:
    """One place says which KEDA it is."""
    assert building.keda_version((building.MODULE / "go.mod").read_text()).startswith("v2.")
    with pytest.raises(BuildFailed, match="requires no release"):
        building.keda_version("module x\n")


def test_every_object_is_of_this_build(tmp_path: Path) -> None:
    """Both Deployments run the images of the build, as a user without rights; the role is the published one."""
    (tmp_path / "role.yaml").write_text("kind: ClusterRole\nmetadata: {name: keda-operator}\n")
    objects = [body for body in yaml.safe_load_all(installing.manifest(tmp_path)) if body]
    containers = [
        container
        for body in objects
        if body["kind"] == "Deployment"
        for container in body["spec"]["template"]["spec"]["containers"]
    ]
    assert {container["image"] for container in containers} == {image.name for image in building.images(tmp_path)}
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers)
    assert {"kind": "ClusterRole", "metadata": {"name": "keda-operator"}} in objects


@pytest.mark.parametrize(
    ("status", "available"),
    [({}, False), ({"conditions": [{"type": "Available", "status": "False"}]}, False),
     ({"conditions": [{"type": "Available", "status": "True"}]}, True)],
)  # fmt: skip
def test_metrics_need_an_adapter_that_is_reached(status: dict[str, object], *, available: bool) -> None:
    """A registered APIService alone answers nothing."""
    assert installing.is_available({"status": status}) is available
