"""Verdicts for other controllers, over HTTP and on both stores: what Argo Rollouts and Flagger send, and get."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml
from sqlalchemy import select, update

from marquee.evidence.judging import answer
from marquee.evidence.policy import Stage
from marquee.evidence.records import read_cohorts
from marquee.judging.asking import policy_of
from marquee.ledger.access.gate import Gate
from marquee.ledger.access.keys import ApiKeys, new_key
from marquee.ledger.judging.settling import Policy
from marquee.ledger.store.database import Database
from marquee.ledger.store.schema import credits_, metrics, rollouts
from tests.support.judge import STEPS, Controller, KnownModels, bad, external, fill, good
from tests.support.ledger import Ledger, Sender, settings_of
from tests.support.plainhttp import http_client

_numbers = itertools.count(1)
DOCUMENT: Final = (Path(__file__).resolve().parents[3] / "docs" / "judge.md").read_text(encoding="utf-8")
DOCUMENTED_BODIES: Final = re.findall(r"\$URL(/v1/\w+) (?:\\\n  )?-d '(\{.*?\})'", DOCUMENT, re.DOTALL)
PURCHASE = {"primary": {"outcome": "purchase"}}


@pytest.fixture(scope="module")
def known() -> KnownModels:
    """The cluster's MarketingModels."""
    return KnownModels()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def judge(request: pytest.FixtureRequest, memory: Path, known: KnownModels) -> Iterator[Ledger]:
    """A ledger that knows models, on each store."""
    folder = memory / request.param / "judge"
    folder.mkdir(parents=True)
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres").create_database("judge")
    with Ledger(settings_of(folder, url), models=known) as running:
        yield running


@pytest.fixture
def web(judge: Ledger) -> Iterator[httpx.Client]:
    """A client of it."""
    with http_client(judge.url, timeout=30) as client:
        yield client


@pytest.fixture
def controller(web: httpx.Client, known: KnownModels) -> Controller:
    """A controller of a model that no other test uses."""
    model = f"shop/recommendations-{next(_numbers)}"
    known.bodies[model] = external()
    return Controller(web, model)


@pytest.fixture
def pods(controller: Controller) -> Sender:
    """Who reports what the model's users saw and did."""
    return Sender(controller.http, controller.model)


def kind_of(response: httpx.Response) -> str:
    return str(response.json()["type"]).rpartition(":")[2]


def said(response: httpx.Response) -> tuple[int, str, str, int]:
    """Status, verdict, reason, step."""
    body = response.json()
    return response.status_code, body["verdict"], body["reason"], body["step"]


def json_path(response: httpx.Response) -> Any:
    """What ``jsonPath: "{$.verdict}"`` finds in an answer that Argo takes: any status but 2xx is an error there."""
    assert 200 <= response.status_code < 300, response.text
    return response.json()["verdict"]


def is_yes(response: httpx.Response) -> bool:
    """As Flagger reads an answer."""
    return response.status_code <= 202


# ------------------------------------------------------------------------------------------------ Argo Rollouts


def test_argo_goes_through_a_rollout(controller: Controller, pods: Sender) -> None:
    """Each step is held without data, promoted by evidence, and the last one ends the rollout."""
    for step in range(3):
        assert json_path(controller.post(rollout="r1-6b7c", step=str(step))) == "Hold"
        good(pods, "r1-6b7c", step)
        told = controller.post(rollout="r1-6b7c", step=str(step))
        assert said(told) == (200, "Promote", "NonInferior", step)
    assert told.json()["result"] == "Promoted"
    assert json_path(controller.get(rollout="r1-6b7c")) == "Promote"


def test_argo_is_told_of_harm(controller: Controller, pods: Sender) -> None:
    """Rollback ends the rollout, and stays the answer whatever comes after."""
    controller.post(rollout="r1", step="0")
    bad(pods, "r1")
    assert said(controller.post(rollout="r1", step="0")) == (200, "Rollback", "HarmShown", 0)
    assert pods.statistics("r1")["closed"]
    assert said(controller.get(rollout="r1")) == (200, "Rollback", "HarmShown", 0)
    assert said(controller.post(rollout="r1", step="0")) == (200, "Rollback", "HarmShown", 0)


