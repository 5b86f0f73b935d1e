"""Service-account tokens, reviewed by a real API server with the permission that the chart gives the ledger."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from localcluster import ControlPlane
from marquee.audit.events import Stamp
from marquee.audit.statements import Statement, write_entry
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH
from marquee.contract.pod import LEDGER_AUDIENCE
from marquee.ledger.access.apiserver import ApiServer as Reached
from marquee.ledger.access.apiserver import ApiServerReviewer, in_cluster
from marquee.ledger.access.gate import Gate
from marquee.ledger.access.reviews import ServiceAccounts
from marquee.ledger.access.senders import ReviewUnavailableError
from marquee.ledger.errors import SettingsError
from tests.api.ledger.accounts import LEDGER, as_in_a_pod, install_ledger_account, make_account, token_of
from tests.support.apiserver import ApiServer
from tests.support.audit.logs import AUTHOR, BEGINNING, SUBJECT, event
from tests.support.ledger import Ledger, Sender, keeping_a_log, settings_of
from tests.support.plainhttp import http_client


def reviewer_of(plane: ControlPlane, folder: Path, token: str) -> ApiServerReviewer:
    """As in a pod."""
    return ApiServerReviewer(in_cluster(as_in_a_pod(plane, folder, token), folder))


@pytest.fixture
def reviewer(plane: ControlPlane, server: ApiServer, namespace: str, tmp_path: Path) -> ApiServerReviewer:
    """The ledger's, with the chart's ClusterRole and no other right."""
    install_ledger_account(server, namespace)
    return reviewer_of(plane, tmp_path / "account", token_of(server, namespace, LEDGER))


async def test_predictors_token_is_known(reviewer: ApiServerReviewer, server: ApiServer, namespace: str) -> None:
    """A token that was projected for the ledger names its service account."""
    review = await reviewer.review(token_of(server, namespace, LEDGER, LEDGER_AUDIENCE), LEDGER_AUDIENCE)
    assert review.username == f"system:serviceaccount:{namespace}:{LEDGER}"


async def test_token_for_somebody_else_is_refused(
    reviewer: ApiServerReviewer, server: ApiServer, namespace: str
) -> None:
    """A token of the API server, or of another audience, was not meant for the ledger."""
    for audiences in ((), ("vault",)):
        review = await reviewer.review(token_of(server, namespace, LEDGER, *audiences), LEDGER_AUDIENCE)
        assert (review.username, "audience" in review.error) == ("", True)


async def test_token_that_nobody_issued_is_refused(reviewer: ApiServerReviewer) -> None:
    """Text that is no token, or one of another cluster, has no verdict but no."""
    for token in ("none", "a.b.c", "é"):
        review = await reviewer.review(token, LEDGER_AUDIENCE)
        assert review.username == ""
        assert review.error


async def test_token_of_a_deleted_account_is_refused(
    reviewer: ApiServerReviewer, server: ApiServer, namespace: str
) -> None:
    """With its account a token ends, long before it expires."""
    make_account(server, namespace, "gone")
    token = token_of(server, namespace, "gone", LEDGER_AUDIENCE)
    assert server.send("DELETE", f"/api/v1/namespaces/{namespace}/serviceaccounts/gone").accepted
    deadline = time.monotonic() + 20  # the API server learns of the deletion from its own watch
    while (await reviewer.review(token, LEDGER_AUDIENCE)).username and time.monotonic() < deadline:
        await asyncio.sleep(11)  # longer than it keeps a verdict
    assert (await reviewer.review(token, LEDGER_AUDIENCE)).username == ""


async def test_missing_permission_is_no_verdict(
    plane: ControlPlane, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """A ledger that may not ask says so, instead of turning its senders away."""
    make_account(server, namespace, "poor")
    poor = reviewer_of(plane, tmp_path / "poor", token_of(server, namespace, "poor"))
    with pytest.raises(ReviewUnavailableError, match="answered 403 to a TokenReview"):
        await poor.review("any", LEDGER_AUDIENCE)


async def test_silent_api_server_is_no_verdict(plane: ControlPlane, tmp_path: Path) -> None:
    """Nor is one that cannot be reached, or whose certificate is somebody else's."""
    (tmp_path / "token").write_text("own", encoding="ascii")
    away = ApiServerReviewer(Reached("https://127.0.0.1:1", tmp_path / "token", None))
    stranger = ApiServerReviewer(Reached(plane.server, tmp_path / "token", None))
    for silent in (away, stranger):
        with pytest.raises(ReviewUnavailableError, match="could not be asked"):
            await silent.review("any", LEDGER_AUDIENCE)


def test_ledger_outside_of_a_cluster_says_so(tmp_path: Path) -> None:
    """Without the kubelet's variables or files there is nobody to ask."""
    with pytest.raises(SettingsError, match="KUBERNETES_SERVICE_HOST is not set"):
        in_cluster({}, tmp_path)
    with pytest.raises(SettingsError, match="the cluster's certificate cannot be read"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "::1"}, tmp_path)


def test_predictor_sends_to_its_own_namespace(
    reviewer: ApiServerReviewer, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """From the token to the integers: a pod's account may send what its namespace's models saw, the operator reads."""
    for name in ("default", "operator"):
        server.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    pod, operator = (
        {"authorization": f"Bearer {token_of(server, namespace, name, LEDGER_AUDIENCE)}"}
        for name in ("default", "operator")
    )
    gate = Gate(None, ServiceAccounts(reviewer, frozenset({f"{namespace}:operator"})))
    with (
        Ledger(settings_of(tmp_path), authenticator=gate) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        own, foreign = Sender(http, f"{namespace}/lead"), Sender(http, "elsewhere/lead")
        assert own.declare({"outcome": "buy"}, **operator).status_code == 201
        assert own.expose(own.batch(["ann", "bob"]), **pod).status_code == 200
        assert foreign.expose(foreign.batch(["ann"]), **pod).status_code == 403
        assert own.expose(own.batch(["cid"]), authorization="Bearer none").status_code == 401
        http.headers["authorization"] = operator["authorization"]
        assert own.cohorts()[0, "canary"]["exposures"] == 2


def test_the_operator_alone_enters_in_the_audit_log(
    reviewer: ApiServerReviewer, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """By its account; a pod's is refused, and whoever has no account may read."""
    for name in ("default", "operator"):
        server.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    stamp = Stamp(model=f"{namespace}/lead", sequence=1, time=BEGINNING, author=AUTHOR.public.text)
    entry = write_entry(Statement(stamp, event(), (SUBJECT,)), [AUTHOR])
    gate = Gate(None, ServiceAccounts(reviewer, frozenset({f"{namespace}:operator"})))
    settings = settings_of(tmp_path, **keeping_a_log(tmp_path))
    with (
        Ledger(settings, authenticator=gate) as ledger,
        http_client(ledger.url, timeout=30) as http,
    ):
        for name, status in (("default", 403), ("operator", 200)):
            bearer = f"Bearer {token_of(server, namespace, name, LEDGER_AUDIENCE)}"
            answer = http.post(AUDIT_ENTRIES_PATH, content=entry, headers={"authorization": bearer})
            assert answer.status_code == status, answer.text
        assert http.post(AUDIT_ENTRIES_PATH, content=entry).status_code == 401
        assert http.get(AUDIT_ENTRIES_PATH).json()["size"] == 1
