"""Every bound, enum and required field of the CRDs, on both of its sides, on a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.api.promotion_freeze import PromotionFreeze
from tests.support.apiserver import Answer, ApiServer, collection_of
from tests.support.crds import samples
from tests.support.crds.generated import crds
from tests.support.crds.rules import Rule, rules_of
from tests.support.crds.variants import is_derived, variants

_VALID = [sample.parsed() for sample in samples.valid()]
_RULES = [rule for crd in crds().values() for rule in rules_of(crd) if is_derived(rule)]
_TYPES: dict[str, type[MarketingModel | ModelRevision | ModelApproval | PromotionFreeze]] = {
    "MarketingModel": MarketingModel,
    "ModelRevision": ModelRevision,
    "ModelApproval": ModelApproval,
    "PromotionFreeze": PromotionFreeze,
}


@pytest.fixture(scope="module")
def stored(server: ApiServer) -> dict[str, Any]:
    """An object whose status can be written."""
    server.create("/api/v1/namespaces", {"metadata": {"name": "bounds"}})
    full = next(body for body in _VALID if body["metadata"]["name"] == "lead-scoring")
    answer = server.create(collection_of("MarketingModel", "bounds"), full)
    assert answer.accepted, answer.message
    return answer.body


def _send(server: ApiServer, stored: dict[str, Any], rule: Rule, body: dict[str, Any]) -> Answer:
    if rule.path[:1] != ("status",):
        return server.create(collection_of(rule.kind, "default"), body, dry_run=True)
    path = f"{collection_of(rule.kind, 'bounds')}/{stored['metadata']['name']}/status"
    return server.send("PUT", path, stored | {"status": body["status"]}, dry_run=True)


@pytest.mark.parametrize("rule", _RULES, ids=str)
def test_a_bound_accepts_what_lies_on_it_and_refuses_what_lies_past_it(
    server: ApiServer, stored: dict[str, Any], rule: Rule
) -> None:
    """What the rule allows is stored and can be read by the operator; the rest is refused, naming the field."""
    both = variants(rule, _VALID)
    for body in both.accepted:
        accepted = _send(server, stored, rule, body)
        assert accepted.accepted, accepted.message
        _TYPES[rule.kind].model_validate(accepted.body)
    refused = _send(server, stored, rule, both.refused)
    assert not refused.accepted
    assert f"{both.where}: " in refused.message
    assert both.message in refused.message
