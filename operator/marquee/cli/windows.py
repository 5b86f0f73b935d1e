"""Asks the ledger for windows of drift counters. It is no part of the API server, so kubectl cannot ask it."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from marquee.api.drift import Drift
from marquee.cli.problems import ClusterProblem
from marquee.contract.drift import DriftReply
from marquee.judging.performing import drift_path

_TIMEOUT_SECONDS: Final = 30.0
_MAX_BYTES: Final = 64 * 2**20


def read_windows(url: str, token_path: Path | None, model: str, revision: str, drift: Drift) -> DriftReply:
    """The windows that a verdict needs.

    Args:
        url: of the ledger, such as ``http://127.0.0.1:8090``.
        token_path: file of an API key with the role ``statistics``; None: the ledger lets everybody in.
        model: ``namespace/name``.
        revision: whose pods counted.
        drift: ``spec.drift``.

    Raises:
        ClusterProblem: it does not answer, refuses, or is none.

    """
    address = url.rstrip("/") + drift_path(model, revision, drift)
    if not address.startswith(("http://", "https://")):
        raise ClusterProblem(f"{url} is no address of a ledger: give http://host:port")
    try:
        headers = {"accept": "application/json"}
        if token_path is not None:
            headers["authorization"] = f"Bearer {token_path.read_text(encoding='ascii').strip()}"
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the scheme is checked above
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:  # noqa: S310 - as above
            return DriftReply.model_validate_json(response.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            detail = error.read(1_000).decode(errors="replace")
        raise ClusterProblem(f"the ledger refuses: {error.code} {detail}") from None
    except ValidationError:
        raise ClusterProblem(f"{url} is no ledger of this version of Marquee: its answer is not understood") from None
    except (OSError, ValueError) as error:
        raise ClusterProblem(
            f"the ledger at {url} does not answer: {error}; forward its port with: "
            "kubectl -n marquee-system port-forward service/marquee-ledger 8090"
        ) from None
