"""The rival: the same model as a LitAPI with one worker, as LitServe's guide writes it; the port is its argument."""

from __future__ import annotations

import os
import sys

import litserve
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tests.bench.front.workload import MODEL_VARIABLE


class Scores(litserve.LitAPI):  # type: ignore[misc]
    """One row of named numbers in, one score out.

    What comes in and goes out has no types, as in the guide: LitServe would make FastAPI's checks of them.
    """

    def setup(self, device: str) -> None:  # noqa: ARG002 - as LitServe calls it
        """Load the model, in the worker."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            os.environ[MODEL_VARIABLE], options, providers=["CPUExecutionProvider"]
        )

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - see above
        """The row."""
        return np.array([list(request["inputs"].values())], dtype=np.float32)

    def predict(self, rows: NDArray[np.float32]) -> float:
        """The score."""
        (scores,) = self._session.run(["scores"], {"inputs": rows})
        return float(scores[0, 0])

    def encode_response(self, score):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - see above
        """What is sent."""
        return {"outputs": {"score": score}}


if __name__ == "__main__":
    server = litserve.LitServer(Scores(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