def test_lost_answer_is_given_again_to_who_says_where_it_stands(controller: Controller, pods: Sender) -> None:
    """The same question about the same step gets the same yes, and no step is skipped."""
    controller.post(rollout="r1", step="0")
    good(pods, "r1", 0)
    first = controller.post(rollout="r1", step="0")
    again = controller.post(rollout="r1", step="0")
    assert first.json() == again.json()
    assert first.json()["verdict"] == "Promote"
    assert said(controller.get(rollout="r1")) == (200, "Hold", "NoData", 1)
    good(pods, "r1", 1)
    assert said(controller.post(rollout="r1", step="0"))[1:] == ("Promote", "NonInferior", 0)
    assert said(controller.post(rollout="r1", step="1"))[1:] == ("Promote", "NonInferior", 1)


def test_yes_is_not_given_again_once_harm_has_shown(controller: Controller, pods: Sender) -> None:
    """Between the lost answer and the next question the evidence may turn: then the new verdict counts."""
    controller.post(rollout="r1", step="0")
    good(pods, "r1", 0)
    assert json_path(controller.post(rollout="r1", step="0")) == "Promote"
    fill(pods, "r1", 1, canary=1_000, stable=3_000, bought=0, kept=2_000)
    assert said(controller.post(rollout="r1", step="0"))[1:] == ("Rollback", "HarmShown", 1)
    assert said(controller.post(rollout="r1", step="0"))[1:] == ("Rollback", "HarmShown", 1)


def test_ledger_follows_a_controller_that_is_ahead(controller: Controller, pods: Sender) -> None:
    """A person sent the other controller on: the step that it names begins, and nothing is promoted by its word."""
    controller.post(rollout="r1", step="0")
    good(pods, "r1", 0)
    assert said(controller.post(rollout="r1", step="2")) == (200, "Hold", "NoData", 2)


def test_controller_that_starts_anew_is_judged_anew(controller: Controller, pods: Sender) -> None:
    """Who stands two steps behind has begun again: another attempt, with evidence of its own."""
    for step in (0, 1):
        controller.post(rollout="r1", step=str(step))
        good(pods, "r1", step)
        controller.post(rollout="r1", step=str(step))
    anew = controller.post(rollout="r1", step="0")
    assert (said(anew), anew.json()["rollout"]) == ((200, "Hold", "NoData", 0), "r1.2")
    assert pods.statistics("r1")["closed"]


def test_get_changes_nothing(controller: Controller, pods: Sender) -> None:
    """A GET tells the verdict as often as one likes, and the rollout stays at its step."""
    controller.post(rollout="r1", step="0")
    good(pods, "r1", 0)
    for _ in range(3):
        assert said(controller.get(rollout="r1")) == (200, "Promote", "NonInferior", 0)
    assert said(controller.get()) == (200, "Promote", "NonInferior", 0)


def test_answer_can_be_computed_again(controller: Controller, pods: Sender) -> None:
    """From the cohorts, the policy and the age in the answer: the same evidence, bit for bit."""
    controller.post(rollout="r1", step="0")
    good(pods, "r1", 0)
    told = controller.get(rollout="r1").json()
    policy = Policy.model_validate(told["policy"])
    stage = Stage(step=0, min_exposures=10, elapsed_seconds=told["elapsedSeconds"])
    mine = answer(policy_of(policy.analysis, policy.weights), stage, read_cohorts(told["cohorts"]))
    assert {name: told[name] for name in mine} == mine
    assert {(row["step"], row["arm"]): row["exposures"] for row in told["statistics"]} == {
        (0, "stable"): 1_900,
        (0, "canary"): 100,
    }


# ----------------------------------------------------------------------------------------------------- Flagger


