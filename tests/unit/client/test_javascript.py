"""The JavaScript client, by its own tests under Node, against the same servers and vectors as the Python one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from marquee.client import RetryPolicy, outcomes
from tests.support import golden
from tests.unit.client.servers import Rollout
from tests.unit.front.conftest import SCORE, VALID

FOLDER: Final = Path(__file__).resolve().parents[3] / "clients" / "javascript"
MINIMUM: Final = 18


@pytest.fixture(scope="session")
def node() -> str:
    """The program; these tests do not pass without it."""
    program = shutil.which("node")
    assert program, f"the JavaScript client is tested with Node >= {MINIMUM}: install the package nodejs"
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    assert int(version.removeprefix("v").partition(".")[0]) >= MINIMUM, f"Node {version} is older than {MINIMUM}"
    return program


def run(node: str, *options: str, **world: object) -> str:
    variables = {name: text for name, text in os.environ.items() if not name.startswith("NODE_")}
    variables["MARQUEE_TEST_WORLD"] = json.dumps({"golden": str(golden.PATH), **world})
    command = [node, *options, "--test", "--test-reporter=tap", "marquee.test.js"]
    done = subprocess.run(command, cwd=FOLDER, env=variables, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_javascript_client(node: str, front_url: str, rollout: Rollout) -> None:
    """Its tests pass against the real front and the real ledger, and what it reported is in the book."""
    issued = rollout.ids(outcomes.MAX_BATCH + 6)
    output = run(
        node,
        front=front_url,
        inputs=VALID,
        score=SCORE,
        ledger=rollout.url,
        apiKey=rollout.shop_key,
        issued=issued,
        overtaking=rollout.ids(1, prefix="late", exposed=False)[0],
    )
    assert "# skipped 0" in output
    assert "# fail 0" in output
    assert rollout.counted()["purchase"]["successes"] == len(issued)


def test_the_golden_vectors_without_a_global_crypto(node: str) -> None:
    """As in Node 18, where WebCrypto is to be had by an import alone."""
    output = run(node, "--no-experimental-global-webcrypto", "--test-name-pattern=golden")
    assert "ok 1 - golden vectors" in output


def test_the_package_is_small_and_stays_at_home() -> None:
    """No dependency, an ES module, and nobody publishes it by accident."""
    package = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))
    assert (package["type"], package["private"]) == ("module", True)
    assert not [name for name in package if "ependencies" in name]


def test_both_clients_have_the_same_numbers() -> None:
    """Batches and waits, so that docs/client.md describes one behaviour."""
    text = (FOLDER / "marquee.js").read_text(encoding="utf-8")
    policy = RetryPolicy()
    assert f"MAX_BATCH = {outcomes.MAX_BATCH};" in text
    waits = f"giveUpSeconds = {policy.give_up_seconds:g}, baseSeconds = {policy.base_seconds:g}"
    assert f"{waits}, capSeconds = {policy.cap_seconds:g} }}" in text
