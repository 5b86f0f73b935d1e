"""The audit log as the ledger tells it: through the API server's proxy, as kubectl may, or at an address of one's own.

Nothing that comes this way is proven: `marquee audit prove` fetches what can be, and `marquee audit verify` does it.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from marquee.cli.kubectl import Kubectl
from marquee.cli.problems import ClusterProblem
from marquee.contract.audit_paths import (
    AUDIT_ENTRIES_PATH,
    AUDIT_MODELS_PATH,
    AUDIT_PROOFS_PATH,
    MAX_AUDIT_ENTRIES,
    MAX_PROOFS,
)

SERVICE: Final = "marquee-system/marquee-ledger"
_PORT: Final = 8090
_TIMEOUT_SECONDS: Final = 30
_MAX_BYTES: Final = 64 * 2**20
_KINDS: Final = "https://marquee.dev/audit/"


class Source(Protocol):
    """Answers requests for the log."""

    def get(self, path: str) -> str:
        """The body of a GET. Raises `ClusterProblem`."""


@dataclass(frozen=True, slots=True)
class OverKubectl:
    """A ledger in the cluster: whoever uses it needs the verb get on ``services/proxy`` in its namespace."""

    kubectl: Kubectl
    service: str

    def get(self, path: str) -> str:
        """See `Source.get`."""
        namespace, _, name = self.service.partition("/")
        return self.kubectl.raw(f"/api/v1/namespaces/{namespace}/services/{name}:{_PORT}/proxy{path}")


@dataclass(frozen=True, slots=True)
class OverHttp:
    """A ledger at an address, such as one that is forwarded to."""

    url: str

    def get(self, path: str) -> str:
        """See `Source.get`."""
        url = self.url.rstrip("/") + path
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - checked when it was given
                return str(answer.read(_MAX_BYTES).decode())
        except urllib.error.HTTPError as error:
            with error:
                raise ClusterProblem(f"{url}: {error.code}: {_detail(error.read(_MAX_BYTES))}") from None
        except (OSError, ValueError) as error:
            raise ClusterProblem(f"{url}: {error}; is this the address of a ledger?") from None


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the log, its statement as it was written."""

    index: int
    statement: dict[str, Any]

    @property
    def predicate(self) -> dict[str, Any]:
        """What happened."""
        found = self.statement.get("predicate")
        return found if isinstance(found, dict) else {}

    @property
    def kind(self) -> str:
        """Such as ``rollout-stepped``."""
        return str(self.statement.get("predicateType", "")).removeprefix(_KINDS).partition("/")[0]

    @property
    def time(self) -> datetime:
        """When it was entered; of a late one, when it was acted upon."""
        return datetime.fromisoformat(
            str(self.predicate.get("acted") or self.predicate.get("turned") or self.predicate["time"])
        )

    @property
    def shares(self) -> dict[str, int]:
        """Permille of users by revision, from then on."""
        return shares_in(self.predicate.get("shares"))

    @property
    def before(self) -> dict[str, int]:
        """Until then."""
        return shares_in(self.predicate.get("before"))

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"index": self.index, "statement": self.statement}


def shares_in(value: object) -> dict[str, int]:
    """Shares as an entry has them; nothing where it has none."""
    items = value if isinstance(value, list) else []
    return {str(one["revision"]): int(one["permille"]) for one in items if isinstance(one, dict)}


def entries_of(source: Source, model: str) -> Iterator[Logged]:
    """A model's entries, the newest first. Raises `ClusterProblem`."""
    start = ""
    while True:
        found = _entries(source.get(f"{AUDIT_MODELS_PATH}/{model}?limit={MAX_AUDIT_ENTRIES}{start}"))
        yield from found
        previous = found[-1].predicate.get("previous") if found else None
        if not isinstance(previous, int):
            return
        start = f"&from={previous}"


def newest(source: Source, count: int) -> list[Logged]:
    """The newest entries of all models, the newest last. Raises `ClusterProblem`."""
    found = _entries(source.get(f"{AUDIT_ENTRIES_PATH}?limit={min(count, MAX_AUDIT_ENTRIES)}"))
    while found and found[0].index and len(found) < count:
        start = max(0, found[0].index - min(count - len(found), MAX_AUDIT_ENTRIES))
        more = _entries(source.get(f"{AUDIT_ENTRIES_PATH}?from={start}&limit={found[0].index - start}"))
        found = [*more, *found]
    return found


def proofs_of(source: Source, model: str, first: int) -> str:
    """Proofs of a model's entries, from a number on. Raises `ClusterProblem`."""
    newest_one = _entries(source.get(f"{AUDIT_MODELS_PATH}/{model}?limit=1"))
    last = int(newest_one[0].predicate["sequence"]) if newest_one else 0
    starts = [first, *range(first + MAX_PROOFS, last + 1, MAX_PROOFS)]
    return "".join(source.get(f"{AUDIT_PROOFS_PATH}/{model}?first={start}") for start in starts)


def proofs_in(text: str) -> int:
    """How many proofs a file has."""
    return text.count("\nindex ")


def add_source(parser: argparse.ArgumentParser) -> None:
    """The options that say where the log is."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--ledger",
        type=_service,
        default=SERVICE,
        metavar="NAMESPACE/SERVICE",
        help="Service that keeps the log, asked through the API server (default: %(default)s)",
    )
    where.add_argument("--ledger-url", type=_url, metavar="URL", help="address of a ledger, asked directly")


def source_of(arguments: argparse.Namespace, kubectl: Kubectl) -> Source:
    """Where the log is, by those options."""
    return OverHttp(arguments.ledger_url) if arguments.ledger_url else OverKubectl(kubectl, arguments.ledger)


def _entries(text: str) -> list[Logged]:
    try:
        return [Logged(int(one["index"]), _statement(str(one["entry"]))) for one in json.loads(text)["entries"]]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ClusterProblem(
            f"the ledger's answer is not understood: {error}; is it a ledger of this version?"
        ) from None


def _statement(entry: str) -> dict[str, Any]:
    envelope = json.loads(base64.b64decode(entry, validate=True))
    statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
    if not isinstance(statement, dict):
        raise TypeError("an entry's payload is no statement")
    return statement


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (KeyError, TypeError, ValueError):
        return body[:300].decode(errors="replace").strip() or "no reason was given"


def _service(text: str) -> str:
    namespace, separator, name = text.partition("/")
    if not separator or not all(part and part.replace("-", "a").isalnum() for part in (namespace, name)):
        raise argparse.ArgumentTypeError(f"{text!r} is no NAMESPACE/SERVICE, such as {SERVICE}")
    return text


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"{text!r} is no address, such as http://127.0.0.1:8090")
    return text