def test_flagger_goes_through_a_rollout(controller: Controller, pods: Sender) -> None:
    """Its hooks in the order of its scheduler: pre-rollout and the first increase at weight 0, and at the last weight
    confirm-traffic-increase and confirm-promotion in one pass.
    """
    assert is_yes(controller.begin())
    assert not is_yes(controller.flagger("Rollback"))
    assert said(controller.flagger("Promote")) == (200, "Promote", "RolloutStarted", 0)
    for step in range(3):
        assert not is_yes(controller.flagger("Rollback"))
        assert said(controller.flagger("Promote")) == (409, "Hold", "NoData", step)
        good(pods, "aaaa", step)
        assert not is_yes(controller.flagger("Rollback"))
        assert is_yes(controller.flagger("Promote"))
    assert is_yes(controller.flagger("Promote")), "confirm-promotion, after confirm-traffic-increase"
    assert is_yes(controller.flagger("Promote")), "its answer was lost"


def test_unknown_checksum_begins_without_a_pre_rollout_hook(controller: Controller) -> None:
    """The first increase is a yes; no data is a Hold from then on."""
    assert said(controller.flagger("Promote")) == (200, "Promote", "RolloutStarted", 0)
    assert said(controller.flagger("Promote")) == (409, "Hold", "NoData", 0)


def test_lost_first_yes_is_given_again_after_pre_rollout(controller: Controller) -> None:
    """Flagger asks pre-rollout only while the canary has no users: there the first yes was lost, and comes again."""
    for _ in range(3):
        assert said(controller.begin()) == (200, "Hold", "NoData", 0)
        assert said(controller.flagger("Promote")) == (200, "Promote", "RolloutStarted", 0)


def test_lost_yes_holds_and_skips_no_step(controller: Controller, pods: Sender) -> None:
    """Flagger cannot say where it stands: asked again, the next step is judged, and has no data."""
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    assert said(controller.flagger("Promote")) == (200, "Promote", "NonInferior", 0)
    assert said(controller.flagger("Promote")) == (409, "Hold", "NoData", 1)
    assert said(controller.post(rollout="aaaa", step="0", verdict="Promote")) == (200, "Promote", "NonInferior", 0)


def test_flagger_rolls_back_by_harm(controller: Controller, pods: Sender) -> None:
    """A question for Promote that meets harm is a no, and the next one for Rollback a yes."""
    controller.flagger("Promote")
    bad(pods, "aaaa")
    assert said(controller.flagger("Promote")) == (409, "Rollback", "HarmShown", 0)
    assert said(controller.flagger("Rollback")) == (200, "Rollback", "HarmShown", 0)


def test_old_version_that_comes_back_is_judged_anew(controller: Controller, pods: Sender) -> None:
    """A checksum that was promoted once is no promotion for ever."""
    for step in (0, 1, 2):
        controller.flagger("Promote")
        good(pods, "aaaa", step)
    assert is_yes(controller.flagger("Promote"))
    controller.begin("bbbb")
    anew = controller.begin("aaaa")
    assert (anew.json()["rollout"], anew.json()["verdict"]) == ("aaaa.2", "Hold")
    assert is_yes(controller.flagger("Promote", "aaaa"))
    assert not is_yes(controller.flagger("Promote", "aaaa"))


def test_version_that_was_rolled_back_may_begin_again(controller: Controller, pods: Sender) -> None:
    """A person applies the same version once more: its canary has no users, so this is another attempt."""
    controller.begin()
    controller.flagger("Promote")
    bad(pods, "aaaa")
    assert is_yes(controller.flagger("Rollback"))
    assert controller.begin().json()["rollout"] == "aaaa.2"
    assert not is_yes(controller.flagger("Rollback"))
    assert is_yes(controller.flagger("Promote"))


def test_question_for_hold_or_rollback_takes_no_yes(controller: Controller, pods: Sender) -> None:
    """Only who asks for Promote, or for whatever the verdict is, moves the rollout on."""
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    assert said(controller.flagger("Rollback")) == (409, "Promote", "NonInferior", 0)
    assert said(controller.flagger("Hold")) == (409, "Promote", "NonInferior", 0)
    assert said(controller.get()) == (200, "Promote", "NonInferior", 0)


