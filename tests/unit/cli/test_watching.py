"""``status --watch``: each change once, over broken connections, and no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from marquee.cli.exits import Exit
from marquee.cli.kubectl import Kubectl
from marquee.cli.main import main
from marquee.cli.problems import ClusterProblem
from marquee.cli.seen import Model
from marquee.cli.watching import watch
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer, event, refusal

REFUSED = answer(complaint="The connection to the server 198.18.0.1:6443 was refused\n", code=1)


class Waits:
    """What was said and waited, in place of a person and of time."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.seconds: list[float] = []

    def watch(self) -> Iterator[Model]:
        """Watch the model."""
        return watch(Kubectl(), "lead", say=self.said.append, sleep=self.seconds.append)


def seen(version: int, weight: int = 10) -> str:
    """One event."""
    body = a_body(weight=weight)
    body["metadata"]["resourceVersion"] = str(version)
    return event(body)


def weights(models: Iterator[Model]) -> list[int]:
    """The weights that a watch has shown."""
    return [model.rollout.weight for model in models if model.rollout is not None]


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    return Path(f"/proc/{pid}").exists()


def test_each_change_is_seen_once(kubectl: StubKubectl) -> None:
    """A connection that the server ends is made again without a word; what it repeats is not shown again."""
    kubectl.answers(answer(seen(1, 5) + seen(2, 10)), answer(seen(2, 10) + seen(3, 25)))
    waits = Waits()
    assert weights(islice(waits.watch(), 3)) == [5, 10, 25]
    assert waits.seconds == [1]
    assert waits.said == []
    assert "--output-watch-events" in kubectl.calls[0]


def test_a_lost_connection_is_made_again_ever_slower(kubectl: StubKubectl) -> None:
    """After 1, 2, 4 ... 30 s, with the reason, until it is there again."""
    kubectl.answers(answer(seen(1, 5)), *[REFUSED] * 6, answer(seen(2, 10)), answer(seen(3, 25)))
    waits = Waits()
    assert weights(islice(waits.watch(), 3)) == [5, 10, 25]
    assert waits.seconds == [1, 2, 4, 8, 16, 30, 30, 1]
    assert waits.said[0] == (
        "the connection is lost (The connection to the server 198.18.0.1:6443 was refused); trying again in 2 s"
    )


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([REFUSED], "was refused"),
        ([answer(seen(1)), refusal("NotFound", "no lead")], "no lead"),
        ([answer(seen(1), complaint="Error from server (Forbidden): cannot watch\n", code=1)], "cannot watch"),
        ([answer(seen(1) + event(a_body(), "DELETED"))], "lead was deleted"),
        ([answer(seen(1) + "Warning: old\n")], "kubectl printed no watch event, but 'Warning: old"),
        ([answer(seen(1) + event({"metadata": 1}))], "use the plugin of the version"),
    ],
    ids=["first connection", "gone", "forbidden", "deleted", "not an event", "another version"],
)
def test_what_time_does_not_mend_ends_the_watch(
    answers: list[dict[str, object]], expected: str, kubectl: StubKubectl
) -> None:
    """With the reason."""
    kubectl.answers(*answers)
    with pytest.raises(ClusterProblem, match=expected):
        list(Waits().watch())


def test_an_expired_watch_begins_anew(kubectl: StubKubectl) -> None:
    """The server's ERROR event ends only this connection."""
    kubectl.answers(answer(seen(1, 5) + event({"kind": "Status", "code": 410}, "ERROR")), answer(seen(2, 10)))
    assert weights(islice(Waits().watch(), 2)) == [5, 10]


def test_who_stops_asking_leaves_no_kubectl(kubectl: StubKubectl) -> None:
    """The process ends with the iterator."""
    kubectl.answers(answer(seen(1), seconds=60))
    models = watch(Kubectl(), "lead", say=print)
    next(models)
    assert is_alive(kubectl.pid)
    models.close()  # type: ignore[attr-defined]
    assert not is_alive(kubectl.pid)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children of a test run that a shell has put into the background would ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_watch_and_its_kubectl(number: int, kubectl: StubKubectl) -> None:
    """Ctrl-C reaches both; what `kill` sends reaches only the plugin, which takes kubectl along."""
    kubectl.answers(answer(seen(1), seconds=60))
    command = [sys.executable, "-m", "marquee.cli.main", "status", "lead", "--watch"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "operator"}
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        try:
            assert any(line.startswith("as of ") for line in lines)
            process.send_signal(number)
            assert process.wait(timeout=20) == Exit.INTERRUPTED
        finally:
            process.kill()
        assert not is_alive(kubectl.pid)
        assert process.communicate()[1] == ""


def test_a_watch_in_a_pipe_prints_blocks(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """No escape codes; each change is a block that ends with its time."""
    kubectl.answers(answer(seen(1, 5) + seen(2, 10) + event(a_body(), "DELETED")))
    assert main(["status", "lead", "-w"]) == Exit.FAILED
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out
    assert captured.out.count("growth/lead: Canary") == captured.out.count("as of ") == 2
    assert captured.err == "marquee: lead was deleted\n"


def test_a_login_that_asks_is_shown_at_once(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """What a credential plugin says before the answer is for the person; klog's lines are not."""
    complaint = "To sign in, use the code ABC\nE1125 15:00:00 memcache.go:265] again\nUnable to connect: no route\n"
    kubectl.answers(answer(complaint=complaint, code=1))
    assert main(["status", "lead"]) == Exit.FAILED
    assert capsys.readouterr().err == "To sign in, use the code ABC\nmarquee: Unable to connect: no route\n"


def test_a_reader_that_goes_ends_the_command_quietly(kubectl: StubKubectl) -> None:
    """As with `| head -1`: no traceback."""
    kubectl.answers(answer(a_body()))
    command = [sys.executable, "-m", "marquee.cli.main", "status", "lead"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, check=False, env=os.environ | {"PYTHONPATH": "operator"}
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (Exit.BROKEN_PIPE, b"")
