"""The pods of a simulated cluster: one HTTP server that answers the operator's probe for all of them."""

from __future__ import annotations

import itertools
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from marquee.contract import pod
from tests.support.samples import DIGEST


class Predictors:
    """Listens where every simulated pod seems to be, and says that it serves `revision` of `model`."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.revision = ""
        predictors = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = predictors.reply().encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = _listen(Handler)
        self.address = str(self._server.server_address[0])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def reply(self) -> str:
        """The answer to a probe."""
        served = pod.ProbeReply(
            model=self.model, revision=self.revision, artifact_digest=DIGEST, outputs={"score": 0.5}, prediction_id="p"
        )
        return served.model_dump_json(by_alias=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _listen(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """On a loopback address that no other test run uses: the port is the predictors' own and cannot be chosen."""
    for number in itertools.count(os.getpid()):
        try:
            return ThreadingHTTPServer(
                (f"127.0.{1 + number // 250 % 250}.{1 + number % 250}", pod.SERVING_PORT), handler
            )
        except OSError:
            continue
    raise AssertionError("unreachable")