def test_newer_rollout_ends_the_one_before(controller: Controller, pods: Sender) -> None:
    """Flagger began another version: what is asked about the one before is refused, and its integers stay."""
    controller.flagger("Promote", "aaaa")
    good(pods, "aaaa", 0)
    controller.flagger("Promote", "bbbb")
    refused = controller.flagger("Promote", "aaaa")
    assert (refused.status_code, kind_of(refused)) == (409, "rollout-superseded")
    told = controller.get(rollout="aaaa").json()
    assert (told["result"], told["verdict"]) == ("Superseded", "Promote")
    assert controller.get().json()["rollout"] == "bbbb"


# ------------------------------------------------------------------------------------------ policy and its life


def test_changed_spec_does_not_change_a_rollout_under_way(
    controller: Controller, pods: Sender, known: KnownModels
) -> None:
    """What is judged by is settled when it begins; the answer says when, and what."""
    controller.flagger("Promote")
    known.bodies[controller.model] = external(
        steps=[{"weight": 50}], analysis={"primary": {"outcome": "refund"}, "alpha": 0.5}
    )
    good(pods, "aaaa", 0)
    told = controller.flagger("Promote").json()
    assert (told["verdict"], told["steps"], told["metrics"][0]["name"]) == ("Promote", 3, "purchase")
    assert told["policy"]["analysis"]["alpha"] == 0.05
    assert told["policy"]["settled"].endswith("Z")
    assert [metric["name"] for metric in controller.begin("bbbb").json()["metrics"]] == ["refund"]


def test_rollout_under_way_needs_no_api_server(controller: Controller, pods: Sender, known: KnownModels) -> None:
    """The API server, and even the model, may be away once a rollout has begun."""
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    del known.bodies[controller.model]
    known.away = True
    try:
        assert is_yes(controller.flagger("Promote"))
        away = controller.flagger("Promote", "bbbb")
        assert (away.status_code, kind_of(away)) == (503, "models-unavailable")
        assert said(controller.get()) == (200, "Hold", "NoData", 1)
    finally:
        known.away = False


def test_step_has_its_minimum_and_its_end(controller: Controller, pods: Sender, known: KnownModels) -> None:
    """MinDurationSeconds and maxDurationSeconds are counted from the step's beginning in the ledger."""
    known.bodies[controller.model] = external(
        steps=[{"weight": 5, "minDurationSeconds": 3600}, {"weight": 25, "maxDurationSeconds": 7200}]
    )
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    assert said(controller.flagger("Promote")) == (409, "Hold", "MinimumNotReached", 0)


def test_guardrails_are_judged_by_their_own_counts(controller: Controller, pods: Sender, known: KnownModels) -> None:
    """Errors among requests, another outcome among units: harm on any of them rolls back."""
    known.bodies[controller.model] = external(
        analysis={**PURCHASE, "guardrails": [{"metric": "Errors"}, {"metric": "Outcome", "outcome": "complaint"}]}
    )
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    rows = [("stable", 19_000, 20), ("canary", 1_000, 300)]
    pods.count(
        *({"rollout": "aaaa", "step": 0, "arm": arm, "requests": all_, "errors": wrong} for arm, all_, wrong in rows)
    )
    told = controller.flagger("Rollback")
    assert said(told) == (200, "Rollback", "HarmShown", 0)
    assert [metric["name"] for metric in told.json()["metrics"]] == ["purchase", "Errors", "complaint"]


# --------------------------------------------------------------------------------------------------- bad input


def test_unknown_model_is_404(controller: Controller, known: KnownModels) -> None:
    """Nothing to judge by, whatever is asked; and the words say what to create."""
    del known.bodies[controller.model]
    for response in (controller.get(rollout="r"), controller.post(rollout="r"), controller.flagger("Promote")):
        assert (response.status_code, kind_of(response)) == (404, "model-unknown")
        assert "create it with spec.serving.class External" in response.json()["detail"]


