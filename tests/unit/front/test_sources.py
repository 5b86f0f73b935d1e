"""Artifact URIs of every scheme, over their real protocols where a local server can speak them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from bentos.front.artifact import ArtifactCache
from bentos.front.failures import CannotServeError
from bentos.front.sources import source_of
from marquee.contract.manifest import MANIFEST_NAME
from marquee.contract.pod import FailureReason
from tests.unit.front.artifacts import write_artifact


def fetched(tmp_path: Path, uri: str, digest: str) -> Path:
    cache = ArtifactCache(tmp_path / "cache")
    return cache.ensure(digest, lambda: source_of(uri, pvc_root=tmp_path / "mnt")).folder


def refused(tmp_path: Path, uri: str) -> str:
    with pytest.raises(CannotServeError) as error:
        fetched(tmp_path, uri, "sha256:" + "0" * 64)
    assert error.value.reason is FailureReason.ARTIFACT_UNREACHABLE
    assert error.value.message.startswith(uri)
    return error.value.message


def test_paths_and_file_uris(tmp_path: Path) -> None:
    """A folder is reached by its path and by its URI, with blanks escaped."""
    folder = tmp_path / "my models" / "1"
    digest = write_artifact(folder)
    for uri in (str(folder), folder.as_uri(), f"{folder}/"):
        assert (fetched(tmp_path / uri.replace("/", "_"), uri, digest) / "model.onnx").exists()


def test_a_claim_is_a_folder_under_the_mount(tmp_path: Path) -> None:
    """pvc://CLAIM/PATH is found where the operator mounts the claim."""
    digest = write_artifact(tmp_path / "mnt" / "claim" / "a" / "1")
    assert (fetched(tmp_path, "pvc://claim/a/1", digest) / "model.onnx").exists()


@pytest.mark.parametrize("uri", ["pvc://claim", "pvc://", "pvc://claim/../other/1", "pvc://../etc/x", "pvc://./x/y"])
def test_a_claim_cannot_be_left(tmp_path: Path, uri: str) -> None:
    """Dots in a claim's URI do not lead to another claim or to the container's own files."""
    assert "pvc://CLAIM/PATH" in refused(tmp_path, uri)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("ftp://host/a", "the scheme 'ftp' is not supported"),
        ("memory://a", "the scheme 'memory' is not supported"),
        ("relative/path", "must be absolute"),
        ("https://host/a?signature=1", "query string"),
        ("/nowhere/at/all", "there is no manifest.json"),
        ("gs://bucket/a", "install gcsfs in the predictor image"),
        ("models:/lead-scoring/3", "needs the package mlflow"),
    ],
)
def test_what_cannot_be_reached_says_what_to_do(tmp_path: Path, uri: str, words: str) -> None:
    """Unsupported schemes, missing clients and missing folders are told apart."""
    assert words in refused(tmp_path, uri)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server for ``tmp_path``."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_artifacts_over_http(tmp_path: Path, web: str) -> None:
    """A folder behind a web server, and a clear error where there is none."""
    digest = write_artifact(tmp_path / "served")
    assert (fetched(tmp_path, f"{web}/served", digest) / "model.onnx").exists()
    assert "there is no manifest.json" in refused(tmp_path, f"{web}/nothing")
    assert "reading manifest.json failed" in refused(tmp_path, "http://127.0.0.1:1/a")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of a local S3 server; yields the endpoint."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("bucket")
def test_artifacts_in_s3(tmp_path: Path) -> None:
    """A bucket's folder over the real protocol, and a clear error where there is none."""
    import s3fs  # type: ignore[import-untyped]

    digest = write_artifact(tmp_path / "artifact")
    s3 = s3fs.S3FileSystem(skip_instance_cache=True)
    s3.mkdir("models")
    s3.put(str(tmp_path / "artifact"), "models/lead/1", recursive=True)
    folder = fetched(tmp_path, "s3://models/lead/1", digest)
    assert (folder / MANIFEST_NAME).read_bytes() == (tmp_path / "artifact" / MANIFEST_NAME).read_bytes()
    assert "there is no manifest.json" in refused(tmp_path, "s3://models/lead/2")


def test_a_registered_model_is_downloaded_by_its_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """models:/NAME/VERSION is resolved by mlflow, and its errors keep their words."""
    digest = write_artifact(tmp_path / "downloaded")

    def download_artifacts(artifact_uri: str) -> str:
        if artifact_uri.endswith("/4"):
            raise RuntimeError("RESOURCE_DOES_NOT_EXIST")
        return str(tmp_path / "downloaded")

    client = ModuleType("mlflow.artifacts")
    client.download_artifacts = download_artifacts  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", ModuleType("mlflow"))
    monkeypatch.setitem(sys.modules, "mlflow.artifacts", client)
    assert (fetched(tmp_path, "models:/lead-scoring/3", digest) / "model.onnx").exists()
    assert "RESOURCE_DOES_NOT_EXIST" in refused(tmp_path, "models:/lead-scoring/4")
