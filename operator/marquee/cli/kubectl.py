"""Asks the cluster through ``kubectl``: a plugin of it has the same contexts, credentials and proxies."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from marquee.cli.problems import ClusterProblem
from marquee.cli.screen import clean
from marquee.cli.seen import Model, read_model

RESOURCE: Final = "marketingmodels.marquee.dev"
FIELD_MANAGER: Final = "kubectl-marquee"
_TIMEOUT_SECONDS: Final = 30
"""kubectl itself waits for ever."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_COMPLAINT: Final = re.compile(r"error|unable to connect|the connection to the server", re.IGNORECASE)
"""How a line begins that tells of a failure; what follows it belongs to it."""
_LOG_LINE: Final = re.compile(r"[EWI]\d{4} ")
"""Of klog: they repeat what the last line says."""


@dataclass(frozen=True, slots=True)
class Kubectl:
    """``kubectl`` with the options that the person gave."""

    options: tuple[str, ...] = ()
    program: str = "kubectl"

    def model(self, name: str) -> Model:
        """The MarketingModel of that name.

        Raises:
            ClusterProblem: there is none, it cannot be read, or kubectl cannot be run.

        """
        return read_model(self._run("get", RESOURCE, name, "-o", "json"))

    def read(self, resource: str, *arguments: str) -> str:
        """One object by its name, or those that a selector finds, as JSON. Raises like `model`."""
        return self._run("get", resource, *arguments, "-o", "json")

    def manifest(self, path: str) -> str:
        """What a file holds, as JSON: kubectl reads what it would create, and creates nothing. Raises like `model`."""
        return self._run("create", "--dry-run=client", "--validate=false", "-o", "json", f"--filename={path}")

    def events(self, name: str) -> Generator[str, None, None]:
        """JSON watch events of a model, one a line, until the connection ends. Raises like `model`.

        kubectl is stopped when the caller stops asking.
        """
        arguments = ("get", RESOURCE, name, "-o", "json", "--watch", "--output-watch-events")
        with self._started(arguments) as (lines, complaints):
            yield from lines
            complaints.raise_when_failed()

    def namespace(self) -> str:
        """The one that is asked for, or the context's. Raises like `model`."""
        given = [option.partition("=")[2] for option in self.options if option.startswith("--namespace=")]
        if given:
            return given[-1]
        path = "jsonpath={.contexts[0].context.namespace}"
        return self._run("config", "view", "--minify", "-o", path).strip() or "default"

    def raw(self, path: str) -> str:
        """What the API server answers under a path, such as a Service's behind its proxy. Raises like `model`."""
        return self._run("get", "--raw", path)

    def user(self) -> str:
        """Who the API server says that this is. Raises like `model`."""
        found = self._run("auth", "whoami", "-o", "jsonpath={.status.userInfo.username}").strip()
        if not found:
            raise ClusterProblem("the API server does not say who you are: it needs `kubectl auth whoami`")
        return found

    def create(self, path: str) -> None:
        """Create what a file holds. Raises like `model`."""
        self._run("create", f"--filename={path}", f"--field-manager={FIELD_MANAGER}", "-o", "name")

    def annotate(self, name: str, key: str, value: str) -> None:
        """Set an annotation of the model. Raises like `model`."""
        manager = f"--field-manager={FIELD_MANAGER}"
        self._run("annotate", RESOURCE, name, f"{key}={value}", "--overwrite", manager, "-o", "name")

    def _run(self, *arguments: str) -> str:
        with self._started((*arguments, f"--request-timeout={_TIMEOUT_SECONDS}s")) as (lines, complaints):
            text = "".join(lines)
            complaints.raise_when_failed()
        return text

    @contextmanager
    def _started(self, arguments: tuple[str, ...]) -> Iterator[tuple[IO[str], _Complaints]]:
        try:
            process = subprocess.Popen(
                [self.program, *self.options, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise _not_started(self.program, error) from None
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - they are pipes
        complaints = _Complaints(process, process.stderr)
        try:
            yield process.stdout, complaints
        finally:
            process.terminate()
            process.stdout.close()
            process.wait()
            complaints.close()


class _Complaints:
    """kubectl's standard error: what is no failure, such as a login's code, is shown as soon as it is there."""

    def __init__(self, process: subprocess.Popen[str], stream: IO[str]) -> None:
        self._process = process
        self._stream = stream
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def raise_when_failed(self) -> None:
        """Wait for the end. Raises `ClusterProblem` with kubectl's words when it was no good one."""
        code = self._process.wait()
        self._thread.join()
        if code != 0:
            raise ClusterProblem("\n".join(self._lines) or f"kubectl ended with {code}")

    def close(self) -> None:
        """Read what is left."""
        self._thread.join()
        self._stream.close()

    def _read(self) -> None:
        for line in self._stream:
            text = clean(line.rstrip())
            if _LOG_LINE.match(text):
                continue
            if self._lines or _COMPLAINT.match(text):
                self._lines.append(text)
            else:
                print(text, file=sys.stderr, flush=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of kubectl that choose a cluster and a namespace."""
    parser.add_argument("name", type=resource_name, metavar="NAME", help="name of the MarketingModel")
    add_connection(parser)


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The same options without a name."""
    parser.add_argument(
        "-n", "--namespace", type=resource_name, metavar="NAMESPACE", help="its namespace (default: the context's)"
    )
    parser.add_argument("--context", metavar="NAME", help="context of the kubeconfig")
    parser.add_argument("--kubeconfig", metavar="FILE", help="kubeconfig file")


def kubectl_of(arguments: argparse.Namespace) -> Kubectl:
    """Kubectl with those options; each in one word, so that no value can be taken for an option."""
    given = ((name, getattr(arguments, name)) for name in ("namespace", "context", "kubeconfig"))
    return Kubectl(tuple(f"--{name}={value}" for name, value in given if value))


def resource_name(text: str) -> str:
    """A name that kubectl can't take for an option, a list or a path."""
    if _NAME.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no name: small letters, digits, '-' and '.', such as lead")
    return text


def _not_started(program: str, error: OSError) -> ClusterProblem:
    if isinstance(error, FileNotFoundError):
        return ClusterProblem(f"{program} is not on PATH: install it, this command asks the cluster through it")
    return ClusterProblem(f"{program} cannot be run: {error}")
