"""A model that is ready to predict: artifact, compiled schema and runtime, warmed up and measured."""

from __future__ import annotations

import asyncio
import logging
import math
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from bentos.front.artifact import Artifact, ArtifactCache
from bentos.front.failures import CannotServeError
from bentos.front.runtimes import Column, ModelOutputError, Runtime, load_runtime
from bentos.front.schema import InvalidInputError, Rows, Schema
from bentos.front.settings import Settings
from bentos.front.sources import source_of
from marquee.contract.manifest import Manifest
from marquee.contract.pod import FailureReason

log = logging.getLogger(__name__)

IN_LOOP_SECONDS: Final = 0.001
"""A call that takes less runs in the event loop: a hop to a thread and back costs about a tenth of that."""
MAX_WAITING: Final = 32
"""Calls that may wait for the worker thread; more would only make every answer late."""

_WARM_UP_ROUNDS: Final = 15
_WARM_UP_SECONDS: Final = 0.5
_MANY_ROWS: Final = 64


class OverloadedError(Exception):
    """More calls are waiting for the model than it can answer in time."""


class Predictor:
    """The model of one revision."""

    def __init__(self, artifact: Artifact, runtime: Runtime) -> None:
        self.manifest: Manifest = artifact.manifest
        self.digest = artifact.digest
        self.schema = Schema(self.manifest.inputs, largest=runtime.largest)
        self.outputs = tuple(field.name for field in self.manifest.outputs)
        self.example = _example_row(self.manifest, self.schema)
        self._runtime = runtime
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting = 0
        self._rows_in_loop = 0

    async def predict(self, rows: Rows) -> Sequence[Column]:
        """One array of shape (rows,) per output, in the order of ``outputs``.

        Raises:
            ModelOutputError: the model's answer is unusable.
            OverloadedError: too many calls are waiting.

        """
        if len(rows) <= self._rows_in_loop:
            return self.predict_now(rows)
        if self._waiting >= MAX_WAITING:
            raise OverloadedError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, self.predict_now, rows)
        finally:
            self._waiting -= 1

    def predict_now(self, rows: Rows) -> Sequence[Column]:
        """As `predict`, in this thread."""
        answers = self._runtime.predict(rows)
        for name, answer in zip(self.outputs, answers, strict=True):
            if answer.shape != (len(rows),):
                raise ModelOutputError(f"output {name} has shape {answer.shape} for {len(rows)} rows")
            finite = math.isfinite(answer[0]) if len(rows) == 1 else np.isfinite(answer).all()
            if not finite:
                raise NotFiniteError(f"output {name} is NaN or infinite")
        return answers

    def warm_up(self) -> None:
        """Predict the example until the model is warm, and measure which calls are short enough for the loop.

        Raises:
            CannotServeError: ``SchemaMismatch`` or ``WarmUpFailed``.

        """
        many = np.repeat(self.example, _MANY_ROWS, axis=0)
        try:
            one_row, many_rows = self._median_seconds(self.example), self._median_seconds(many)
        except NotFiniteError as error:
            raise CannotServeError(FailureReason.WARM_UP_FAILED, f"the manifest's example: {error}") from error
        except ModelOutputError as error:
            raise CannotServeError(FailureReason.SCHEMA_MISMATCH, str(error)) from error
        except Exception as error:
            message = f"predicting the manifest's example failed: {type(error).__name__}: {error}"
            raise CannotServeError(FailureReason.WARM_UP_FAILED, message) from error
        self._rows_in_loop = rows_in_loop(one_row, many_rows)
        log.info("model is warm: %.3f ms a row, %d rows in the event loop", one_row * 1_000, self._rows_in_loop)

    def _median_seconds(self, rows: Rows) -> float:
        seconds: list[float] = []
        while len(seconds) < 3 or (len(seconds) < _WARM_UP_ROUNDS and sum(seconds) < _WARM_UP_SECONDS):
            start = time.perf_counter()
            self.predict_now(rows)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)


class NotFiniteError(ModelOutputError):
    """A model answered NaN or infinity."""


def rows_in_loop(one_row: float, many_rows: float) -> int:
    """How many rows a call may have to stay under `IN_LOOP_SECONDS`, by a line through two measurements."""
    if one_row >= IN_LOOP_SECONDS:
        return 0
    seconds_per_row = max((many_rows - one_row) / (_MANY_ROWS - 1), 1e-9)
    return 1 + int((IN_LOOP_SECONDS - one_row) / seconds_per_row)


def load_predictor(settings: Settings) -> Predictor:
    """Fetch, verify, load and warm up the revision that the settings name. Blocks for seconds.

    Raises:
        CannotServeError: with the reason.

    """
    started = time.monotonic()
    artifact = ArtifactCache(settings.cache_path).ensure(
        settings.artifact_digest, lambda: source_of(settings.artifact_uri, pvc_root=settings.pvc_root)
    )
    if artifact.manifest.model != settings.model:
        raise CannotServeError(
            FailureReason.MODEL_MISMATCH,
            f"{settings.artifact_uri} is an artifact of model {artifact.manifest.model!r}, this pod serves "
            f"{settings.model!r}; name a revision of that model",
        )
    predictor = Predictor(artifact, load_runtime(artifact, threads=settings.threads))
    predictor.warm_up()
    log.info("loaded %s in %.2f s", settings.artifact_uri, time.monotonic() - started)
    return predictor


def _example_row(manifest: Manifest, schema: Schema) -> Rows:
    try:
        return schema.encode(manifest.example, "/example")
    except InvalidInputError as error:
        first = error.errors[0]
        raise CannotServeError(
            FailureReason.MANIFEST_INVALID, f"the manifest breaks its own schema: {first.pointer} {first.detail}"
        ) from error
