"""Artifact URIs: which storage a URI means, and how one file of an artifact is read from there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

from bentos.front.failures import CannotServeError
from marquee.contract.pod import FailureReason

SCHEMES: Final = ("file", "pvc", "s3", "gs", "https", "http", "models")
_CLIENT_PACKAGES: Final = {"s3": "s3fs", "gs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
_CHUNK_BYTES: Final = 2**20
_READ_AHEAD_BYTES: Final = 8 * 2**20


@dataclass(frozen=True)
class Source:
    """A folder on some storage."""

    uri: str
    filesystem: Any
    root: str

    def chunks(self, path: str) -> Iterator[bytes]:
        """One file from front to end.

        Raises:
            CannotServeError: ``ArtifactUnreachable`` when the file cannot be opened or its storage fails on the way.

        """
        try:
            with self.filesystem.open(f"{self.root}/{path}", "rb", **self._reading()) as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError as error:
            if isinstance(error.__cause__, OSError):  # fsspec says 'not found' for a refused connection too
                what = f"reading {path} failed: {_first_line(error.__cause__)}"
                raise self._unreachable(what) from error
            raise self._unreachable(f"there is no {path}; check the URI of the revision") from error
        except PermissionError as error:
            raise self._unreachable(f"reading {path} is not allowed: {_first_line(error)}") from error
        except Exception as error:
            what = f"reading {path} failed: {type(error).__name__}: {_first_line(error)}"
            raise self._unreachable(what) from error

    def _reading(self) -> dict[str, Any]:
        if self.uri.startswith(("http:", "https:")):
            return {"block_size": 0}  # one streamed GET instead of HEAD and range requests
        return {"block_size": _READ_AHEAD_BYTES, "cache_type": "readahead"}

    def _unreachable(self, what: str) -> CannotServeError:
        return CannotServeError(FailureReason.ARTIFACT_UNREACHABLE, f"{self.uri}: {what}")


class _LocalFiles:
    """What `Source` uses of a filesystem of fsspec, for a folder."""

    @staticmethod
    def open(path: str, mode: str, **_: Any) -> IO[Any]:
        return Path(path).open(mode)


def source_of(uri: str, *, pvc_root: Path) -> Source:
    """The storage behind a URI.

    Raises:
        CannotServeError: ``ArtifactUnreachable`` for a scheme or a path that has no meaning, or whose client is not
            installed.

    """
    scheme = uri.split("://", 1)[0] if "://" in uri else uri.split(":/", 1)[0] if ":/" in uri else "file"
    if scheme not in SCHEMES:
        raise _refused(uri, f"the scheme {scheme!r} is not supported; use one of {', '.join(SCHEMES)}")
    if scheme == "models":
        return _local(uri, _download_from_mlflow(uri))
    if scheme == "pvc":
        return _local(uri, _path_of_claim(uri, pvc_root))
    if scheme == "file":
        return _local(uri, _path_of_file(uri))
    if urlsplit(uri).query:
        raise _refused(uri, "a query string is not supported; an artifact is a folder, not one signed file")
    import fsspec  # a start from a folder does without

    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:
        package = _CLIENT_PACKAGES[scheme]
        raise _refused(uri, f"{_first_line(error)}; install {package} in the predictor image") from error
    return Source(uri, filesystem, str(root).rstrip("/"))


def _local(uri: str, folder: Path) -> Source:
    return Source(uri, _LocalFiles(), str(folder))


def _path_of_file(uri: str) -> Path:
    path = Path(unquote(urlsplit(uri).path) if uri.startswith("file:") else uri)
    if not path.is_absolute():
        raise _refused(uri, "a path must be absolute: file:///folder or /folder")
    return path


def _path_of_claim(uri: str, pvc_root: Path) -> Path:
    claim, _, path = uri.removeprefix("pvc://").strip("/").partition("/")
    parts = PurePosixPath(path).parts
    if not claim or claim in {".", ".."} or not parts or ".." in parts:
        raise _refused(uri, "must be pvc://CLAIM/PATH, a folder inside of the claim's volume")
    return pvc_root.joinpath(claim, *parts)


def _download_from_mlflow(uri: str) -> Path:
    try:
        artifacts = importlib.import_module("mlflow.artifacts")
    except ImportError as error:
        raise _refused(
            uri, "needs the package mlflow, which the predictor image does not have; "
            "install it in the image or name the artifact by its storage URI"
        ) from error  # fmt: skip
    try:
        return Path(artifacts.download_artifacts(artifact_uri=uri))
    except Exception as error:
        raise _refused(uri, f"the model registry answered {_first_line(error)}") from error


def _refused(uri: str, what: str) -> CannotServeError:
    return CannotServeError(FailureReason.ARTIFACT_UNREACHABLE, f"{uri}: {what}")


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
