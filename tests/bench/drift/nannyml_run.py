"""NannyML's estimate of the area under the curve (CBPE) in an environment of its own: ``python nannyml_run.py FOLDER``.

Reads ``reference_scores.npy``, ``reference_labels.npy`` and ``chunks.npy`` (chunks, rows); prints JSON.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import nannyml
import numpy as np
import pandas as pd


def main(folder: Path) -> None:
    """Fit on the reference, estimate each chunk."""
    scores, labels, chunks = (
        np.load(folder / f"{name}.npy") for name in ("reference_scores", "reference_labels", "chunks")
    )
    reference = pd.DataFrame({"score": scores, "predicted": (scores >= 0.5).astype(int), "label": labels.astype(int)})
    estimator = nannyml.CBPE(
        problem_type="classification_binary",
        y_pred_proba="score",
        y_pred="predicted",
        y_true="label",
        metrics=["roc_auc"],
        chunk_size=chunks.shape[1],
    )
    estimator.fit(reference)
    flat = chunks.reshape(-1)
    found = estimator.estimate(pd.DataFrame({"score": flat, "predicted": (flat >= 0.5).astype(int)}))
    table = found.filter(period="analysis").to_df()
    print(json.dumps({"version": version("nannyml"), "aucs": table["roc_auc", "value"].tolist()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
