"""A log in a bucket, through fsspec: ``s3://bucket/prefix``, ``gs://...``, ``memory://...``.

Objects are put whole and exclusively. There is no lock that a dead process gives back, so the newest writer wins: it
creates the next number below ``claims/``, and a writer acknowledges nothing after a higher number has appeared. A group
that an older writer put before the newer one looked is found by it; one that it put later is not acknowledged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import fsspec

from marquee.audit.errors import ImmutableError, LockedError, StoreError, StoreRefusedError, WriteLostError
from marquee.audit.store.files import store_error

CLAIMS: Final = "claims"


class BucketClaim:
    """The highest number so far."""

    def __init__(self, store: BucketStore, number: int) -> None:
        self._store = store
        self._number = number

    def check(self) -> None:
        """Raises `LockedError` when a higher number exists."""
        if self._store.exists(claim_path(self._number + 1)):
            what = f"another process took over after claim {self._number}"
            raise LockedError(self._store.root, what, "nothing was acknowledged; send it to the other one")

    def release(self) -> None:
        """Nothing: the next one counts on."""


class BucketStore:
    """Objects below one prefix.

    Args:
        uri: protocol, bucket and prefix.
        options: what fsspec's file system of that protocol is told, such as an endpoint.

    """

    def __init__(self, uri: str, **options: Any) -> None:
        self.root = uri
        options.setdefault("use_listings_cache", False)
        self._system, prefix = fsspec.core.url_to_fs(uri, **options)
        self._prefix = prefix.rstrip("/")

    def read(self, path: str) -> bytes:
        """See `Store.read`."""
        return bytes(self._ask(path, self._system.cat_file, self._full(path)))

    def create(self, files: Mapping[str, bytes]) -> None:
        """See `Store.create`. One after the other: a group of entries is one object anyway."""
        for path, content in files.items():
            try:
                self._ask(path, self._put, path, content, mode="create")
            except FileExistsError:
                if self.read(path) != content:
                    what = "exists with other content"
                    raise ImmutableError(path, what, "another process may write this log; run fsck") from None
            self._require_written(path, content)

    def replace(self, path: str, content: bytes) -> None:
        """See `Store.replace`."""
        self._ask(path, self._put, path, content)
        self._require_written(path, content)

    def remove(self, paths: Iterable[str]) -> None:
        """See `Store.remove`. A bucket with object lock refuses it, and nothing depends on it."""
        for path in paths:
            if self.exists(path):
                self._ask(path, self._system.rm_file, self._full(path))

    def paths(self, prefix: str = "") -> list[str]:
        """See `Store.paths`."""
        self._system.invalidate_cache()
        start = f"{self._prefix}/"
        found = self._ask(prefix, self._system.find, self._full(prefix))
        below = (str(path).removeprefix(start) for path in found if str(path).startswith(start))
        return sorted(path for path in below if not path.startswith(f"{CLAIMS}/"))

    def exists(self, path: str) -> bool:
        """Whether an object is there now. Raises `StoreError`."""
        self._system.invalidate_cache()
        return bool(self._ask(path, self._system.exists, self._full(path)))

    def claim(self) -> BucketClaim:
        """See `Store.claim`. Raises `LockedError` only when another one claims at the same moment."""
        self._system.invalidate_cache()
        taken = self._ask(CLAIMS, self._system.find, self._full(CLAIMS))
        number = max((int(str(path).rpartition("/")[2]) for path in taken), default=0) + 1
        try:
            self._ask(CLAIMS, self._put, claim_path(number), b"%d\n" % number, mode="create")
        except FileExistsError:
            raise LockedError(self.root, "another process claims it at this moment", "try again") from None
        return BucketClaim(self, number)

    def _put(self, path: str, content: bytes, **mode: str) -> None:
        full = self._full(path)
        self._system.makedirs(full.rpartition("/")[0], exist_ok=True)
        self._system.pipe_file(full, content, **mode)

    def _require_written(self, path: str, content: bytes) -> None:
        if self.read(path) != content:
            what = "was read back differently from what was written"
            raise WriteLostError(path, what, "look at the store and the memory of this machine")

    def _ask(self, path: str, call: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return call(*arguments, **options)
        except FileExistsError:
            raise
        except PermissionError as error:
            what = f"the bucket refuses ({error})"
            raise StoreRefusedError(path, what, "give this process's account the right to put and get") from error
        except OSError as error:
            raise store_error(error, path) from error
        except Exception as error:  # each protocol's client has errors of its own
            what = f"the bucket cannot be used ({type(error).__name__}: {error})"
            raise StoreError(path, what, "look at the address, the credentials and the network") from error

    def _full(self, path: str) -> str:
        return f"{self._prefix}/{path}" if path else self._prefix


def claim_path(number: int) -> str:
    """Where a claim is."""
    return f"{CLAIMS}/{number:012d}"
