"""Model cards: what is on them, what is not shown, and that no text of a person becomes markup."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from marquee.api.governance import Card
from marquee.cli.cards.annex import POINTS
from marquee.cli.cards.asking import LABEL_MODEL, LABEL_REVISION
from marquee.cli.cards.composing import compose
from marquee.cli.cards.document import CardDocument
from marquee.cli.cards.markdown import to_markdown
from marquee.cli.cards.sources import Sources
from marquee.cli.cards.web import to_html
from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.contract.card import PublicManifest
from marquee.control.render import names
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer, refusal

NOW = datetime(2026, 11, 29, tzinfo=UTC)
DIGEST = "sha256:" + "2" * 64
ALL_SAID = {
    "owner": "Head of Growth",
    "intendedUse": "Orders leads for calls.",
    "limitations": "Not for prices.",
    "humanOversight": "Sales may call in any order.",
    "metricsRationale": "Order is what calls are made by.",
    "riskManagement": "https://wiki.example.com/risks",
    "standards": "ISO/IEC 42001",
    "conformity": "https://wiki.example.com/conformity",
    "monitoringPlan": "https://wiki.example.com/plan",
}


def manifest(**change: Any) -> PublicManifest:
    body = {
        "model": "lead",
        "useCase": "lead scoring",
        "digest": DIGEST,
        "flavour": "onnx",
        "inputs": [
            {"name": "age", "kind": "number", "minimum": 18, "maximum": 120},
            {"name": "channel", "kind": "category", "categories": ["mail", "search"], "nullable": True},
        ],
        "outputs": [{"name": "score", "unit": "probability", "description": "that the lead buys"}],
        "metrics": {"auc": 0.81},
        "lineage": {
            "codeDigest": "sha256:" + "c" * 64,
            "seed": 7,
            "data": [
                {"name": "leads", "sha256": "a" * 64, "rows": 41_188, "origin": "crm"},
                {"name": "vips", "sha256": "b" * 64, "rows": 7, "origin": "crm"},
            ],
            "libraries": {"numpy": "2.1"},
        },
        "createdAt": "2026-11-01T00:00:00Z",
        "profiled": 2,
    }
    return PublicManifest.model_validate(body | change)


def a_revision(**spec: Any) -> dict[str, Any]:
    told = [
        {"name": "region=north", "rows": 900, "metrics": [{"name": "auc", "value": 0.8}]},
        {"name": "region=isle", "rows": 9, "metrics": [{"name": "auc", "value": 0.123456}]},
    ]
    metadata = {"name": "lead-v2", "namespace": "growth", "annotations": {"marquee.dev/author": "eve"}}
    body = {"model": "lead", "artifact": {"uri": "s3://m", "digest": DIGEST}, "description": "new data", "slices": told}
    return {"kind": "ModelRevision", "metadata": metadata, "spec": body | spec}


def a_model(**governance: Any) -> dict[str, Any]:
    body = a_body()
    fairness = {"metric": "auc", "slices": [{"input": "region", "maximalGap": 0.05}], "minimumRows": 100}
    body["spec"]["governance"] = {"riskClass": "High", "card": ALL_SAID, "fairness": fairness} | governance
    return body


def an_approval(**spec: Any) -> dict[str, Any]:
    told = {
        "model": "lead",
        "revision": "lead-v2",
        "digest": DIGEST,
        "approver": "anna",
        "expires": "2026-12-01T00:00:00Z",
    }
    return {"spec": told | spec}


def composed(**sources: Any) -> CardDocument:
    whole: dict[str, Any] = {"manifest": manifest(), "model": a_model(), "revision": a_revision()}
    return compose(Sources(**(whole | sources)), NOW)


def states(card: CardDocument) -> dict[int, tuple[str, str]]:
    """State and source of each point of Annex IV."""
    (table,) = [one.table for one in card.sections if one.title == "EU AI Act, Annex IV"]
    assert table is not None
    return {int(row[0]): (row[2], row[3]) for row in table.rows}


def test_each_point_of_annex_iv_is_present_with_its_source() -> None:
    """Where everything is said and known."""
    found = states(composed())
    assert list(found) == list(range(1, 10))
    assert {state for state, _ in found.values()} == {"present"}
    assert "spec.governance.card.riskManagement" in found[5][1]


@pytest.mark.parametrize(
    ("change", "point", "lacks"),
    [
        ({"model": a_model(card=ALL_SAID | {"intendedUse": ""})}, 1, "no intended purpose (spec.governance."),
        ({"manifest": None}, 2, "no data (manifest: lineage.data)"),
        ({"revision": a_revision(slices=[])}, 3, "no figures for groups (ModelRevision: spec.slices)"),
        ({"model": a_model(card={})}, 4, "no reason for the metrics (spec.governance.card.metricsRationale)"),
        ({"model": a_model(card={})}, 5, "no risk management (spec.governance.card.riskManagement)"),
        ({"revision": a_revision(description="")}, 6, "no changes"),
        ({"model": a_model(card={})}, 7, "no standards"),
        ({"model": a_model(card={})}, 8, "no declaration"),
        ({"model": {}}, 9, "no monitoring (spec.drift or spec.rollout.analysis)"),
    ],
)  # fmt: skip
def test_what_nobody_has_said_is_missing(change: dict[str, Any], point: int, lacks: str) -> None:
    """With the field that would say it."""
    state, words = states(composed(**change))[point]
    assert state == "missing"
    assert lacks in words


def test_the_points_know_every_field_of_the_spec() -> None:
    """A new field of the spec's card stands somewhere."""
    fields = {part.source.removeprefix("spec.governance.card.") for point in POINTS for part in point.parts}
    wanted = {field.alias or name for name, field in Card.model_fields.items()} - {"owner"}
    assert wanted <= fields


