"""The examples of docs/client.md do what they say, against real servers."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from marquee.client import RetryPolicy, outcomes
from marquee.client.ledger import TIMEOUT_SECONDS as LEDGER_SECONDS
from marquee.client.model import TIMEOUT_SECONDS as MODEL_SECONDS
from tests.unit.client.servers import Rollout
from tests.unit.front.conftest import SCORE, VALID

ROOT: Final = Path(__file__).resolve().parents[3]
PAGE: Final = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def aimed(text: str, front_url: str, rollout: Rollout) -> str:
    """An example with the addresses and the key of this machine."""
    places = {
        "https://leads.example.org": front_url,
        "https://ledger.example.org": rollout.url,
        "mqk_...": rollout.shop_key,
    }
    for place, value in places.items():
        assert place in text
        text = text.replace(place, value)
    return text


def test_the_python_example(front_url: str, rollout: Rollout, capsys: pytest.CaptureFixture[str]) -> None:
    """It predicts and reports; the id of a predictor outside of a rollout is refused with a reason."""
    names: dict[str, Any] = {}
    exec(aimed(examples("python")[0], front_url, rollout), names)  # noqa: S102 - our own page
    names["leads"].close()
    names["ledger"].close()
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(names["prediction"].id)
    assert second.startswith("0 [(")
    assert len(names["receipt"].refused) == 2


def test_the_example_with_another_http_library(front_url: str) -> None:
    """The functions below the client are enough."""
    names: dict[str, Any] = {}
    exec(examples("python")[1], names)  # noqa: S102 - our own page

    async def ask() -> Any:
        async with httpx.AsyncClient(base_url=front_url) as http:
            return await names["predict"](http, "marketing/leads", VALID, "customer-4711")

    prediction = asyncio.run(ask())
    assert list(prediction.outputs.values()) == [SCORE]
    assert prediction.id


def test_the_javascript_example(front_url: str, rollout: Rollout, tmp_path: Path) -> None:
    """As the Python one."""
    node = shutil.which("node")
    assert node, "the JavaScript example is run with Node >= 18: install the package nodejs"
    text = aimed(examples("javascript")[0], front_url, rollout)
    library = (ROOT / "clients" / "javascript" / "marquee.js").as_uri()
    script = tmp_path / "example.mjs"
    script.write_text(text.replace('"marquee-client"', f'"{library}"'), encoding="utf-8")
    done = subprocess.run([node, str(script)], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "0 [" in done.stdout


def test_the_numbers_of_the_page() -> None:
    """They are the program's."""
    policy = RetryPolicy()
    assert f"up to {policy.cap_seconds:g} seconds" in PAGE
    assert f"{policy.base_seconds:g}, {2 * policy.base_seconds:g}, {4 * policy.base_seconds:g}" in PAGE
    assert f"later than {policy.give_up_seconds:g} seconds" in PAGE
    assert f"Up to {outcomes.MAX_BATCH:,} outcomes" in PAGE
    assert f"`timeout_seconds` ({MODEL_SECONDS:g})" in PAGE
    assert f"`timeout_seconds` ({LEDGER_SECONDS:g})" in PAGE
