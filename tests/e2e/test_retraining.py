"""The closed loop with real trainers: a shift of the traffic leads to a better revision, and nothing to a worse one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest

from marquee.contract.drift import SLICE_SECONDS
from marquee.judging.gating import Ruling
from models.data.examples import Numbers
from models.retraining.running import QUALITY_FILE
from tests.support.closed_loop import BASELINE_WINDOWS, LABELS, WINDOW_DAYS, ClosedLoop
from tests.support.feeds import Feed, Windows
from tests.support.place import Place
from tests.support.retraining import TRAINER_LABEL
from tests.support.seasons import AUTUMN, CAR, SPRING, rows_of, turned_around
from tests.support.waiting import wait_for

SPRING_ROWS, AUTUMN_ROWS = 2_000, 4_000
HELD_OUT = (SPRING_ROWS + AUTUMN_ROWS) // 5
QUIET_WINDOWS = 4
ROWS = 1_000
"""Of a quiet window."""


@dataclass(frozen=True)
class Story:
    """The model's first revision in its spring."""

    loop: ClosedLoop
    first: str
    feed: Feed
    usual: Numbers
    windows: Windows

    def judged(self, verdict: str) -> None:
        """Wait for the verdict on drift; nothing was trained since the first revision."""
        self.loop.tell(self.loop.becomes("DriftWithinBounds", verdict)["message"])
        assert self.loop.jobs() == {self.first}


@pytest.mark.first
def test_weeks_of_a_model_in_minutes(place: Place, tmp_path: Path) -> None:
    """Quiet windows, a broken feed, a shift that is learned, labels that mislead: one run for each cause."""
    loop = ClosedLoop(place)
    spring = SPRING.columns(SPRING_ROWS, start=loop.ago(46), end=loop.ago(24))
    autumn = AUTUMN.columns(AUTUMN_ROWS, start=loop.ago(22), end=loop.ago(2))
    loop.write("spring", spring)
    first = _first_revision(loop)
    with loop.feed(first) as feed:
        story = Story(loop, first, feed, rows_of(spring, tmp_path), Windows.at(time.time()))
        _quiet_windows_ask_for_nothing(story)
        _a_broken_feed_blocks(story)
        _good_data_lift_it(story)
        loop.write("autumn", autumn)
        feed.tell(story.windows.last(3), rows_of(autumn, tmp_path), 2 * ROWS)
        second = _a_shift_is_learned(story)
    loop.write("autumn", turned_around(autumn, but_newest=HELD_OUT))
    _what_is_worse_is_kept_out(loop, first, second)


def _first_revision(loop: ClosedLoop) -> str:
    """None serves yet: a person asks, and the baseline alone is to be beaten."""
    loop.apply()
    assert loop.becomes("RetrainingUpToDate", "UpToDate")["status"] == "True"
    loop.ask()
    first, run = loop.ends(Ruling.GATE_PASSED, set())
    assert run["trigger"] == "Manual"
    loop.serves(first)
    return first


def _quiet_windows_ask_for_nothing(story: Story) -> None:
    windows = story.windows.last(BASELINE_WINDOWS + QUIET_WINDOWS)
    wait_for(
        "the bins that the pods tell the ledger",
        lambda: True if story.feed.tell(windows, story.usual, ROWS) else None,
        timeout_seconds=60,
    )
    story.judged("Stable")
    assert story.loop.becomes("RetrainingUpToDate", "GatePassed")["status"] == "True"


def _a_broken_feed_blocks(story: Story) -> None:
    """Not even what a schedule asks for is started."""
    story.feed.tell(story.windows.last(1), story.usual, 0, wrong=60, of=CAR)
    story.judged("BrokenFeed")
    story.loop.apply("* * * * *")
    blocked = story.loop.becomes("RetrainingUpToDate", "FeedBlocked", timeout_seconds=150)
    story.loop.tell(blocked["message"])
    assert (blocked["status"], "Schedule asks" in blocked["message"]) == ("False", True)
    assert story.loop.status["retraining"]["feedBlocked"]
    story.loop.apply()
    story.loop.becomes("RetrainingUpToDate", "GatePassed")
    assert story.loop.jobs() == {story.first}


def _good_data_lift_it(story: Story) -> None:
    story.feed.tell(story.windows.last(1), story.usual, 2_500)
    story.judged("Stable")
    assert not story.loop.status["retraining"].get("feedBlocked")


def _a_shift_is_learned(story: Story) -> str:
    """One run, whose candidate is better; it takes over by its label, with all that it came from."""
    loop, first = story.loop, story.first
    loop.tell(loop.becomes("RetrainingUpToDate", "InFlight")["message"])
    second, run = loop.ends(Ruling.GATE_PASSED, {first})
    assert run["trigger"] == "Drift"
    (auc,) = loop.status["retraining"]["comparison"]
    assert auc["challenger"] > auc["champion"] + 0.1
    loop.serves(second)
    revision = loop.revisions()[second]
    assert revision["metadata"]["labels"] == LABELS | {"marquee.dev/run": second}
    lineage = revision["spec"]["lineage"]
    start, end = (datetime.fromisoformat(lineage[name]) for name in ("windowStart", "windowEnd"))
    cause, of, window = lineage["trigger"].split("/")
    assert (lineage["run"], cause, of) == (second, "Drift", first)
    assert (end - start, end.timestamp()) == (timedelta(days=WINDOW_DAYS), (int(window) + 1) * SLICE_SECONDS)
    artifact = loop.artifact(second)
    assert lineage["codeDigest"] == artifact.manifest.lineage.code_digest
    assert lineage["seed"] == artifact.manifest.lineage.seed
    assert orjson.loads(artifact.files[QUALITY_FILE])["rowsUsed"] == SPRING_ROWS + AUTUMN_ROWS
    return second


def _what_is_worse_is_kept_out(loop: ClosedLoop, first: str, second: str) -> None:
    """An export has turned all labels around but the newest: who learns from it is worse on those."""
    serving = _of_revision(loop, second)
    loop.ask()
    third, run = loop.ends(Ruling.WORSE_THAN_CHAMPION, {first, second})
    assert (run["trigger"], second in run["message"]) == ("Manual", True)
    assert loop.revisions().keys() == {first, second}
    assert loop.serving == second
    assert _of_revision(loop, second) == serving
    ended = [pod["status"]["containerStatuses"][0]["state"]["terminated"] for pod in loop.pods(TRAINER_LABEL)]
    assert [state["exitCode"] for state in ended] == [0, 0, 0]
    assert [(one["name"], one["trigger"], one["outcome"]) for one in loop.status["retraining"]["runs"]] == [
        (third, "Manual", "WorseThanChampion"),
        (second, "Drift", "GatePassed"),
        (first, "Manual", "GatePassed"),
    ]
    passed, refused = ["Started", "Finished", "GatePassed"], ["Started", "Finished", "GateRefused"]
    assert loop.entered() == [*passed, *passed, *refused]


def _of_revision(loop: ClosedLoop, revision: str) -> dict[str, int]:
    """Its pods by uid, with their restarts."""
    return {
        pod["metadata"]["uid"]: sum(one["restartCount"] for one in pod["status"]["containerStatuses"])
        for pod in loop.pods(f"marquee.dev/revision={revision}")
    }
