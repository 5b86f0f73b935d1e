"""A model that is ready to predict: artifact, compiled schema and runtime, warmed up and measured."""

from __future__ import annotations

import asyncio
import logging
import math
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import numpy as np

from bentos.front.admission import DEFAULT_WAIT_SECONDS, Admission, longest_wait_seconds
from bentos.front.artifact import Artifact, ArtifactCache
from bentos.front.examples import example_row
from bentos.front.failures import CannotServeError
from bentos.front.runtimes import (
    Column,
    DifferentiableRuntime,
    ModelOutputError,
    RemoteRuntime,
    Runtime,
    load_runtime,
)
from bentos.front.schema import Rows, Schema
from bentos.front.settings import Settings
from bentos.front.sources import source_of
from marquee.contract.manifest import Manifest
from marquee.contract.pod import FailureReason

log = logging.getLogger(__name__)

IN_LOOP_SECONDS: Final = 0.001
"""A call that takes less runs in the event loop: a hop to a thread and back costs about a tenth of that."""

_WARM_UP_ROUNDS: Final = 15
_WARM_UP_SECONDS: Final = 0.5
_MANY_ROWS: Final = 64
_ASIDE_SECONDS: Final = 60
"""A loop that has not come to it by then has ended."""

_Result = TypeVar("_Result")


class OverloadedError(Exception):
    """More calls are waiting for the model than it can answer in time."""


class DeadlineError(Exception):
    """A call's deadline was over before the model was free for it."""


class Predictor:
    """The model of one revision.

    Args:
        artifact: what is served.
        runtime: its model.
        wait_seconds: how long a call may wait for the worker thread.

    """

    def __init__(self, artifact: Artifact, runtime: Runtime, *, wait_seconds: float = DEFAULT_WAIT_SECONDS) -> None:
        self.manifest: Manifest = artifact.manifest
        self.digest = artifact.digest
        self.schema = Schema(self.manifest.inputs, largest=runtime.largest)
        self.outputs = tuple(field.name for field in self.manifest.outputs)
        self.example = example_row(self.manifest, self.schema)
        self._runtime = runtime
        self._remote = runtime if isinstance(runtime, RemoteRuntime) else None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting = 0
        self._rows_in_loop = 0
        self.steady = True
        """Whether the model answered its example always in the same way."""
        self.seconds_a_row = IN_LOOP_SECONDS
        self._rows_aside = 1
        self._admission = Admission(wait_seconds=wait_seconds, first_seconds=IN_LOOP_SECONDS)

    @property
    def full(self) -> bool:
        """Whether a call of one row would be turned away."""
        if self._remote is not None:
            return self._waiting >= self._remote.max_waiting
        return self._rows_in_loop == 0 and not self._admission.admits(self._waiting)

    def runs_in_loop(self, rows: int) -> bool:
        """Whether a call with so many rows is short enough for the event loop: `predict_now`."""
        return rows <= self._rows_in_loop

    def retry_seconds(self) -> int:
        """When a call that was turned away should come back; called once for each."""
        return self._admission.retry_seconds(time.perf_counter_ns())

    async def predict(self, rows: Rows, deadline: int | None = None) -> Sequence[Column]:
        """One array of shape (rows,) per output, in the order of ``outputs``.

        Args:
            rows: shape (rows, fields).
            deadline: by `time.perf_counter_ns`; a call that is not begun by then is not begun at all.

        Raises:
            ModelOutputError: the model's answer is unusable.
            OverloadedError: too many calls are waiting.
            DeadlineError: the deadline was over before the model was free.
            ModelFailedError: a model server says that its model failed.
            ModelUnavailableError: the model server does not answer.

        """
        if self._remote is not None:
            return await self._ask(self._remote, rows, deadline)
        if self.runs_in_loop(len(rows)):
            return self.predict_now(rows)
        patience = None if deadline is None else deadline - time.perf_counter_ns()
        if not self._admission.admits(self._waiting, patience):
            raise OverloadedError
        self._waiting += 1
        try:
            answers, nanoseconds = await asyncio.get_running_loop().run_in_executor(
                self._worker, self._predict_timed, rows, deadline
            )
        finally:
            self._waiting -= 1
        self._admission.observe(1, nanoseconds)
        return answers

    def _predict_timed(self, rows: Rows, deadline: int | None) -> tuple[Sequence[Column], int]:
        started = time.perf_counter_ns()
        if deadline is not None and started >= deadline:
            raise DeadlineError
        answers = self.predict_now(rows)
        return answers, time.perf_counter_ns() - started

    def predict_now(self, rows: Rows) -> Sequence[Column]:
        """As `predict`, in this thread."""
        return self._checked(self._runtime.predict(rows), rows)

    @property
    def differentiable(self) -> bool:
        """Whether the model knows its gradients."""
        return isinstance(self._runtime, DifferentiableRuntime) and self._runtime.differentiable

    @property
    def rows_aside(self) -> int:
        """How many rows `predict_aside` may have, so that a prediction waits for no longer than for two others."""
        return self._rows_aside

    def predict_aside(self, rows: Rows, loop: asyncio.AbstractEventLoop) -> Sequence[Column]:
        """As `predict`, for a thread of one's own whose question is less urgent than predictions; blocks it.

        A model that is called from one thread at a time is asked there where predictions ask it, in its turn.

        Args:
            rows: shape (rows, fields), at most `rows_aside`.
            loop: of the predictions.

        """
        if (remote := self._remote) is not None:
            return asyncio.run_coroutine_threadsafe(self._ask(remote, rows, None), loop).result(_ASIDE_SECONDS)
        return self._aside(lambda: self.predict_now(rows), loop)

    def gradients_aside(self, rows: Rows, output: str, loop: asyncio.AbstractEventLoop) -> Rows:
        """The gradients of an output by the inputs, shape (rows, inputs), of a `differentiable` model; as above."""
        runtime = self._runtime
        assert isinstance(runtime, DifferentiableRuntime)  # noqa: S101 - the caller has looked
        return self._aside(lambda: runtime.gradients(rows, output), loop)

    def _aside(self, work: Callable[[], _Result], loop: asyncio.AbstractEventLoop) -> _Result:
        if getattr(self._runtime, "concurrent", False):
            return work()
        if self._rows_in_loop == 0:
            return self._worker.submit(work).result()

        async def in_loop() -> _Result:
            return work()

        return asyncio.run_coroutine_threadsafe(in_loop(), loop).result(_ASIDE_SECONDS)

    def watch(self, changed: Callable[[bool], object]) -> None:
        """Call ``changed``, in another thread, whenever a model server loses the model or has it again."""
        if self._remote is not None:
            self._remote.watch(changed)

    async def _ask(self, remote: RemoteRuntime, rows: Rows, deadline: int | None) -> Sequence[Column]:
        if deadline is not None and time.perf_counter_ns() >= deadline:
            raise DeadlineError
        if self._waiting >= remote.max_waiting:
            raise OverloadedError
        self._waiting += 1
        try:
            return self._checked(await remote.infer(rows), rows)
        finally:
            self._waiting -= 1

    def _checked(self, answers: Sequence[Column], rows: Rows) -> Sequence[Column]:
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
        self._rows_in_loop = rows_in_loop(one_row, many_rows) if self._remote is None else 0
        self.seconds_a_row = one_row
        self._rows_aside = rows_aside(one_row, many_rows)
        self._admission.begin(one_row)
        log.info("model is warm: %.3f ms a row, %d rows in the event loop", one_row * 1_000, self._rows_in_loop)

    def _median_seconds(self, rows: Rows) -> float:
        seconds: list[float] = []
        first: list[float] | None = None
        while len(seconds) < 3 or (len(seconds) < _WARM_UP_ROUNDS and sum(seconds) < _WARM_UP_SECONDS):
            start = time.perf_counter()
            answers = self.predict_now(rows)
            seconds.append(time.perf_counter() - start)
            numbers = [float(answer[0]) for answer in answers]
            first = first or numbers
            self.steady = self.steady and all(map(_same, first, numbers))
        return statistics.median(seconds)


