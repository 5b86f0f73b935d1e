"""A real Triton server for the session, and models that it is asked to load."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bentos.front.predictor import Predictor, load_predictor
from bentos.front.runtimes.triton import TritonModel
from bentos.front.settings import Settings
from marquee.contract.manifest import PythonRuntime
from marquee.contract.triton import Backend, TritonSettings
from tests.support.triton import Triton
from tests.unit.front.artifacts import write_artifact

Configure = Callable[..., Settings]
Serve = Callable[..., Predictor]

OPTIONS = ("--cache-config=local,size=1048576", "--rate-limit=execution_count", "--rate-limit-resource=lane:1")
"""Models that ask for neither are served as without them."""


def python_artifact(source: str) -> dict[str, Any]:
    """Arguments of `write_artifact` for a class ``Model`` of the artifact."""
    return {"runtime": PythonRuntime(entrypoint="model:Model"), "files": {"model.py": source.encode()}}


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """Started once: that and its first model cost seconds."""
    with Triton(tmp_path_factory.mktemp("triton"), *OPTIONS) as server:
        yield server


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Settings of a pod beside a server; the other arguments go to `TritonSettings` and `write_artifact`."""

    def make(server: Triton, triton: dict[str, Any] | None = None, **artifact: Any) -> Settings:
        name = f"m{uuid.uuid4().hex[:8]}"
        digest = write_artifact(tmp_path / name, model=name, **artifact)
        return Settings(
            model=name,
            namespace="ns",
            revision=f"{name}-1",
            artifact_uri=str(tmp_path / name),
            artifact_digest=digest,
            cache_path=tmp_path / "cache",
            triton=TritonSettings.model_validate({"backend": Backend.PYTHON} | (triton or {})),
            triton_address=server.address,
            triton_metrics_address=f"127.0.0.1:{server.metrics_port}",
            triton_repository_path=server.repository,
        )

    return make


@pytest.fixture
def serve(triton: Triton, configure: Configure) -> Iterator[Serve]:
    """Load a model into the session's server; it is left alone after the test."""
    served: list[Predictor] = []

    def load(settings: dict[str, Any] | None = None, **artifact: Any) -> Predictor:
        served.append(load_predictor(configure(triton, settings, **artifact)))
        return served[-1]

    yield load
    for predictor in served:
        close(predictor)


def close(predictor: Predictor) -> None:
    """End what a predictor does in the background."""
    assert isinstance(predictor._runtime, TritonModel)
    predictor._runtime.close()