def test_small_groups_are_not_shown() -> None:
    """Neither how many they are nor how the model does for them; data of a few rows neither."""
    text = to_markdown(composed())
    assert "| region=north | 900 | auc | 0.8 |" in text
    assert "| region=isle | fewer than 10 | auc | not shown |" in text
    assert "0.123456" not in text
    assert "| vips | fewer than 10 |" in text


def test_approvals_of_these_bytes_are_on_the_card() -> None:
    """With whether they are over."""
    text = to_markdown(composed(approvals=(an_approval(), an_approval(approver="bob", expires="2026-11-28T00:00:00Z"))))
    assert "| anna | 2026-12-01T00:00:00Z | in force |" in text
    assert "| bob | 2026-11-28T00:00:00Z | expired |" in text


class Page(HTMLParser):
    """Tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


EVIL = "<script>alert(1)</script>| [x](javascript:1) `\n# heading\n\x1b[31m"


def evil() -> CardDocument:
    return composed(model=a_model(card=dict.fromkeys(ALL_SAID, EVIL)), revision=a_revision(description=EVIL))


def test_a_text_with_html_in_it_stays_a_text() -> None:
    """In HTML nothing of it is a tag; the page runs and loads nothing."""
    page = Page(to_html(evil()))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "a", "link", "iframe"})
    assert any("<script>alert(1)</script>" in text for text in page.texts)
    assert not any("\x1b" in text for text in page.texts)
    policies = [attributes["content"] for tag, attributes in page.tags if tag == "meta" and "http-equiv" in attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_a_text_with_markup_in_it_stays_a_text() -> None:
    """In Markdown every line of the card is one that the card has begun, and every table keeps its columns."""
    text = to_markdown(evil())
    assert "\n# heading" not in text
    assert "<script" not in text.replace("\\<", "")
    assert "\\[x\\](javascript:1) \\`" in text
    assert "\x1b" not in text


def test_the_page_reads_well_to_a_screen_reader() -> None:
    """A language, one first heading, headers with a scope, and regions that scroll have a name and take the focus."""
    page = Page(to_html(composed()))
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags
    assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
    assert all(attributes["scope"] in ("col", "row") for tag, attributes in page.tags if tag == "th")
    regions = [attributes for _, attributes in page.tags if attributes.get("role") == "region"]
    assert regions
    assert all(one["aria-label"] and one["tabindex"] == "0" for one in regions)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {attributes["aria-labelledby"] for tag, attributes in page.tags if tag == "section"} == set(ids)


def test_the_cluster_is_asked_for_everything(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Model, revision, a ready pod of it and its manifest, approvals."""
    pods = {
        "items": [
            {"metadata": {"name": "starting"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}},
            {"metadata": {"name": "pod-1"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        ]
    }
    approvals = {"items": [an_approval(), an_approval(digest="sha256:" + "9" * 64, approver="mallory")]}
    told = json.loads(manifest().to_bytes())
    kubectl.answers(answer(a_model()), answer(a_revision()), answer(pods), answer(told), answer(approvals))
    assert main(["card", "lead", "-n", "growth", "--revision", "lead-v2", "-o", "json"]) == Exit.DONE
    out = capsys.readouterr().out
    card = json.loads(out)
    assert card["title"] == "Model card: growth/lead"
    assert "anna" in out
    assert "mallory" not in out
    calls = kubectl.calls
    assert calls[1][1:4] == ["get", "modelrevisions.marquee.dev", "lead-v2"]
    assert "--selector=marquee.dev/model=lead,marquee.dev/revision=lead-v2" in calls[2]
    assert "/api/v1/namespaces/growth/pods/pod-1:8080/proxy/marquee/manifest" in calls[3]


def test_what_one_may_not_read_is_left_out_and_said(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is a card all the same; the revision is the one that serves."""
    no = refusal("Forbidden", "pods is forbidden")
    kubectl.answers(answer(a_model()), answer(a_revision()), no)
    assert main(["card", "lead"]) == Exit.DONE
    told = capsys.readouterr()
    assert "the artifact's manifest is left out" in told.err
    assert "approvals are left out" in told.err
    assert "# Model card: growth/lead" in told.out
    assert "The artifact's manifest was not to be had" in told.out


def test_a_pod_that_serves_other_bytes_tells_nothing(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Its manifest is not the revision's."""
    pods = {"items": [{"metadata": {"name": "p"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}]}
    told = json.loads(manifest(digest="sha256:" + "9" * 64).to_bytes())
    kubectl.answers(answer(a_model()), answer(a_revision()), answer(pods), answer(told), answer({"items": []}))
    assert main(["card", "lead"]) == Exit.DONE
    assert "not the revision's bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([answer(a_model()), answer(a_revision(model="churn"))], "is one of model 'churn', not of lead"),
        ([answer(a_model()), refusal("NotFound", 'modelrevisions "lead-v9" not found')], "not found"),
        ([answer(a_model()), answer("no json")], "no JSON object"),
    ],
)
def test_there_is_no_card_of_what_is_not_there(
    answers: list[dict[str, Any]], said: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason."""
    kubectl.answers(*answers)
    assert main(["card", "lead", "--revision", "lead-v9"]) == Exit.FAILED
    assert said in capsys.readouterr().err


def test_a_folder_has_a_card_without_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From its manifest; what only people can say is missing."""
    from tests.unit.front.artifacts import write_artifact

    folder = tmp_path / "out"
    digest = write_artifact(folder)
    assert main(["card", str(folder), "-o", "html"]) == Exit.DONE
    out = capsys.readouterr().out
    assert digest in out
    assert "Model card: fixture" in out


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), (b"{}", "is no manifest")])
def test_a_folder_without_a_manifest_has_none(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file's name."""
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    assert main(["card", f"{tmp_path}/"]) == Exit.FAILED
    assert said in capsys.readouterr().err


def test_pods_are_found_by_the_labels_that_the_operator_sets() -> None:
    """The plugin does not import the operator."""
    assert (LABEL_MODEL, LABEL_REVISION) == (names.LABEL_MODEL, names.LABEL_REVISION)