def test_unknown_rollout_is_404(controller: Controller) -> None:
    """A rollout that has not begun: who only asks is told so, and a question for Rollback begins none."""
    for response in (controller.get(), controller.get(rollout="r"), controller.post(), controller.flagger("Rollback")):
        assert (response.status_code, kind_of(response)) == (404, "rollout-unknown")


def test_model_that_marquee_rolls_out_is_422(controller: Controller, known: KnownModels) -> None:
    """Two who move the same traffic: the words say how to have one."""
    known.bodies[controller.model] = external(serving={"class": "Marquee"}, revision={"name": "a"})
    for response in (controller.get(), controller.flagger("Promote")):
        assert (response.status_code, kind_of(response)) == (422, "model-not-judged")
        assert "rolled out by Marquee itself" in response.json()["detail"]


@pytest.mark.parametrize(
    ("spec", "detail"),
    [
        ({"useCase": "Tarot"}, "cannot be read by this ledger: spec.useCase: Input should be"),
        ({"rollout": {"steps": [{"weight": 5}]}}, "spec.rollout asks nothing; give it steps and an analysis"),
        ({"rollout": {"analysis": PURCHASE}}, "spec.rollout asks nothing; give it steps and an analysis"),
    ],
)
def test_model_that_asks_nothing_is_422(
    spec: dict[str, Any], detail: str, controller: Controller, known: KnownModels
) -> None:
    """As the API server would refuse it; a newer one may have fields that this ledger cannot read."""
    known.bodies[controller.model]["spec"] |= spec
    response = controller.flagger("Promote")
    assert (response.status_code, kind_of(response)) == (422, "model-not-judged")
    assert detail in response.json()["detail"]


@pytest.mark.parametrize(
    ("query", "kind", "detail"),
    [
        ({"verdict": "promote"}, "verdict-unknown", "verdict='promote' is none of Promote, Rollback, Hold"),
        ({"verdict": ""}, "verdict-unknown", "verdict='' is none of"),
        ({"rollout": "R"}, "malformed-name", "rollout: 'R' is no name of a rollout"),
        ({"rollout": "r" * 59}, "malformed-name", "at most 58"),
        ({"rollout": "r", "step": "-1"}, "step-unknown", "step='-1' is no number"),
        ({"rollout": "r", "step": "one"}, "step-unknown", "step='one' is no number"),
        ({"rollout": "r", "step": "3"}, "step-unknown", "has 3 steps, from 0"),
    ],
)
def test_impossible_question_is_400(query: dict[str, str], kind: str, detail: str, controller: Controller) -> None:
    """What cannot be meant is refused before anything is written."""
    response = controller.post(**query)
    assert (response.status_code, kind_of(response)) == (400, kind)
    assert detail in response.json()["detail"]
    assert controller.get().status_code == 404


def test_step_past_the_last_is_400_also_under_way(controller: Controller) -> None:
    """The steps are those that it began with."""
    controller.post(rollout="r", step="0")
    response = controller.post(rollout="r", step="3")
    assert (response.status_code, kind_of(response)) == (400, "step-unknown")


