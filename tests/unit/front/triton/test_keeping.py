"""What the keeper makes of a server's answers, check by check."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from bentos.front.triton.keeping import Keeper


class Server:
    """Answers in a row, and whether loading succeeds each time it is asked for."""

    def __init__(self, answers: Sequence[bool | None], restores: Sequence[bool] = ()) -> None:
        self._answers = iter(answers)
        self._restores = iter(restores)
        self.loads = 0

    def is_ready(self) -> bool | None:
        return next(self._answers)

    def restore(self) -> None:
        self.loads += 1
        if not next(self._restores):
            raise RuntimeError("no room on the GPU")


@pytest.mark.parametrize(
    ("answers", "restores", "available", "told"),
    [
        ([True, True], [], [True, True], []),
        ([None], [], [True], []),
        ([None, None], [], [True, False], [False]),
        ([None, True, None], [], [True, True, True], []),
        ([False], [True], [True], [False, True]),
        ([False, False], [False, True], [False, True], [False, True]),
        ([None, None, True], [True], [True, False, True], [False, True]),
        ([False, True], [False, True], [False, True], [False, True]),
    ],
    ids=[
        "all is well", "one late answer", "it hangs", "late answers apart", "it came back empty",
        "it refuses at first", "it hung and goes on", "it has the model, but could not be tried",
    ],
)  # fmt: skip
def test_checks(answers: list[bool | None], restores: list[bool], available: list[bool], told: list[bool]) -> None:
    """A model that is gone is loaded and tried before it counts as there, and every change is told once."""
    server, heard, seen = Server(answers, restores), list[bool](), list[bool]()
    keeper = Keeper(server.is_ready, server.restore)
    keeper.tell(heard.append)
    for _ in answers:
        keeper._check()
        seen.append(keeper.available)
    assert (seen, heard, server.loads) == (available, told, len(restores))


def test_a_listener_that_comes_late_hears_that_the_model_is_gone() -> None:
    """The model may be lost between loading and the first request."""
    keeper = Keeper(Server([False], [False]).is_ready, Server([], [False]).restore)
    keeper._check()
    heard: list[bool] = []
    keeper.tell(heard.append)
    assert heard == [False]


def test_a_look_comes_before_its_time() -> None:
    """A prediction that found nobody does not wait for the next second, and a stopped keeper looks no more."""
    looked = threading.Event()

    def is_ready() -> bool:
        looked.set()
        return True

    keeper = Keeper(is_ready, lambda: None)
    keeper.start()
    keeper.start()
    keeper.look()
    assert looked.wait(0.8)
    keeper.stop()
    assert not keeper._thread.is_alive()


def test_a_stopped_keeper_restores_nothing() -> None:
    """What it hears once it is to end is that the connection was closed."""
    restored: list[None] = []

    def is_ready() -> bool:
        keeper._stopping = True
        return False

    keeper = Keeper(is_ready, lambda: restored.append(None))
    assert keeper._check()
    assert not restored
    assert keeper.available
