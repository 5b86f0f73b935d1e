"""Consent and suppression through the whole front: who is answered by the model, and what the others leave behind."""

from __future__ import annotations

import json
from array import array
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from bentos.front.ids import RANDOM_LENGTH
from bentos.front.privacy.page import PrivacyPage
from bentos.front.privacy.suppressions import Suppressions
from marquee.contract.assignment import unit_hash
from tests.unit.front.conftest import SCORE, VALID
from tests.unit.front.privacy.conftest import Build, World
from tests.unit.front.privacy.tokens import MODEL, UNIT, claims, signed, token

HASH = unit_hash(MODEL, UNIT)
COHORT = {"marquee-cohort": "lead-v2/0/canary"}
AVERAGE = {"score": 0.06}
BELIEVED: dict[str, Any] = {"purposes": ("ads", "profiling"), "withheld_answer": AVERAGE}
SIGNED: dict[str, Any] = BELIEVED | {"by_token": True}
REFUSING: dict[str, Any] = {"purposes": ("ads", "profiling")}
BODY = {"inputs": VALID}
TENSORS = {
    "id": "batch-1",
    "inputs": [{"name": "inputs", "shape": [2, 5], "datatype": "FP64", "data": [[40, 3, 10, 1, 1], [41, 3, 10, 1, 1]]}],
}
INFER = "/v2/models/fixture/infer"


def on_the_list(*units: bytes) -> Suppressions:
    known = Suppressions()
    known.replace(1, array("Q", [int.from_bytes(unit, "big") for unit in units]))
    return known


def unit() -> dict[str, str]:
    return {"marquee-unit": UNIT}


async def ask(world: World, headers: Any = (), path: str = "/predict", body: Any = None) -> Any:
    async with world.client() as client:
        return await client.post(path, json=BODY if body is None else body, headers=headers)


def untouched(world: World) -> bool:
    """Nothing of a request has reached model, cache, drift, rollout or log of decisions."""
    watched, cache = world.watched, world.cache
    seen = watched.rows, watched.scores, watched.refused, world.front.metrics.predictions
    looked = cache.hits, cache.misses, cache.bypasses, len(cache)
    return seen == (0, 0, 0, 0) and looked == (0, 0, 0, 0) and not world.counting.pending and not logged(world)


def logged(world: World) -> bool:
    return world.decisions is not None and world.decisions.pending


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"marquee-purposes": ""},
        {"marquee-purposes": "ads"},
        {"marquee-purposes": "ads, Profiling"},
        {"marquee-purposes": "adsprofiling"},
        {"marquee-purpose-token": "of no use where the caller is believed"},
        [("marquee-purposes", "ads"), ("marquee-purposes", "tracking")],
    ],
)
async def test_without_all_purposes_the_model_is_not_asked(build: Build, headers: Any) -> None:
    """Everybody gets the same answer, which says why, and it leaves nothing behind but a count."""
    world = build(**BELIEVED, log_permille=1000)
    merged = [*(headers.items() if isinstance(headers, dict) else headers), *COHORT.items(), *unit().items()]
    answer = await ask(world, merged)
    assert (answer.status_code, answer.headers["marquee-withheld"]) == (200, "consent")
    document = answer.json()
    assert document["outputs"] == AVERAGE
    assert len(document["predictionId"]) == RANDOM_LENGTH
    assert document["predictionId"] == answer.headers["marquee-prediction-id"]
    assert "cache-status" not in answer.headers
    assert untouched(world)
    assert world.guard.withheld == {"consent": 1, "suppressed": 0}
    assert world.front.metrics.requests["predict"][1] == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"marquee-purposes": "ads,profiling"},
        {"marquee-purposes": " profiling , ads,other"},
        [("marquee-purposes", "ads"), ("marquee-purposes", "profiling")],
    ],
)
async def test_with_all_purposes_it_is_a_prediction_like_any_other(build: Build, headers: Any) -> None:
    """A list may come in parts (RFC 9110, section 5.3); exposure, drift and cache are as ever."""
    world = build(**BELIEVED)
    answer = await ask(world, [*(headers.items() if isinstance(headers, dict) else headers), *COHORT.items()])
    assert answer.json()["outputs"] == {"score": SCORE}
    assert "marquee-withheld" not in answer.headers
    assert len(answer.headers["marquee-prediction-id"]) > RANDOM_LENGTH
    assert (world.watched.rows, world.watched.scores, len(world.cache)) == (1, 1, 1)
    assert world.exposed() == 1