@pytest.mark.parametrize(
    ("content", "type_", "status", "kind"),
    [
        (b"{", "application/json", 400, "malformed-json"),
        (b"[]", "application/json", 400, "malformed"),
        (b'{"checksum": 7}', "application/json", 400, "malformed-name"),
        (b'{"checksum": "A/B"}', "application/json", 400, "malformed-name"),
        (b"checksum=a", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
    ],
)
def test_impossible_body_is_refused(content: bytes, type_: str, status: int, kind: str, controller: Controller) -> None:
    """Flagger sends JSON with a checksum that can be a name."""
    path = f"/judge/{controller.model}?verdict=Promote"
    response = controller.http.post(path, content=content, headers={"content-type": type_})
    assert (response.status_code, kind_of(response)) == (status, kind)


def test_begin_needs_a_name(controller: Controller) -> None:
    """Without a checksum nobody could ask about it later."""
    response = controller.http.post(f"/judge/{controller.model}/begin")
    assert (response.status_code, kind_of(response)) == (400, "malformed-name")


@pytest.mark.parametrize("path", ["/judge/Shop/a", "/judge/shop/A", "/judge/shop/a.b"])
def test_impossible_model_is_400(path: str, web: httpx.Client) -> None:
    """Names are those that Kubernetes would accept."""
    response = web.get(path)
    assert (response.status_code, kind_of(response)) == (400, "malformed-name")


def test_contradictory_counts_are_422(controller: Controller, pods: Sender, judge: Ledger) -> None:
    """More successes than exposures: the message says where and what to do."""
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    with judge.running.state.database.writer.begin() as connection:
        of_model = select(metrics.c.id).join(rollouts).where(rollouts.c.model == controller.model)
        canary = (credits_.c.place == 1, credits_.c.metric_id.in_(of_model))
        connection.execute(update(credits_).where(*canary).values(successes=101))
    for response in (controller.get(), controller.flagger("Promote"), controller.flagger("Rollback")):
        assert (response.status_code, kind_of(response)) == (422, "counts-contradictory")
        assert f"{controller.model}/aaaa/0/canary" in response.json()["detail"]


# --------------------------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("scheme", ["bearer", "url"])
def test_key_for_verdicts_opens_its_models_alone(scheme: str, known: KnownModels, tmp_path: Path) -> None:
    """As Argo's header, and as the password in the URL of a Flagger webhook, which has no headers."""
    (key, digest), (other, other_digest) = new_key(), new_key()
    path = tmp_path / "keys.json"
    path.write_text(
        f'{{"keys": [{{"name": "flagger", "sha256": "{digest}", "roles": ["verdicts"], "models": ["shop/own"]}},'
        f'{{"name": "shop", "sha256": "{other_digest}", "models": ["*"]}}]}}'
    )
    known.bodies["shop/own"] = external()
    with (
        Ledger(settings_of(tmp_path), authenticator=Gate(ApiKeys(path), None), models=known) as ledger,
        http_client() as http,
    ):

        def ask(model: str, secret: str) -> tuple[int, str]:
            url = httpx.URL(f"{ledger.url}/judge/{model}?verdict=Promote")
            headers = {} if scheme == "url" else {"authorization": f"Bearer {secret}"}
            if scheme == "url":
                url = url.copy_with(username="flagger", password=secret)
            response = http.post(url, json={"checksum": "aaaa"}, headers=headers)
            return response.status_code, response.json().get("type", "").rpartition(":")[2]

        assert ask("shop/own", key) == (200, "")
        assert ask("shop/foreign", key) == (403, "forbidden")
        assert ask("shop/own", other) == (403, "forbidden")
        assert ask("shop/own", "mqk_none") == (401, "unauthenticated")
        assert http.get(f"{ledger.url}/judge/shop/own").status_code == 401
        for broken in ("Basic", "Basic ???", "Basic bm9jb2xvbg=="):
            assert http.get(f"{ledger.url}/judge/shop/own", headers={"authorization": broken}).status_code == 401


def test_ledger_outside_of_a_cluster_says_so(tmp_path: Path) -> None:
    """Without an API server there is nothing to judge by, in words."""
    with Ledger(settings_of(tmp_path)) as ledger, http_client(ledger.url) as http:
        response = Controller(http, "shop/recommendations").flagger("Promote")
        assert (response.status_code, kind_of(response)) == (503, "models-unavailable")
        assert "runs outside of a cluster" in response.json()["detail"]
        assert Controller(http, "shop/recommendations").get().status_code == 404


# --------------------------------------------------------------------------------------------------- concurrency


def test_of_two_who_ask_at_once_one_yes_moves_one_step(controller: Controller, pods: Sender) -> None:
    """Twenty questions at one moment: the step is passed once."""
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: said(controller.flagger("Promote")), range(20)))
    assert answers.count((200, "Promote", "NonInferior", 0)) == 1
    assert answers.count((409, "Hold", "NoData", 1)) == 19


def test_of_many_who_begin_at_once_one_does(controller: Controller) -> None:
    """One rollout, and one first yes."""
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: said(controller.flagger("Promote")), range(10)))
    assert answers.count((200, "Promote", "RolloutStarted", 0)) == 1
    assert answers.count((409, "Hold", "NoData", 0)) == 9


