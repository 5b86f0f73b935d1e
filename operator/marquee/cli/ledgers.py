"""A ledger at an address, for those who have a token for it: kubectl would not pass it on, so it is asked directly."""

from __future__ import annotations

import argparse
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from marquee.cli.problems import ClusterProblem

URL: Final = "MARQUEE_LEDGER_URL"
TOKEN: Final = "MARQUEE_LEDGER_TOKEN_FILE"  # noqa: S105 - a variable's name
_DEFAULT: Final = "http://127.0.0.1:8090"
_TIMEOUT_SECONDS: Final = 60.0
_MAX_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class LedgerDoor:
    """Sends JSON and reads JSON."""

    url: str
    token_path: Path | None

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The answer's object.

        Raises:
            ClusterProblem: it does not answer, refuses, or is none.

        """
        address = self.url.rstrip("/") + path
        if not address.startswith(("http://", "https://")):
            raise ClusterProblem(f"{self.url} is no address of a ledger: give http://host:port")
        try:
            content = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(address, content, self._headers(), method=method)  # noqa: S310 - see above
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - see above
                found = json.loads(response.read(_MAX_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise ClusterProblem(f"the ledger refuses: {error.code}: {_detail(error.read(10_000))}") from None
        except (OSError, ValueError) as error:
            raise ClusterProblem(
                f"the ledger at {self.url} does not answer: {error}; forward its port with: "
                "kubectl -n marquee-system port-forward service/marquee-ledger 8090"
            ) from None
        if not isinstance(found, dict):
            raise ClusterProblem(f"{self.url} is no ledger of this version of Marquee: its answer is not understood")
        return found

    def _headers(self) -> dict[str, str]:
        headers = {"accept": "application/json", "content-type": "application/json"}
        if self.token_path is not None:
            headers["authorization"] = f"Bearer {self.token_path.read_text(encoding='ascii').strip()}"
        return headers


def add_door(parser: argparse.ArgumentParser, role: str) -> None:
    """The options that say where the ledger is, and by what its door opens."""
    parser.add_argument(
        "--ledger",
        metavar="URL",
        default=os.environ.get(URL) or _DEFAULT,
        help=f"address of the ledger (default: ${URL}, else {_DEFAULT})",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        type=Path,
        default=os.environ.get(TOKEN) or None,
        help=f"file of an API key with the role {role}, or of a service account's token (default: ${TOKEN})",
    )


def door_of(arguments: argparse.Namespace) -> LedgerDoor:
    """The ledger, by those options."""
    return LedgerDoor(arguments.ledger, Path(arguments.token_file) if arguments.token_file else None)


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (KeyError, TypeError, ValueError):
        return body[:300].decode(errors="replace").strip() or "no reason was given"
