"""`python3 -m localcluster VERB`: the command line of the local cluster."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from localcluster import gateway, helm, keda, kubectl, status, trainer
from localcluster.cluster import Cluster
from localcluster.errors import LocalClusterError
from localcluster.stages import Stages
from localcluster.toolchain import ensure_binaries

_BUILDS = {
    "binaries": ensure_binaries,
    "helm": helm.ensure_helm,
    "gateway": gateway.ensure_programs,
    "keda": keda.ensure_programs,
    "trainer": trainer.ensure_programs,
}


def parser() -> argparse.ArgumentParser:
    """The verbs and their options."""
    top = argparse.ArgumentParser(prog="localcluster", description="A single-node Kubernetes without Docker.")
    verbs = top.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="bring the cluster up; nothing happens when it is")
    up.add_argument("--profile", choices=("full", "api"), default="full", help="api: no node, no root needed")
    up.add_argument("--audit", action="store_true", help="log every request to logs/audit.jsonl")
    verbs.add_parser("down", help="stop everything and leave nothing behind; data stay")
    verbs.add_parser("reset", help="down, and delete the cluster's data; caches stay")
    verbs.add_parser("status", help="what runs; exit status 3 when the cluster is not up")
    verbs.add_parser("kubeconfig", help="print the path of the kubeconfig")
    verbs.add_parser("build-binaries", help="build the Go programs if they are not cached")
    verbs.add_parser("build-helm", help="build Helm if it is not cached")
    verbs.add_parser("build-gateway", help="build Envoy Gateway if it is not cached")
    verbs.add_parser("gateway", help="a Gateway for HTTPRoutes, installed first if need be; prints its address")
    verbs.add_parser("build-keda", help="build KEDA if it is not cached")
    verbs.add_parser("keda", help="KEDA's operator and metrics adapter, installed first if need be")
    verbs.add_parser("build-trainer", help="build Kubeflow Trainer and JobSet if they are not cached")
    verbs.add_parser("trainer", help="Kubeflow Trainer and JobSet, installed first if need be")
    logs = verbs.add_parser("logs", help="the log of one part")
    logs.add_argument("part", help="such as kube-apiserver, kubelet, containerd, supervisor")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.add_argument("-n", "--lines", default="200")
    verbs.add_parser("kubectl", help="kubectl as administrator")
    verbs.add_parser("helm", help="Helm as administrator, built first if need be")
    _image_parser(verbs.add_parser("image", help="build images without Docker, hand them to the node"))
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] in (["kubectl"], ["helm"]):  # argparse would take their first option for one of ours
            _become(words[0], words[1:], Cluster())
        return _run(parser().parse_args(words))
    except LocalClusterError as error:
        print(f"localcluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(given: argparse.Namespace) -> int:
    cluster = Cluster()
    stages = Stages()
    match given.verb:
        case "up":
            Cluster.up(profile=given.profile, stages=stages, audit=given.audit)
            stages.say(f"kubeconfig: {cluster.kubeconfig}")
        case "down":
            stages.say("down: nothing left running" if cluster.down(stages) else "down: nothing was running")
        case "reset":
            cluster.reset(stages)
            stages.say("reset: data deleted, caches kept")
        case "status":
            report = status.report(cluster)
            print(report.text)
            return 0 if report.is_up else 3
        case "kubeconfig":
            print(cluster.kubeconfig)
        case "build-binaries" | "build-helm" | "build-gateway" | "build-keda" | "build-trainer":
            name = given.verb.removeprefix("build-")
            stages.say(f"{name}: {_BUILDS[name](stages)}")
        case "gateway" | "keda" | "trainer":
            _add(given.verb)
        case "logs":
            _show_log(cluster.layout.logs, given.part, lines=given.lines, follow=given.follow)
        case "image":
            _image(given, stages)
    return 0


def _add(name: str) -> None:
    """Install an add-on; what a script may want to know of it goes to standard output."""
    cluster, stages = Cluster.attach(), Stages(sys.stderr)
    if name == "keda":
        cluster.keda(stages)
    elif name == "trainer":
        cluster.trainer(stages)
    else:
        print(cluster.gateway(stages).url)


def _become(verb: str, args: Sequence[str], cluster: Cluster) -> None:
    if verb == "kubectl":
        words, environment = [str(cluster.program), "kubectl"], kubectl.environment(cluster.kubeconfig)
    else:
        words, environment = [str(helm.ensure_helm(Stages(sys.stderr)))], helm.environment(cluster.kubeconfig)
    os.execve(words[0], [*words, *args], environment)  # noqa: S606 - an argument list


def _show_log(folder: Path, part: str, *, lines: str, follow: bool) -> None:
    log = folder / f"{part}.log"
    if not log.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.log"))) or "none yet"
        raise LocalClusterError(f"no log of {part!r}", why=f"there are logs of: {known}")
    words = ["tail", "-n", lines, *(["-F"] if follow else []), str(log)]
    os.execvp(words[0], words)  # noqa: S606 - an argument list


def _image_parser(image: argparse.ArgumentParser) -> None:
    actions = image.add_subparsers(dest="action", required=True)
    build = actions.add_parser("build", help="build a Dockerfile; an unchanged tree costs seconds")
    build.add_argument("name", help="such as localhost/marquee/predictor:dev")
    build.add_argument("--dockerfile", type=Path, required=True)
    build.add_argument("--context", type=Path, required=True)
    build.add_argument("--build-arg", action="append", default=[], metavar="K=V")
    build.add_argument("--base", help="value of the build argument BASE; python or trainer: a local base")
    load = actions.add_parser("load", help="hand a built image to the node")
    load.add_argument("name")
    base = actions.add_parser("base", help="build a local base image")
    base.add_argument("kind", choices=("python", "trainer"))
    base.add_argument("--refresh", action="store_true", help="build it anew, with today's packages")


def _image(given: argparse.Namespace, stages: Stages) -> None:
    from localcluster import bases, images

    match given.action:
        case "build":
            arguments = dict(pair.split("=", 1) for pair in given.build_arg)
            images.build(
                given.name,
                dockerfile=given.dockerfile,
                context=given.context,
                build_args=arguments,
                base=given.base,
                stages=stages,
            )
        case "load":
            loaded = Cluster.attach().load_image(given.name)
            stages.say(f"image {given.name}: {'loaded' if loaded else 'the node has it already'}")
        case "base":
            stages.say(f"base: {bases.ensure(given.kind, stages, refresh=given.refresh)}")


if __name__ == "__main__":
    sys.exit(main())