class NotFiniteError(ModelOutputError):
    """A model answered NaN or infinity."""


def _same(one: float, other: float) -> bool:
    """Whether two answers differ by no more than the order of a sum in float32 does."""
    return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-7)


def rows_in_loop(one_row: float, many_rows: float) -> int:
    """How many rows a call may have to stay under `IN_LOOP_SECONDS`, by a line through two measurements."""
    return 0 if one_row >= IN_LOOP_SECONDS else _rows_within(IN_LOOP_SECONDS, one_row, many_rows)


def rows_aside(one_row: float, many_rows: float) -> int:
    """How many rows a call may have to take no longer than two of one row, or than what the event loop bears."""
    return _rows_within(max(2 * one_row, IN_LOOP_SECONDS), one_row, many_rows)


def _rows_within(seconds: float, one_row: float, many_rows: float) -> int:
    seconds_per_row = max((many_rows - one_row) / (_MANY_ROWS - 1), 1e-9)
    return 1 + int((seconds - one_row) / seconds_per_row)


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
    predictor = Predictor(
        artifact,
        _runtime_of(artifact, settings),
        wait_seconds=longest_wait_seconds(settings.slo_p99_milliseconds),
    )
    predictor.warm_up()
    log.info("loaded %s in %.2f s", settings.artifact_uri, time.monotonic() - started)
    return predictor


def _runtime_of(artifact: Artifact, settings: Settings) -> Runtime:
    if settings.triton is None:
        return load_runtime(artifact, threads=settings.threads)
    from bentos.front.runtimes.triton import load_model

    return load_model(artifact, settings, settings.triton)
