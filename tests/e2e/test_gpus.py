"""Models that ask for a GPU, on a real kubelet to which a device plugin offers one that is none."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final

from demo.forwarding import call
from demo.target import Target
from localcluster.settings import NODE_NAME
from tests.support.devices.offering import offered
from tests.support.devices.plugin import VARIABLE
from tests.support.place import LIGHT, Place
from tests.support.waiting import wait_for

RESOURCE: Final = "nvidia.com/gpu"
ON_GPU: Final[dict[str, Any]] = {"serving": LIGHT | {"gpu": {"resource": RESOURCE}}, "rollout": {"drainSeconds": 1}}
INPUTS: Final = {"recency": 1.0, "frequency": 2.0, "spend": 3.0}


def _offers(target: Target, count: int) -> None:
    """Wait until the node has so many."""

    def found() -> bool | None:
        node = target.get("node", NODE_NAME, "") or {}
        return True if node.get("status", {}).get("allocatable", {}).get(RESOURCE, "0") == str(count) else None

    wait_for(f"a node with {count} {RESOURCE}", found, timeout_seconds=60)


def _score(place: Place) -> float:
    answer = call(f"{place.url('lead')}/predict", {"inputs": INPUTS})
    return float(answer["outputs"]["score"])


def _devices(place: Place, pod: str) -> str:
    """What the kubelet has given a pod's predictor, as its process sees it."""
    code = f"import os; print(os.environ['{VARIABLE}'])"
    return place.target.kubectl("exec", "-n", place.namespace, pod, "--", "python", "-c", code).strip()


def _pods(place: Place, revision: str) -> list[str]:
    return [pod["metadata"]["name"] for pod in place.target.list("pods", place.namespace, _of(revision))]


def _of(revision: str) -> str:
    return f"marquee.dev/revision={revision}"


def test_one_gpu_goes_from_one_revision_to_the_next_and_is_missed_when_it_is_gone(place: Place) -> None:
    """The only GPU is stable's, which goes on answering; the condition's own command gives it to the newcomer. When the
    device plugin ends, who has its GPU keeps serving, and another revision is told that there is none any more."""
    with offered(RESOURCE, 1):
        _offers(place.target, 1)
        _hand_over(place)
    _offers(place.target, 0)
    serving = _score(place)
    _apply(place, "lead-v3", bias=3.0)
    message = place.wait_for_reason("lead", "GpuNotFound")["message"]
    assert f"no node that the pods may run on has as much {RESOURCE} as a pod asks for" in message
    assert message.endswith("revision lead-v2 keeps serving")
    assert _score(place) == serving


def _hand_over(place: Place) -> None:
    """From the first revision to the second."""
    first = place.serve("lead", bias=1.0, **ON_GPU)
    (pod,) = _pods(place, first)
    assert _devices(place, pod) == "gpu-0"
    stable = _score(place)
    _apply(place, "lead-v2", bias=2.0)
    message = place.wait_for_reason("lead", "GpuInUse")["message"]
    assert f"every {RESOURCE} that the pods may use is taken, and revision lead-v1 holds some" in message
    assert all(way in message for way in ("Surge: ", "Time-share: ", "Swap: ", "revision lead-v1 keeps serving"))
    assert _score(place) == stable
    command = re.search(r"`kubectl (.+?)`", message)
    assert command is not None
    place.target.kubectl(*shlex.split(command[1]))
    place.wait_for_reason("lead", "Serving", timeout_seconds=120)
    assert _score(place) == stable + 1.0
    wait_for("the end of lead-v1", lambda: True if not _pods(place, "lead-v1") else None, timeout_seconds=60)
    (pod,) = _pods(place, "lead-v2")
    assert _devices(place, pod) == "gpu-0"


def _apply(place: Place, revision: str, *, bias: float) -> None:
    """Another revision, which the model pins from now on."""
    place.apply_revision(revision, "lead", place.artifact(revision, "lead", bias=bias).digest)
    place.apply_model("lead", revision, **ON_GPU)
