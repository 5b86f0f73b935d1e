"""Value types shared by who describes parts and who supervises them, with their JSON form."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localcluster.processes import Identity


@dataclass(frozen=True)
class Probe:
    """How a part shows that it is ready: an https URL that answers 200, or a socket that accepts."""

    url: str = ""
    ca_file: str = ""
    socket_path: str = ""


@dataclass(frozen=True)
class Part:
    """One long-running program."""

    name: str
    argv: tuple[str, ...]
    ready: Probe | None = None
    needs: tuple[str, ...] = ()
    """Parts that must have been ready once before the first start."""
    stop_stage: int = 0
    """Parts of the lowest stage are stopped first."""
    before_stop: tuple[str, ...] = ()
    """Command that runs to its end before the part is stopped."""
    grace_seconds: float = 10.0
    """Time between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class PartState:
    """What the supervisor knows about one part."""

    identity: Identity | None = None
    ready: bool = False
    restarts: int = 0
    past_cpu_seconds: float = 0.0
    """CPU time of the part's earlier processes."""
    last_exit: str = ""


@dataclass(frozen=True)
class SupervisorState:
    """The supervisor and its parts."""

    supervisor: Identity
    parts: dict[str, PartState] = field(default_factory=dict)


def write_spec(path: Path, parts: Sequence[Part]) -> None:
    """Save what shall run."""
    _replace(path, [asdict(part) for part in parts])


def read_spec(path: Path) -> list[Part]:
    """Load what shall run; empty when nothing was ever started."""
    if not path.exists():
        return []
    return [
        Part(
            name=item["name"],
            argv=tuple(item["argv"]),
            ready=Probe(**item["ready"]) if item["ready"] else None,
            needs=tuple(item["needs"]),
            stop_stage=item["stop_stage"],
            before_stop=tuple(item["before_stop"]),
            grace_seconds=item["grace_seconds"],
        )
        for item in json.loads(path.read_text())
    ]


def write_state(path: Path, state: SupervisorState) -> None:
    """Save what runs."""
    _replace(path, asdict(state))


def read_state(path: Path) -> SupervisorState | None:
    """Load what runs; None when no supervisor ever wrote here."""
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    parts = {
        name: PartState(**{**item, "identity": Identity(**item["identity"]) if item["identity"] else None})
        for name, item in raw["parts"].items()
    }
    return SupervisorState(Identity(**raw["supervisor"]), parts)


def _replace(path: Path, content: object) -> None:
    # A reader never sees half a file.
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(content, indent=1))
    draft.replace(path)
