"""The floor: the least ASGI application that answers a prediction, without any check."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime
import orjson

from tests.bench.front.workload import MODEL_VARIABLE

_options = onnxruntime.SessionOptions()
_options.intra_op_num_threads = 1
_session = onnxruntime.InferenceSession(os.environ[MODEL_VARIABLE], _options, providers=["CPUExecutionProvider"])


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """POST anything with inputs."""
    if scope["type"] != "http":
        return
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    inputs = orjson.loads(body)["inputs"]
    rows = np.array([list(inputs.values())], dtype=np.float32)
    (scores,) = _session.run(["scores"], {"inputs": rows})
    answer = orjson.dumps({"outputs": {"score": float(scores[0, 0])}})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
