"""KEDA's source with the four scalers that Marquee's ScaledObjects name, and without the clouds' libraries.

KEDA's scalers are one package: whoever wants one compiles the client libraries of every cloud and database, 2,633
packages instead of 1,630. What is left out are files, by name, and the cases that choose them; what is left is as
published. The Kubernetes libraries are the cluster's own programs', which are compiled already.
"""

import re
import shutil
from pathlib import Path

from localcluster.errors import BuildFailed

CLOUDLESS = Path(__file__).parent / "cloudless"
"""Go files that stand for those that were left out."""
TRIGGERS = ("cpu", "memory", "cron", "metrics-api")
_SCALERS = {"scaler.go", "cron_scaler.go", "cpu_memory_scaler.go", "metrics_api_scaler.go"}
_PACKAGES = {"authentication", "scalersconfig"}
_HANDLERS = ("aws_secretmanager", "azure_keyvault", "gcp_secretmanager", "hashicorpvault")
_PLACEHOLDERS = ("k8s.io/client-go", "github.com/prometheus/common", "github.com/prometheus/prometheus")
"""KEDA requires versions of these that do not exist, and says which it means by replacing them."""


def prepare(published: Path, target: Path, go_mod: str) -> None:
    """Copy KEDA's module to `target`, slimmed; `go_mod` is the requiring module's, whose versions it takes over.

    Raises:
        BuildFailed: the source is not as expected, as of another release.

    """
    ignored = shutil.ignore_patterns("tests", "*_test.go")
    # without the modes: files of Go's module cache are read-only
    shutil.copytree(published, target, ignore=ignored, copy_function=shutil.copyfile)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    _leave_out_scalers(target / "pkg/scalers")
    for name in _HANDLERS:
        _remove(target / f"pkg/scaling/resolver/{name}_handler.go")
    _remove(target / "pkg/eventemitter/azure_event_grid_topic_handler.go")
    shutil.copyfile(CLOUDLESS / "scalers.go", target / "pkg/scalers/cloudless.go")
    shutil.copyfile(CLOUDLESS / "resolver.go", target / "pkg/scaling/resolver/cloudless.go")
    shutil.copyfile(CLOUDLESS / "eventemitter.go", target / "pkg/eventemitter/cloudless.go")
    shutil.copyfile(CLOUDLESS / "adapter.go", target / "cmd/adapter/cloudless.go")
    builder, adapter = target / "pkg/scaling/scalers_builder.go", target / "cmd/adapter/main.go"
    builder.write_text(with_triggers(builder.read_text()))
    adapter.write_text(without_openapi(adapter.read_text()))
    (target / "go.mod").write_text(with_versions((target / "go.mod").read_text(), go_mod))


def prepare_metrics(published: Path, target: Path) -> None:
    """Copy Kubernetes' metrics types to `target`, as messages that KEDA's operator can send to its adapter.

    They have been none since 1.35, unless a build tag says so, which would compile every library of Kubernetes anew.

    Raises:
        BuildFailed: they cannot be made messages any more.

    """
    shutil.copytree(published, target, copy_function=shutil.copyfile)
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    messages = target / "pkg/apis/external_metrics/v1beta1/generated.protomessage.pb.go"
    if not messages.exists():
        raise BuildFailed("k8s.io/metrics has no messages", fix=f"repair {__file__}")
    lines = messages.read_text().splitlines(keepends=True)
    messages.write_text("".join(line for line in lines if not line.startswith(("//go:build", "// +build"))))


def with_triggers(builder: str) -> str:
    """The function that builds scalers, with the cases of `TRIGGERS` alone.

    Raises:
        BuildFailed: one of them is missing.

    """
    start = builder.find("\tswitch triggerType {\n")
    end = builder.find("\tdefault:", start)
    cases = re.findall(r"\tcase [^\n]*:\n(?:\t\t[^\n]*\n)+", builder[start:end])
    kept = [case for case in cases if any(case.startswith(f'\tcase "{name}"') for name in TRIGGERS)]
    if len(kept) != len(TRIGGERS):
        raise BuildFailed(f"KEDA builds {len(kept)} of the scalers {', '.join(TRIGGERS)}", fix=f"repair {__file__}")
    return f"{builder[:start]}\tswitch triggerType {{\n{''.join(kept)}{builder[end:]}"


def without_openapi(adapter: str) -> str:
    """The adapter's main program, which calls `cloudless/adapter.go` before it runs.

    Raises:
        BuildFailed: it runs in another way.

    """
    runs = "\tif err = cmd.Run(ctx); err != nil {\n"
    if adapter.count(runs) != 1:
        raise BuildFailed("KEDA's adapter runs in another way", fix=f"repair {__file__}")
    return adapter.replace(runs, f"\tif err = withoutOpenAPI(cmd); err != nil {{\n\t\treturn\n\t}}\n{runs}")


def with_versions(keda_go_mod: str, go_mod: str) -> str:
    """KEDA's go.mod with the versions of the requiring module where its own do not exist."""
    for module in _PLACEHOLDERS:
        known = re.search(rf"^\s*{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
        if known is None:
            raise BuildFailed(f"go.mod does not require {module}", fix=f"repair {Path(__file__).with_name('go.mod')}")
        keda_go_mod = re.sub(rf"(?m)^(\s*{re.escape(module)}) v\S+", rf"\1 {known.group(1)}", keda_go_mod, count=1)
    return keda_go_mod


def _leave_out_scalers(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and path.name not in _PACKAGES:
            shutil.rmtree(path)
        elif path.is_file() and path.name not in _SCALERS:
            path.unlink()


def _remove(file: Path) -> None:
    if not file.exists():
        raise BuildFailed(f"KEDA's source has no {file.name}", fix=f"repair {__file__}")
    file.unlink()
