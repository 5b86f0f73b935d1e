"""Evidently's default drift report in an environment of its own: ``python evidently_run.py FOLDER``; JSON to stdout.

Reads ``reference.npy`` and ``current.npy``. What is measured is the report alone, without imports and reading.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset


def main(folder: Path) -> None:
    """Run it once."""
    reference, current = (_frame(folder / f"{name}.npy") for name in ("reference", "current"))
    started = time.process_time()
    report = Report([DataDriftPreset()]).run(current, reference)
    text = report.json()
    seconds = time.process_time() - started
    print(json.dumps({"version": version("evidently"), "cpu_seconds": seconds, "characters": len(text)}))


def _frame(path: Path) -> pd.DataFrame:
    values = np.load(path)
    return pd.DataFrame(values, columns=[f"f{index:02}" for index in range(values.shape[1])])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