async def test_the_inputs_of_the_withheld_are_not_looked_at(build: Build) -> None:
    """A caller without consent need not send any; what is no request at all is still told."""
    world = build(**BELIEVED)
    assert (await ask(world, body={"inputs": {}})).json()["outputs"] == AVERAGE
    assert (await ask(world, body={})).status_code == 422
    assert (await ask(world, body=[])).status_code == 422


async def test_where_nothing_is_answered_instead_the_request_is_refused(build: Build) -> None:
    """403 names what is missing and how to show it."""
    world = build(**REFUSING)
    answer = await ask(world, COHORT | {"marquee-purposes": "ads"})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (403, "urn:marquee:problem:consent-missing")
    assert "ads, profiling" in problem["detail"]
    assert "marquee-purposes" in problem["detail"]
    assert untouched(world)
    assert world.guard.withheld["consent"] == 1
    assert world.front.metrics.requests["predict"][3] == 1


async def test_a_token_is_for_its_unit_and_says_its_purposes(build: Build) -> None:
    """However the unit is named: by header, by hash, or in the body."""
    world = build(**SIGNED)
    signed = {"marquee-purpose-token": token()}
    for headers, body in (
        (unit(), BODY),
        ({"marquee-unit-hash": HASH.hex()}, BODY),
        ({}, BODY | {"unit": UNIT}),
    ):
        assert (await ask(world, signed | headers, body=body)).json()["outputs"] == {"score": SCORE}


@pytest.mark.parametrize("headers", [{}, {"marquee-purposes": "ads,profiling"}])
async def test_where_tokens_are_asked_for_nobody_is_believed(build: Build, headers: dict[str, str]) -> None:
    """A list without a signature is no consent; and no token is none, without a complaint."""
    answer = await ask(build(**SIGNED), headers | unit())
    assert (answer.status_code, answer.headers["marquee-withheld"]) == (200, "consent")


async def test_a_token_that_lacks_a_purpose_is_no_consent(build: Build) -> None:
    """It is a good token all the same."""
    answer = await ask(build(**SIGNED), unit() | {"marquee-purpose-token": token(purposes=["ads"])})
    assert (answer.status_code, answer.headers["marquee-withheld"]) == (200, "consent")


@pytest.mark.parametrize(
    ("headers", "words", "flaw"),
    [
        ({"marquee-purpose-token": "forged"}, "three parts", "malformed"),
        ({"marquee-purpose-token": ""}, "three parts", "malformed"),
        ({"marquee-purpose-token": signed(claims(), key=b"x" * 32)}, "forged", "signature"),
        ({"marquee-purpose-token": token(exp=1)}, "exp is over", "expired"),
        ({"marquee-purpose-token": token(aud="ns/other")}, "aud is not", "audience"),
        ({"marquee-purpose-token": token(sub="0" * 16)}, "sub is not the unit", "subject"),
    ],
)
async def test_a_bad_token_is_never_silently_no_consent(
    build: Build, headers: dict[str, str], words: str, flaw: str
) -> None:
    """403 says what is wrong with it, even where others would get an answer; it is counted by its flaw."""
    world = build(**SIGNED)
    answer = await ask(world, headers | unit())
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (403, "urn:marquee:problem:purpose-token-invalid")
    assert words in problem["detail"]
    assert headers["marquee-purpose-token"] not in problem["detail"] or not headers["marquee-purpose-token"]
    assert world.guard.withheld == {"consent": 0, "suppressed": 0}
    (line,) = [
        line
        for line in page(world)
        if line.startswith("marquee_predictor_purpose_tokens_refused_total") and flaw in line
    ]
    assert line.endswith(" 1.0")


async def test_a_token_about_nobody_is_said(build: Build) -> None:
    """A request that names no unit cannot be the one that a token is about; two tokens are none."""
    world = build(**SIGNED)
    answer = await ask(world, {"marquee-purpose-token": token()})
    assert "the request names none" in answer.json()["detail"]
    twice = [("marquee-purpose-token", token()), ("marquee-purpose-token", token()), ("marquee-unit", UNIT)]
    assert "sent once" in (await ask(world, twice)).json()["detail"]


async def test_who_is_suppressed_is_withheld_whatever_the_request_says(build: Build) -> None:
    """Also where no consent is asked for; others, and who names no unit, are not touched by it."""
    world = build(on_the_list(HASH), withheld_answer=AVERAGE, log_permille=1000)
    answer = await ask(world, unit() | COHORT)
    assert (answer.json()["outputs"], answer.headers["marquee-withheld"]) == (AVERAGE, "suppressed")
    assert untouched(world)
    assert (await ask(world, {"marquee-unit": "somebody else"})).json()["outputs"] == {"score": SCORE}
    assert (await ask(world)).json()["outputs"] == {"score": SCORE}
    consenting = build(on_the_list(HASH), **BELIEVED)
    answer = await ask(consenting, unit() | {"marquee-purposes": "ads,profiling"})
    assert answer.headers["marquee-withheld"] == "suppressed"


