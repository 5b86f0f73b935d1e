"""The rival: the same model as a plain BentoML service with an async API, as BentoML's guide writes it."""

from __future__ import annotations

import os

import bentoml
import numpy as np
import onnxruntime

from tests.bench.front.workload import MODEL_VARIABLE


@bentoml.service(workers=1)
class PlainModel:
    """One row of named numbers in, one score out."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ[MODEL_VARIABLE], options, providers=["CPUExecutionProvider"]
        )

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, inputs: dict[str, float]) -> dict[str, float]:
        """The score."""
        rows = np.array([list(inputs.values())], dtype=np.float32)
        (scores,) = self._session.run(["scores"], {"inputs": rows})
        return {"score": float(scores[0, 0])}
