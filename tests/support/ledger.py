"""A ledger for tests: in a thread of this process or in a process of its own, and what its senders send."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import CONTENT_TYPE, EXPOSURES_PATH, ExposureBatch, ExposureGroup
from marquee.contract.ledger import COUNTS_PATH, OUTCOMES_PATH, ROLLOUTS_PATH, STATISTICS_PATH
from marquee.contract.prediction import Issuer, derive_secret
from marquee.ledger.access.models import Models
from marquee.ledger.access.senders import Authenticator
from marquee.ledger.service import Running, running
from marquee.ledger.settings import PREFIX, Settings
from tests.support.plainhttp import http_client

MASTER: Final = bytes(range(32))
KEY_ID: Final = 7
LOG_SEED: Final = bytes([9] * 32)
LOG_NAME: Final = "tests/marquee"
START_SECONDS: Final = 90.0


def master_keys(folder: Path) -> Path:
    """A folder with one master key, as the Secret is mounted."""
    path = folder / "prediction-keys"
    path.mkdir(exist_ok=True)
    (path / str(KEY_ID)).write_text(MASTER.hex() + "\n", encoding="ascii")
    return path


def settings_of(folder: Path, url: str = "", **changes: Any) -> Settings:
    """Settings of a ledger on a free loopback port that everybody may use, on SQLite when no URL is given."""
    given = {
        "database_url": url or f"sqlite:///{folder / 'ledger.db'}",
        "http_host": "127.0.0.1",
        "http_port": 0,
        "master_keys_path": master_keys(folder),
        "unauthenticated": True,
        "exposures_per_second": 1e9,
        "outcomes_per_second": 1e9,
        "drain_seconds": 0,
    }
    return Settings.model_validate(given | changes)


def keeping_a_log(folder: Path) -> dict[str, Any]:
    """Settings of a ledger that keeps the audit log, with a key as the chart makes it."""
    keys = folder / "audit-log"
    keys.mkdir(exist_ok=True)
    (keys / "key").write_text(LOG_SEED.hex() + "\n", encoding="ascii")
    return {"audit_path": folder / "log", "audit_keys_path": keys, "audit_origin": LOG_NAME}


class Ledger:
    """A ledger in a thread with an event loop of its own, for as long as the context."""

    def __init__(
        self, settings: Settings, *, authenticator: Authenticator | None = None, models: Models | None = None
    ) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._models = models
        self._ready: asyncio.Future[Running] | None = None
        self._loop = asyncio.new_event_loop()
        self._leaving = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        up: asyncio.Future[Running] = asyncio.run_coroutine_threadsafe(self._up(), self._loop)  # type: ignore[assignment]
        self.running: Running = up.result(START_SECONDS)  # type: ignore[call-arg]
        return self

    async def _up(self) -> Running:
        self._ready = self._loop.create_future()
        self._life = self._loop.create_task(self._live(self._ready))
        return await self._ready

    async def _live(self, ready: asyncio.Future[Running]) -> None:
        try:
            async with running(self._settings, authenticator=self._authenticator, models=self._models) as ledger:
                ready.set_result(ledger)
                await self._leaving.wait()
        except Exception as error:
            if ready.done():
                raise
            ready.set_exception(error)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._down(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()

    async def _down(self) -> None:
        self._leaving.set()
        await self._life

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.running.port}"


@dataclass
class LedgerProcess:
    """``python -m marquee.ledger serve`` on its port."""

    process: subprocess.Popen[bytes]
    url: str

    def kill(self) -> None:
        """SIGKILL: nothing can be tidied up."""
        self.process.kill()
        self.process.wait(timeout=30)


@contextmanager
def ledger_process(
    folder: Path, settings: Mapping[str, str], *, port: int, prefix: Iterable[str] = ()
) -> Iterator[LedgerProcess]:
    """The program as it is installed; ended by SIGTERM when it still runs.

    Args:
        folder: for its log.
        settings: variables without their prefix, in lower case.
        port: on the loopback address.
        prefix: of its command, e.g. ``("taskset", "-c", "0")``.

    """
    given = {"http_host": "127.0.0.1", "http_port": str(port), "drain_seconds": "0", **settings}
    environment = {PREFIX + name.upper(): value for name, value in given.items()}
    with (folder / "ledger.log").open("ab") as log:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "marquee.ledger", "serve"],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process, folder / "ledger.log")
        yield LedgerProcess(process, url)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with http_client(timeout=5) as http:
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text(encoding="utf-8")
            try:
                if http.get(url + "/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
    raise AssertionError("the ledger does not answer: " + log.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Sender:
    """What predictors, shops and the operator send about one model."""

    http: httpx.Client
    model: str

    def issuer(self) -> Issuer:
        """Issues prediction ids as the model's predictors do."""
        return Issuer(key_id=KEY_ID, secret=derive_secret(MASTER, self.model), model=self.model, revision="r1")

    def predict(self, unit: str, rollout: str = "r", step: int = 0, arm: Arm = Arm.CANARY, at: float = 0) -> str:
        """A prediction id; made now unless a time in seconds is given."""
        milliseconds = round((at or time.time()) * 1_000)
        return self.issuer().issue(Cohort(rollout, step, arm), unit_hash(self.model, unit), milliseconds)

    def batch(
        self, units: Iterable[str], rollout: str = "r", step: int = 0, arm: Arm = Arm.CANARY, batch_id: bytes = b""
    ) -> ExposureBatch:
        """A batch with one group."""
        group = ExposureGroup(Cohort(rollout, step, arm), b"".join(unit_hash(self.model, unit) for unit in units))
        return ExposureBatch(batch_id or secrets.token_bytes(16), self.model, (group,))

    def expose(self, batch: ExposureBatch | bytes, **headers: str) -> httpx.Response:
        """POST a batch of exposures."""
        content = batch if isinstance(batch, bytes) else batch.to_bytes()
        return self.http.post(EXPOSURES_PATH, content=content, headers={"content-type": CONTENT_TYPE, **headers})

    def report(self, *outcomes: Mapping[str, Any], **headers: str) -> httpx.Response:
        """POST outcomes; one alone is sent as an object."""
        content: Any = outcomes[0] if len(outcomes) == 1 else list(outcomes)
        return self.http.post(OUTCOMES_PATH, json=content, headers=headers)

    def count(self, *counts: Mapping[str, Any], batch_id: str = "", **headers: str) -> httpx.Response:
        """POST a batch of counts."""
        body = {"batchId": batch_id or secrets.token_hex(16), "model": self.model, "counts": list(counts)}
        return self.http.post(COUNTS_PATH, json=body, headers=headers)

    def declare(self, *metrics: Mapping[str, Any], rollout: str = "r", **headers: str) -> httpx.Response:
        """PUT a rollout."""
        return self.http.put(
            f"{ROLLOUTS_PATH}/{self.model}/{rollout}", json={"metrics": list(metrics)}, headers=headers
        )

    def close(self, rollout: str = "r", **headers: str) -> httpx.Response:
        """End a rollout."""
        return self.http.post(f"{ROLLOUTS_PATH}/{self.model}/{rollout}/close", headers=headers)

    def statistics(self, rollout: str = "r") -> dict[str, Any]:
        """The integers of one rollout."""
        answer = self.http.get(STATISTICS_PATH, params={"rollout": f"{self.model}/{rollout}"})
        assert answer.status_code == 200, answer.text
        (only,) = answer.json()["rollouts"]
        return dict(only)

    def cohorts(self, rollout: str = "r") -> dict[tuple[int, str], dict[str, Any]]:
        """The integers by (step, arm)."""
        return {(item["step"], item["arm"]): item for item in self.statistics(rollout)["cohorts"]}
