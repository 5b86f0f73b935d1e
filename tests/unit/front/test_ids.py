"""Prediction ids of a pod: keys that cannot be used first, then what is issued."""

from __future__ import annotations

import string
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bentos.front.callers import Callers
from bentos.front.failures import CannotServeError
from bentos.front.ids import RANDOM_LENGTH, for_log, prediction_ids
from bentos.front.metrics import Metrics
from bentos.front.settings import Settings
from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.pod import FailureReason
from marquee.contract.prediction import Issuer, Verifier, derive_secret

MASTER = b"m" * 32
MODEL = "ns/fixture"
SECRET = derive_secret(MASTER, MODEL).hex()

Make = Callable[..., Settings]


def mounted(folder: Path, **files: str) -> Path:
    """A Secret as the kubelet mounts it: a folder with a link to the data, and a link for each key."""
    data = folder / "..2026_01_01"
    data.mkdir(parents=True)
    (folder / "..data").symlink_to(data.name)
    for name, text in files.items():
        (data / name).write_text(text, encoding="ascii")
        (folder / name).symlink_to(Path("..data") / name)
    return folder


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "must hold one file, named by the key's id; there is: none"),
        ({"0": SECRET, "1": SECRET}, "there is: 0, 1"),
        ({"key": SECRET}, "must be named by the key's id, a number from 0 to 255"),
        ({"256": SECRET}, "a number from 0 to 255"),
        ({"0": "secret"}, "must hold hexadecimal digits"),
        ({"0": SECRET[:-1]}, "must hold hexadecimal digits"),
        ({"0": "ab" * 31}, "at least 32 secret bytes"),
        ({"0": ""}, "at least 32 secret bytes"),
    ],
)
def test_a_key_that_cannot_be_used_stops_the_pod(
    settings: Make, tmp_path: Path, files: dict[str, str], words: str
) -> None:
    """A pod whose ids nobody could check does not serve; the message names the variable."""
    made = settings({"prediction_key_path": mounted(tmp_path / "key", **files)})
    with pytest.raises(CannotServeError) as refused:
        prediction_ids(made)
    assert refused.value.reason is FailureReason.SETTINGS_INVALID
    assert refused.value.message.startswith("MARQUEE_PREDICTION_KEY_PATH: ")
    assert words in refused.value.message
    assert SECRET not in refused.value.message


def test_a_key_that_is_not_there_stops_the_pod(settings: Make, tmp_path: Path) -> None:
    """A Secret that was not mounted is no reason to issue ids without a signature."""
    with pytest.raises(CannotServeError, match="MARQUEE_PREDICTION_KEY_PATH"):
        prediction_ids(settings({"prediction_key_path": tmp_path / "nothing"}))


def test_a_namespace_that_no_id_can_hold_stops_the_pod(settings: Make, tmp_path: Path) -> None:
    """The ledger would refuse each outcome; the pod says so at once."""
    made = settings({"prediction_key_path": mounted(tmp_path / "key", **{"0": SECRET}), "namespace": "a.b"})
    with pytest.raises(CannotServeError, match=r"a\.b/fixture"):
        prediction_ids(made)


def test_without_a_key_ids_are_random(settings: Make) -> None:
    """They are unique, and tell nothing of their caller."""
    new_id = prediction_ids(settings())
    caller = Callers(MODEL, Metrics()).read([])
    ids = {new_id(caller) for _ in range(100)}
    assert len(ids) == 100
    assert {len(identifier) for identifier in ids} == {RANDOM_LENGTH}


@pytest.mark.parametrize("named", ["folder", "file"])
def test_with_a_key_ids_say_who_saw_what(settings: Make, tmp_path: Path, named: str) -> None:
    """The ledger reads model, revision, cohort, unit and time back from an id, by the master key of its key id."""
    folder = mounted(tmp_path / "key", **{"7": SECRET + "\n"})
    new_id = prediction_ids(settings({"prediction_key_path": folder if named == "folder" else folder / "7"}))
    headers = [(b"marquee-cohort", b"lead-v2/3/canary"), (b"marquee-unit", b"customer-7")]
    before = time.time_ns() // 1_000_000
    said = Verifier({7: MASTER}.get).verify(new_id(Callers(MODEL, Metrics()).read(headers)))
    assert (said.model, said.revision) == (MODEL, "fixture-1")
    assert said.cohort == Cohort("lead-v2", 3, Arm.CANARY)
    assert said.unit == unit_hash(MODEL, "customer-7")
    assert before <= said.milliseconds <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("rollout", ["r", "ro", "rol"])
def test_a_log_shows_nothing_but_a_signature(rollout: str) -> None:
    """Whatever the length of an id, the logged characters hold bits of its signature, and no unit."""
    issuer = Issuer(key_id=0, secret=bytes.fromhex(SECRET), model=MODEL, revision="fixture-1")
    whole = issuer.issue(Cohort(rollout, 0, Arm.STABLE), unit_hash(MODEL, "customer-7"), 1)
    shown = for_log(whole).removeprefix("...")
    assert len(shown) == 21
    assert whole.endswith(shown)
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    bits = "".join(f"{alphabet.index(character):06b}" for character in shown)
    signature = "".join(f"{byte:08b}" for byte in Verifier({0: MASTER}.get).verify(whole).mac)
    padding = len(whole) * 6 % 8
    assert signature.endswith(bits[: len(bits) - padding])


def test_a_log_shows_a_random_id_whole(settings: Make) -> None:
    """It says nothing; and an answer without an id stays without one."""
    random = prediction_ids(settings())(Callers(MODEL, Metrics()).read([]))
    assert for_log(random) == random
    assert for_log("") == ""


def test_outside_of_a_rollout_ids_are_signed_too(settings: Make, tmp_path: Path) -> None:
    """An id without a cohort names the unit, or a random one."""
    new_id = prediction_ids(settings({"prediction_key_path": mounted(tmp_path / "key", **{"0": SECRET})}))
    caller = Callers(MODEL, Metrics()).read([])
    said = Verifier({0: MASTER}.get).verify(new_id(caller))
    assert (said.cohort, said.unit) == (None, caller.unit)
