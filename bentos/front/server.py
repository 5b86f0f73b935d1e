"""The life of a predictor process: listen, load, serve, drain.

The port is open before the model is there, so that a probe or an early request gets a clear 503 instead of a
refused connection. After SIGTERM the port stays open too: endpoints are removed from Services and gateways
with a delay, and whoever still comes in that time is answered, with ``Connection: close``.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, TypeVar, cast

import uvicorn

from bentos.front import process
from bentos.front.admission import longest_wait_seconds
from bentos.front.app import Front
from bentos.front.asking import stamping_of
from bentos.front.cache_page import CachePage, cache_of
from bentos.front.cost_page import CostPage
from bentos.front.drift.gathering import Gathering
from bentos.front.explaining.beside import Explaining
from bentos.front.explaining.endpoints import ExplainEndpoints
from bentos.front.explaining.page import ExplainingPage
from bentos.front.explaining.reasons import Reasons
from bentos.front.exposition import exposing
from bentos.front.failures import CannotServeError
from bentos.front.ids import PredictionIds, prediction_ids
from bentos.front.logs import RequestLog
from bentos.front.metrics import Metrics, MetricsPage
from bentos.front.predictor import Predictor, load_predictor
from bentos.front.privacy.answering import endpoints_of
from bentos.front.privacy.decisions import DecisionLog, Form
from bentos.front.privacy.guarding import Guard
from bentos.front.privacy.making import check_against, guard_of
from bentos.front.privacy.page import PrivacyPage
from bentos.front.protocol import HotPath
from bentos.front.reporting.making import reporter_of
from bentos.front.reporting.page import ReportPage
from bentos.front.reporting.reporter import Reporter
from bentos.front.settings import DEFAULT_SERVICE, Settings, variable
from bentos.front.signing import LedgerSignedIds, SigningPage
from bentos.front.triton.page import TritonPage
from marquee.contract.pod import FailureReason

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS: Final = 120
"""Longer than clients keep idle connections (Go: 90 s), so that it is they who close them."""
QUIET_SECONDS: Final = 3.0
"""A draining process may leave early when nobody was connected for so long."""
GRACE_SECONDS: Final = 5
"""After draining, how long requests in flight may still take."""
_TICK_SECONDS: Final = 0.1
_BACKLOG: Final = 2048
_DOORS: Final = 8
"""Connections that are accepted in a turn of the event loop. libuv accepts one a turn of each listening descriptor, and
under overload a turn takes milliseconds: a thousand clients that connect anew would wait for seconds."""

_Result = TypeVar("_Result")


class _Server(uvicorn.Server):
    """uvicorn, except that a signal starts our draining; uvicorn would close idle connections at once."""

    def __init__(self, config: uvicorn.Config, on_signal: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_signal = on_signal
        self._signalled = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        if self._signalled:
            log.warning("second %s: leaving at once", signal.Signals(sig).name)
            self.should_exit = self.force_exit = True
        self._signalled = True
        self._on_signal()


@dataclass(frozen=True, slots=True)
class _Pod:
    """What one process consists of before its model is there."""

    settings: Settings
    front: Front
    page: MetricsPage
    reporter: Reporter | None
    new_id: PredictionIds
    guard: Guard | None

    @staticmethod
    def of(settings: Settings) -> _Pod:
        metrics = Metrics()
        page = MetricsPage(metrics, model=settings.model, revision=settings.revision, namespace=settings.namespace)
        if settings.triton is not None:
            triton = TritonPage(settings.triton_metrics_address, page.labels)
            page.add(triton, refresh=triton.refresh)
        reporter = reporter_of(settings)
        if reporter is not None:
            page.add(ReportPage(reporter, page.labels))
        guard = guard_of(settings)
        if guard is not None:
            page.add(PrivacyPage(guard, page.labels))
        front = Front(
            namespace=settings.namespace,
            model=settings.model,
            revision=settings.revision,
            max_request_bytes=settings.max_request_bytes,
            metrics=metrics,
            request_log=RequestLog(settings.log_sample_rate),
            counting=reporter.counting if reporter else None,
            wait_seconds=longest_wait_seconds(settings.slo_p99_milliseconds),
            stamping=stamping_of(settings),
            asks_consent=guard is not None and guard.consent is not None,
        )
        if settings.cost_per_pod_hour is not None:
            page.add(
                CostPage(
                    metrics,
                    price=settings.cost_per_pod_hour,
                    currency=settings.cost_currency,
                    labels=page.labels,
                )
            )
        new_id = prediction_ids(settings)
        if isinstance(new_id, LedgerSignedIds):
            page.add(SigningPage(new_id, page.labels))
        return _Pod(settings, front, page, reporter, new_id, guard)


async def run(settings: Settings) -> None:
    """Serve until SIGTERM, then drain.

    Raises:
        CannotServeError: the settings, the artifact, the model or the BentoML service are unusable.

    """
    pod = _Pod.of(settings)
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = _Server(_uvicorn_config(pod.front), lambda: loop.call_soon_threadsafe(leaving.set))
    listener = _listen(settings.listen, variable("listen"))
    metrics_listener = _listen(settings.metrics_listen, variable("metrics_listen"))
    ports = listener.getsockname()[1], metrics_listener.getsockname()[1]
    async with exposing(pod.page.scraped, metrics_listener), pod.reporter.running() if pod.reporter else nullcontext():
        serving = asyncio.create_task(server.serve(sockets=_doors(listener)))
        serving.add_done_callback(lambda _: leaving.set())
        log.info("listening on port %d, for scrapes on port %d", *ports)
        try:
            loaded = await _unless(leaving, _in_thread(lambda: _load(pod)))
            if loaded is not None:
                await _serve(pod, server, serving, leaving, *loaded)
        finally:
            server.should_exit = True
            await serving


def _load(pod: _Pod) -> tuple[Predictor, Any]:
    """The predictor, and the BentoML application that shares it; None: the one that is loaded when it is asked for."""
    from bentos.front import bento

    settings, new_id = pod.settings, pod.new_id
    predictor = load_predictor(settings)
    if settings.privacy is not None:
        check_against(settings.privacy, predictor.manifest)
    process.adopt(predictor, settings, new_id, pod.guard)
    bento.prepare_environment(settings.cache_path / "bentoml")
    application = None if settings.service == DEFAULT_SERVICE else bento.load_application(settings.service)
    if isinstance(new_id, LedgerSignedIds) and not new_id.wait():
        log.warning("serving without a key: no outcome can be reported for these predictions until the ledger gives it")
    if pod.guard is not None and pod.guard.polling is not None and not pod.guard.polling.wait():
        log.warning("serving without the list of suppressed subjects: nobody is withheld until the ledger tells it")
    return predictor, application


async def _serve(
    pod: _Pod,
    server: _Server,
    serving: asyncio.Task[None],
    leaving: asyncio.Event,
    predictor: Predictor,
    application: Any,
) -> None:
    from bentos.front import bento

    settings, front = pod.settings, pod.front
    explaining = _explaining(pod, predictor)
    cache = cache_of(settings, predictor)
    if cache is not None:
        pod.page.add(CachePage(cache, pod.page.labels))
    endpoints = endpoints_of(
        pod.guard,
        predictor,
        namespace=settings.namespace,
        model=settings.model,
        revision=settings.revision,
        metrics=front.metrics,
        new_id=pod.new_id,
        cache=cache,
        gathering=_gathering(pod, predictor),
        explains=settings.explanations,
        decisions=_decisions(pod, predictor, explaining),
    )
    predictor.watch(_in_loop(front.note_model))
    pod.page.describe_model(digest=predictor.digest, flavour=predictor.manifest.runtime.flavour)
    service = bento.on_demand(settings.service, _settle) if application is None else bento.running(application)
    async with service as behind:
        _settle()
        front.serve(endpoints, behind, _explain(pod, predictor, explaining))
        log.info("ready: model %s, revision %s", settings.model, settings.revision)
        await leaving.wait()
        await _drain(front, server, pod.reporter, settings.drain_seconds)
        server.should_exit = True
        await serving


def _explaining(pod: _Pod, predictor: Predictor) -> Explaining | None:
    """Explains, where explanations are switched on."""
    settings, answering = pod.settings, pod.front.answering
    if not settings.explanations:
        return None
    explaining = Explaining(
        predictor,
        wait_seconds=longest_wait_seconds(settings.slo_p99_milliseconds),
        busy=lambda: answering.waiting() > 0,
    )
    pod.page.add(ExplainingPage(explaining, pod.page.labels))
    return explaining


def _explain(pod: _Pod, predictor: Predictor, explaining: Explaining | None) -> ExplainEndpoints | None:
    """Answers questions for explanations."""
    settings = pod.settings
    if explaining is None:
        return None
    return ExplainEndpoints(
        predictor,
        explaining,
        namespace=settings.namespace,
        model=settings.model,
        revision=settings.revision,
        metrics=pod.front.metrics,
        guard=pod.guard,
    )


def _gathering(pod: _Pod, predictor: Predictor) -> Gathering | None:
    """Counts what the model sees, where somebody wants to know."""
    if pod.reporter is None:
        return None
    return pod.reporter.gather(predictor.manifest, predictor.schema, pod.settings.revision)


def _decisions(pod: _Pod, predictor: Predictor, explaining: Explaining | None) -> DecisionLog | None:
    """Keeps decisions, where the spec asks for it."""
    settings = pod.settings
    if pod.reporter is None or settings.privacy is None or not settings.privacy.log_permille:
        return None
    explain = Reasons(explaining, asyncio.get_running_loop()) if explaining is not None else None
    form = Form(settings.model_path, settings.revision, settings.privacy, predictor.schema, predictor.outputs, explain)
    return pod.reporter.keep(form, pod.guard.suppressions if pod.guard is not None else None)


def _settle() -> None:
    """Give back what loading left over, and keep the collector away from what stays.

    A full collection would walk all of BentoML again and again, for tens of milliseconds each time.
    """
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


async def _drain(front: Front, server: _Server, reporter: Reporter | None, seconds: float) -> None:
    """Answer who still comes, until the time is over, or nobody was connected for a while and all is reported."""
    log.info("draining for up to %g s", seconds)
    front.drain()
    if reporter is not None:
        reporter.hurry()
    quiet_since = start = time.monotonic()
    while (now := time.monotonic()) < start + seconds and not server.should_exit:
        if server.server_state.connections or front.metrics.in_flight:
            quiet_since = now
        elif reporter is not None and not reporter.idle:
            pass  # the ledger may come back in the time that is left
        elif now - quiet_since >= QUIET_SECONDS:
            break
        await asyncio.sleep(_TICK_SECONDS)
    log.info("leaving after %.1f s", time.monotonic() - start)


async def _unless(event: asyncio.Event, work: Awaitable[_Result]) -> _Result | None:
    """The result of some work, or None when the event comes first."""
    working, waiting = asyncio.ensure_future(work), asyncio.create_task(event.wait())
    await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    log.info("told to leave while the model was being loaded")
    return None


def _in_loop(note: Callable[[bool], None]) -> Callable[[bool], None]:
    """The same, to be called from any thread, for as long as this loop runs."""
    loop = asyncio.get_running_loop()

    def call(value: bool) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is leaving
            loop.call_soon_threadsafe(note, value)

    return call


async def _in_thread(work: Callable[[], _Result]) -> _Result:
    """Run blocking work in a thread that does not keep the process from leaving, unlike an executor's."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def deliver(result: _Result | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("_Result", result))

    def body() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - it is raised again where it is awaited
            error = raised
        with suppress(RuntimeError):  # the loop is closed: the process is leaving
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=body, name="loader", daemon=True).start()
    return await future


def _listen(address: str, name: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        if host:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)
        return _listen_everywhere(int(port))
    except OSError as error:
        raise CannotServeError(
            FailureReason.SETTINGS_INVALID, f"{name}: cannot listen on {address}: {error}"
        ) from error


def _doors(listener: socket.socket) -> list[socket.socket]:
    """The listening socket under several descriptors, all with its one queue."""
    return [listener, *(listener.dup() for _ in range(_DOORS - 1))]


def _listen_everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with suppress(OSError):  # IPv6 may be compiled in and switched off
            return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=_BACKLOG)
    return socket.create_server(("", port), backlog=_BACKLOG)


def _uvicorn_config(front: Front) -> uvicorn.Config:
    return uvicorn.Config(
        front,
        loop="none",
        http=cast("type[asyncio.Protocol]", HotPath(front).protocol),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
