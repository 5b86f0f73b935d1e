"""``kubectl marquee status --watch`` on a real connection."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.cli.conftest import Desk
from tests.support.forwarder import Forwarder

Start = Callable[..., "subprocess.Popen[str]"]


def block(process: subprocess.Popen[str]) -> str:
    """The next block that a watch prints."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("as of "):
            return "".join(lines)
    raise AssertionError(f"the watch has ended: {''.join(lines)}")


def children(pid: int) -> Iterator[int]:
    """Processes that a process has started."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            yield int(path.parent.name)


def test_a_change_is_seen_and_a_signal_ends_it(desk: Desk, watching: Start) -> None:
    """The weight goes from 10 to 25 % before the person's eyes; afterwards no kubectl is left."""
    process = watching()
    assert " 10 % of users for " in block(process)
    desk.report(weight=25, step=2, progress="3/4")
    assert "3 of 4  ██████░" in block(process)
    started = list(children(process.pid))
    assert started
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 130
    assert process.communicate()[1] == ""
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


def test_a_deleted_model_ends_the_watch(desk: Desk, watching: Start) -> None:
    """With its reason, and exit code 1."""
    process = watching()
    block(process)
    assert desk.server.send("DELETE", desk.path).accepted
    assert process.wait(timeout=20) == 1
    assert process.communicate()[1] == "marquee: lead was deleted\n"


def test_a_broken_connection_is_made_again(desk: Desk, watching: Start) -> None:
    """The server cannot be reached for a moment; what changed meanwhile is seen, and nothing is shown twice."""
    with Forwarder(desk.plane.server) as way:
        process = watching(desk.person(server=f"https://127.0.0.1:{way.port}"))
        assert " 10 % of users for " in block(process)
        way.shut()
        desk.report(weight=25, step=2, progress="3/4")
        assert process.stderr is not None
        said = process.stderr.readline()
        assert said.startswith("marquee: the connection is lost (")
        assert "trying again in " in said
        way.reopen()
        assert " 25 % of users for " in block(process)


def test_a_model_that_does_not_exist_is_not_waited_for(desk: Desk) -> None:
    """The first connection has to work."""
    done = desk.person().types("status", "nobody", "-w")
    assert done.returncode == 1
    assert '"nobody" not found' in done.stderr


@pytest.mark.parametrize("verbs", ["get", "get,list"])
def test_who_may_not_watch_is_told(desk: Desk, verbs: str) -> None:
    """It is not tried for ever."""
    name = f"reader-{verbs.replace(',', '-')}-{desk.namespace}"
    resource = "--resource=marketingmodels.marquee.dev"
    desk.plane.kubectl("create", "role", name, f"--verb={verbs}", resource, "-n", desk.namespace)
    desk.plane.kubectl("create", "rolebinding", name, f"--role={name}", "--user=wanda", "-n", desk.namespace)
    done = desk.person("wanda").types("status", "lead", "--watch")
    assert done.returncode == 1
    assert "orbidden" in done.stderr or "cannot watch" in done.stderr
