"""The BentoML service behind the front: loaded in this process and run without its own server.

BentoML has no public way to get the ASGI application of a service that another server shall run, so this
module uses its private loader. It is the only one that does; `requirements` pin BentoML exactly, and
``tests/unit/front/test_bento.py`` fails when an upgrade moves what is used here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import orjson

from bentos.front.asgi import Application, Receive, Scope, Send
from bentos.front.failures import CannotServeError
from marquee.contract.pod import FailureReason

log = logging.getLogger(__name__)

_PROXY_MODULE: Final = "_bentoml_impl.server.proxy"
_OVERRIDES: Final = {"services": {"metrics": {"enabled": False}, "logging": {"access": {"enabled": False}}}}
"""The front counts and logs; BentoML's own metrics and access log would do it twice."""


def prepare_environment(home: Path) -> None:
    """Set what BentoML reads when it is imported: a writable home, no telemetry, no metrics of its own."""
    os.environ.setdefault("BENTOML_HOME", str(home))
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.environ.setdefault("BENTOML_CONFIG_OVERRIDES", orjson.dumps(_OVERRIDES).decode())


def leave_out_proxy() -> None:
    """Keep BentoML from importing its reverse proxy, and with it 18 MB of clients that nothing here calls.

    The proxy is for services that are another program's command; such a service cannot run behind the front.
    """

    def create_proxy_app(service: Any) -> Any:
        raise NotImplementedError(f"{service.name} runs a command of its own; the front serves classes")

    stand_in = ModuleType(_PROXY_MODULE)
    stand_in.create_proxy_app = create_proxy_app  # type: ignore[attr-defined]
    sys.modules.setdefault(_PROXY_MODULE, stand_in)


def load_application(service_path: str) -> Any:
    """The Starlette application of a service ``package.module:Class``; blocks for about a second.

    Raises:
        CannotServeError: ``SettingsInvalid`` when there is no such service, or it cannot be imported.

    """
    leave_out_proxy()
    try:
        from _bentoml_impl.loader import load
        from bentoml._internal.context import server_context

        service = load(service_path, working_dir=str(Path.cwd()), standalone_load=True)
        server_context.service_type = "entry_service"
        server_context.service_name = service.name
        server_context.bento_name = service.name
        server_context.bento_version = "not available"
        server_context.service_routes = [api.route for api in service.apis.values()]
        return service.to_asgi(is_main=True)
    except Exception as error:
        raise CannotServeError(
            FailureReason.SETTINGS_INVALID,
            f"MARQUEE_SERVICE: {service_path} is no BentoML service that can be loaded: "
            f"{type(error).__name__}: {error}",
        ) from error


@asynccontextmanager
async def running(application: Any) -> AsyncIterator[Application]:
    """The application between its start-up and shut-down hooks.

    Raises:
        CannotServeError: ``ModelLoadFailed`` when the service's constructor or a start-up hook fails.

    """
    lifespan = application.router.lifespan_context(application)
    try:
        await lifespan.__aenter__()
    except Exception as error:
        raise CannotServeError(
            FailureReason.MODEL_LOAD_FAILED, f"the BentoML service cannot start: {type(error).__name__}: {error}"
        ) from error
    try:
        yield cast("Application", application)
    finally:
        await lifespan.__aexit__(None, None, None)


@asynccontextmanager
async def on_demand(service_path: str, after_loading: Callable[[], None]) -> AsyncIterator[Application]:
    """As `running`, for a service that comes with the front: it is loaded when somebody first asks for its paths.

    Most pods are never asked for anything but predictions, and to import BentoML takes more than half of the CPU of a
    start. A failure is that of each caller, and is logged.

    Args:
        service_path: ``package.module:Class``.
        after_loading: called once, in the event loop.

    """
    wanted, leaving = asyncio.Event(), asyncio.Event()
    loaded: asyncio.Future[Application] = asyncio.get_running_loop().create_future()

    async def live() -> None:  # start-up and shut-down hooks in one task, as they would be under BentoML's own server
        await wanted.wait()
        log.info("loading the BentoML service: somebody asks for one of its paths")
        try:
            application = await asyncio.to_thread(load_application, service_path)
            async with running(application) as behind:
                after_loading()
                loaded.set_result(behind)
                await leaving.wait()
        except CannotServeError as error:
            log.error("%s", error)
            loaded.set_exception(error)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        wanted.set()
        behind = await asyncio.shield(loaded)
        await behind(scope, receive, send)

    living = asyncio.create_task(live())
    try:
        yield answer
    finally:
        leaving.set()
        if not wanted.is_set():
            living.cancel()
        await asyncio.wait([living])