def test_two_replicas_agree(controller: Controller, pods: Sender, known: KnownModels, judge: Ledger) -> None:
    """A second ledger on the same database: questions to both at once pass one step."""
    database = judge.running.state.database
    if database.is_sqlite:
        database.dispose()  # one process writes SQLite: a second opener stands for one that follows at once
    url = database.url.render_as_string(hide_password=False)
    settings = judge._settings.model_copy(update={"database_url": url.replace("+psycopg", "").replace("+pysqlite", "")})
    controller.flagger("Promote")
    good(pods, "aaaa", 0)
    with Ledger(settings, models=known) as other, http_client(other.url, timeout=60) as http:
        both = [controller, Controller(http, controller.model)]
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda n: said(both[n % 2].flagger("Promote")), range(12)))
    assert answers.count((200, "Promote", "NonInferior", 0)) == 1
    assert answers.count((409, "Hold", "NoData", 1)) == 11


def test_unwritable_yes_is_no_yes(tmp_path: Path, known: KnownModels) -> None:
    """Where the step cannot be written, the answer is 503: a yes that nobody remembers would be given twice."""
    known.bodies["shop/down"] = external()
    with (
        Ledger(settings_of(tmp_path), models=known) as ledger,
        http_client(ledger.url, timeout=60) as http,
    ):
        controller = Controller(http, "shop/down")
        controller.flagger("Promote")
        good(Sender(http, "shop/down"), "aaaa", 0)
        database: Database = ledger.running.state.database
        with database.writer.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE plans RENAME COLUMN answered_step TO elsewhere")
        response = controller.flagger("Promote")
        assert (response.status_code, kind_of(response)) == (503, "store-unavailable")
        with database.writer.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE plans RENAME COLUMN elsewhere TO answered_step")
        assert said(controller.flagger("Promote")) == (200, "Promote", "NonInferior", 0)


# ------------------------------------------------------------------------------------------- what is documented


def test_documented_reports_are_taken_and_counted(controller: Controller, pods: Sender) -> None:
    """The bodies of docs/judge.md, in the order of its chapter: step, exposures, outcome."""
    controller.post(rollout="r7-6b7c9d", step="1")
    step = controller.http.get(f"/v1/rollouts/{controller.model}")
    assert step.json() == {"rollout": "r7-6b7c9d", "step": 1, "weight": 25}
    for path, body in DOCUMENTED_BODIES:
        answer = controller.http.post(path, json=json.loads(body) | {"model": controller.model})
        assert answer.status_code == 200, answer.text
    cohort = pods.cohorts("r7-6b7c9d")[1, "canary"]
    assert (cohort["exposures"], cohort["outcomes"]["purchase"]["successes"]) == (2, 1)


def test_pods_are_told_no_step_where_there_is_none(controller: Controller) -> None:
    """Before a rollout, before its first step, and when it has ended by another's beginning there is one or none."""
    path = f"/v1/rollouts/{controller.model}"
    assert controller.http.get(path).status_code == 404
    controller.begin()
    assert kind_of(controller.http.get(path)) == "rollout-unknown"
    controller.flagger("Promote")
    assert controller.http.get(path).json() == {"rollout": "aaaa", "step": 0, "weight": 5}
    controller.begin("bbbb")
    assert controller.http.get(path).status_code == 404


def test_documented_model_is_one_that_is_judged(controller: Controller, known: KnownModels) -> None:
    """The walk-through's MarketingModel begins a rollout of its four steps."""
    (text,) = re.findall(r"```yaml\n(apiVersion: marquee.dev.*?)```", DOCUMENT, re.DOTALL)
    known.bodies[controller.model] = yaml.safe_load(text)
    assert controller.begin().json()["steps"] == 4


def test_default_steps_are_those_of_the_support() -> None:
    """The steps that the tests' counts are made for."""
    assert [step["weight"] for step in STEPS] == [5, 25, 50]