async def test_a_refused_suppressed_unit_is_told_so(build: Build) -> None:
    """Its own kind of problem, without the identifier."""
    answer = await ask(build(on_the_list(HASH)), unit())
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:marquee:problem:subject-suppressed")
    assert UNIT not in answer.text


async def test_a_cached_answer_never_crosses_consent(build: Build) -> None:
    """The same input: with consent it comes from the cache, without it from nowhere near, and is not put there."""
    world = build(**BELIEVED)
    consent = {"marquee-purposes": "ads,profiling"}
    await ask(world)
    assert len(world.cache) == 0
    await ask(world, consent)
    assert (await ask(world, consent)).headers["cache-status"] == "marquee; hit"
    withheld = await ask(world)
    assert withheld.json()["outputs"] == AVERAGE
    assert "cache-status" not in withheld.headers
    assert (world.cache.hits, world.cache.misses) == (1, 1)


async def test_all_rows_of_a_batch_are_one_units(build: Build) -> None:
    """One consent for all of them: each row is withheld, of the outputs that were asked for, with the request's id."""
    world = build(**BELIEVED)
    answer = await ask(world, COHORT | unit(), INFER, TENSORS)
    document = answer.json()
    assert (answer.status_code, answer.headers["marquee-withheld"], document["id"]) == (200, "consent", "batch-1")
    assert document["outputs"] == [{"name": "score", "datatype": "FP64", "shape": [2], "data": [0.06, 0.06]}]
    assert untouched(world)
    answer = await ask(world, {"marquee-purposes": "ads,profiling"}, INFER, TENSORS)
    assert answer.json()["outputs"][0]["data"] == [SCORE - 0.5, SCORE + 0.5]


async def test_a_malformed_batch_without_consent_is_no_row_of_drift(build: Build) -> None:
    """Its mistake is told, and nothing of it counted as what the model sees."""
    world = build(**BELIEVED)
    assert (await ask(world, {}, INFER, {"inputs": []})).status_code == 422
    assert world.watched.refused == 0
    assert (await ask(world, {"marquee-purposes": "ads,profiling"}, INFER, {"inputs": []})).status_code == 422
    assert (await ask(world, {"marquee-purposes": "ads,profiling"}, body={"inputs": {}})).status_code == 422
    assert world.watched.refused == 2


async def test_the_probe_needs_no_consent(build: Build) -> None:
    """The operator asks about the artifact's own example."""
    world = build(**SIGNED)
    async with world.client() as client:
        answer = await client.get("/marquee/probe")
    assert answer.json()["outputs"] == {"score": SCORE}


async def test_the_schema_lists_what_is_asked_for(build: Build) -> None:
    """The header that counts, the purposes, and the answers that there can be."""
    world = build(**SIGNED)
    async with world.client() as client:
        operation = (await client.get("/openapi.json")).json()["paths"]["/predict"]["post"]
    (parameter,) = [one for one in operation["parameters"] if one["name"] == "marquee-purpose-token"]
    assert "ads, profiling" in parameter["description"]
    assert "marquee-withheld" in operation["responses"]["200"]["headers"]
    assert "403" in operation["responses"]


def page(world: World) -> list[str]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PrivacyPage(world.guard, {"model": "fixture"}))
    return generate_latest(registry).decode().splitlines()


async def test_the_page_tells_who_was_withheld_and_whether_the_list_is_known(build: Build) -> None:
    """By reason; a list that was never read is 0."""
    world = build(Suppressions(), **BELIEVED)
    await ask(world)
    lines = page(world)
    assert 'marquee_predictor_withheld_total{model="fixture",reason="consent"} 1.0' in lines
    assert 'marquee_predictor_suppressions_known{model="fixture"} 0.0' in lines
    world.guard.suppressions = on_the_list(HASH)
    assert 'marquee_predictor_suppressions_known{model="fixture"} 1.0' in page(world)
    assert 'marquee_predictor_suppressions_subjects{model="fixture"} 1.0' in page(world)


async def test_the_log_holds_no_token_and_no_unit(build: Build) -> None:
    """Of all that a request with consent says, nothing stands in the pod's request log."""
    world = build(**SIGNED)
    made = token()
    await ask(world, unit() | {"marquee-purpose-token": made})
    await ask(world, unit() | {"marquee-purpose-token": made[:-1]})
    text = world.log.getvalue()
    assert text
    for secret in (made, *made.split("."), UNIT, HASH.hex(), json.dumps(VALID)):
        assert secret not in text
