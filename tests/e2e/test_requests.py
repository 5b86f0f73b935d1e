"""Requests that no model can answer are refused with words, and the pod goes on serving."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo.forwarding import call
from tests.support.place import Place

GOOD = {"recency": 1.0, "frequency": 2.0, "spend": 3.0}


@pytest.fixture
def url(serving: Place) -> str:
    """Address of a model that serves."""
    return serving.url("lead")


def test_bad_requests_name_the_field_and_serving_goes_on(url: str, serving: Place) -> None:
    """Wrong type, missing, unknown, out of range, too large: each with its status and its pointer."""
    cases: list[tuple[dict[str, Any], str]] = [
        (GOOD | {"spend": "much"}, "/inputs/spend"),
        ({"recency": 1.0, "frequency": 2.0}, "/inputs/spend"),
        (GOOD | {"colour": 1}, "/inputs/colour"),
        (GOOD | {"spend": 1e9}, "/inputs/spend"),
        (GOOD | {"spend": None}, "/inputs/spend"),
    ]
    for inputs, pointer in cases:
        problem = call(f"{url}/predict", {"inputs": inputs})
        assert problem["status"] == 422
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    problem = call(f"{url}/predict", {"inputs": {f"feature_{index}": 1.0 for index in range(5000)}})
    assert problem["status"] == 422
    assert len(problem["errors"]) <= 20
    assert call(f"{url}/predict", {"inputs": GOOD})["outputs"]["score"] == pytest.approx(7.0)
    assert list(serving.pods().values()) == [0]


def test_body_of_50_mb_is_refused_before_it_is_read(url: str) -> None:
    """A body over the limit gets 413 while it is still being sent."""
    host = urlsplit(url).hostname
    assert host is not None
    with socket.create_connection((host, 80), timeout=10) as connection:
        head = (
            f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {50 * 2**20}\r\n\r\n"
        )
        connection.sendall(head.encode())
        answer = connection.recv(65536)
    assert b" 413 " in answer.split(b"\r\n", 1)[0]
