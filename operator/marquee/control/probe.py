"""Asks a pod to predict its artifact's example and to name the bytes it serves; remembers the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
from pydantic import ValidationError

from marquee.contract.pod import ProbeReply
from marquee.control.decide.plan import Probe
from marquee.control.snapshot import ModelKey, ProbeResult

_REPLY_LIMIT = 64 * 1024


@dataclass(slots=True)
class HttpProber:
    """Probes over HTTP, pod by pod."""

    session: aiohttp.ClientSession
    timeout_seconds: float
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _results: dict[ModelKey, ProbeResult] = field(default_factory=dict)

    def result(self, key: ModelKey) -> ProbeResult | None:
        """The last answer of a pod of that model."""
        return self._results.get(key)

    def forget(self, key: ModelKey) -> None:
        """The model is gone."""
        self._results.pop(key, None)

    async def probe(self, key: ModelKey, probe: Probe) -> None:
        """Ask once, and keep what came back."""
        failure = await self._failure(probe)
        self._results[key] = ProbeResult(pod_uid=probe.pod_uid, passed=failure == "", message=failure, at=self.now())

    async def _failure(self, probe: Probe) -> str:
        """Empty when the pod serves exactly what the revision says."""
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        try:
            async with self.session.get(probe.address, timeout=timeout) as response:
                body = await response.content.read(_REPLY_LIMIT)
        except (aiohttp.ClientError, OSError) as error:
            return f"{probe.address}: {type(error).__name__}: {error}; may the operator reach the pod's network?"
        except TimeoutError:
            return f"{probe.address}: no prediction within {self.timeout_seconds:g} s"
        if response.status != 200:
            return f"the probe prediction was answered with {response.status}: {body[:300].decode(errors='replace')}"
        try:
            reply = ProbeReply.model_validate_json(body)
        except ValidationError as error:
            return f"the probe's answer is not understood: {error.errors()[0]['msg']}; is the image a predictor?"
        for what, told, wanted in (
            ("model", reply.model, probe.model),
            ("revision", reply.revision, probe.revision),
            ("digest", reply.artifact_digest, probe.digest),
        ):
            if told != wanted:
                return f"the pod serves {what} {told!r}, not {wanted!r}"
        return ""
