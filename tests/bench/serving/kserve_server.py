"""The rival: the same model behind KServe's Python server, as its guide to custom models writes it.

Runs in the environment of `rivals`, so it imports nothing of Marquee: ``python kserve_server.py --http_port=8080``.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime
from kserve import Model, ModelServer


class Bench(Model):  # type: ignore[misc]
    """Rows of numbers in, scores out, by the V1 protocol."""

    def __init__(self) -> None:
        super().__init__("bench")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"]
        )
        self.ready = True

    async def predict(self, payload: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        """The scores."""
        rows = np.array(payload["instances"], dtype=np.float32)
        (scores,) = self._session.run(["scores"], {"inputs": rows})
        return {"predictions": scores[:, 0].tolist()}


if __name__ == "__main__":
    ModelServer(workers=1, enable_grpc=False, access_log_format=None).start([Bench()])
