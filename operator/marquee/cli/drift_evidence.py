"""All that verdicts on drift follow from, as one file: for whoever computes them again (`replay_offline`)."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from marquee.api.drift import Drift
from marquee.evidence.drift.counting import Window
from marquee.judging.drifting import DriftVerdict, counters_digest
from marquee.judging.windows import settings_of


def evidence_of(path: str, revision: str, verdict: DriftVerdict, drift: Drift) -> str:
    """JSON: thresholds, the baseline's windows and those since, with their counters, their digests and the verdicts."""
    baseline = verdict.baseline
    kept = [each for found in baseline.by_label.values() for each in found] if baseline is not None else []
    usual = sorted([*kept, *(baseline.excluded if baseline is not None else ())], key=lambda window: window.start)
    document = {
        "model": path,
        "revision": revision,
        "windowSeconds": drift.window_seconds,
        "thresholds": _thresholds(drift),
        "baseline": [_window(window, drift) for window in usual],
        "windows": [
            _window(window, drift) | {"verdict": assessment.tier.value}
            for window, assessment in zip(verdict.windows, verdict.assessments, strict=True)
        ],
    }
    return json.dumps(document, ensure_ascii=False)


def _thresholds(drift: Drift) -> dict[str, Any]:
    settings = settings_of(drift)
    fixed = {"shifts": settings.shifts, "windowsToFalseAlarm": settings.windows_to_false_alarm}
    return drift.thresholds.model_dump(by_alias=True) | drift.quality.model_dump(by_alias=True) | fixed


def _window(window: Window, drift: Drift) -> dict[str, Any]:
    return {
        "started": datetime.fromtimestamp(window.start * drift.window_seconds, UTC).isoformat(),
        "label": window.label,
        "rows": window.rows,
        "digest": counters_digest(window),
        "features": {name: asdict(histogram) for name, histogram in window.features.items()},
    }
