"""The files in `crds/samples`, on a real API server."""

from __future__ import annotations

import pytest
import yaml

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.api.promotion_freeze import PromotionFreeze
from tests.support.apiserver import Answer, ApiServer, collection_of
from tests.support.crds import samples
from tests.support.crds.samples import Sample

_TYPES: dict[str, type[MarketingModel | ModelRevision | ModelApproval | PromotionFreeze]] = {
    "MarketingModel": MarketingModel,
    "ModelRevision": ModelRevision,
    "ModelApproval": ModelApproval,
    "PromotionFreeze": PromotionFreeze,
}


def _last_answer(server: ApiServer, namespace: str, sample: Sample) -> Answer:
    """Create the first document; where there is a second, update with it."""
    kind = samples.kind_of(sample.name)
    collection = collection_of(kind, namespace)
    answer = server.create(collection, sample.documents[0])
    for document in sample.documents[1:]:
        assert answer.accepted, answer.message
        metadata = answer.body["metadata"]
        update = yaml.safe_load(document)
        update["metadata"]["resourceVersion"] = metadata["resourceVersion"]
        answer = server.send("PUT", f"{collection}/{metadata['name']}", update)
    return answer


@pytest.mark.parametrize("sample", samples.valid(), ids=lambda sample: sample.name)
def test_a_valid_sample_is_accepted_and_understood(server: ApiServer, namespace: str, sample: Sample) -> None:
    """The server stores the sample, and the operator reads the stored object as it reads the file."""
    answer = _last_answer(server, namespace, sample)
    assert answer.accepted, answer.message
    read = _TYPES[answer.body["kind"]].model_validate(answer.body)
    written = sample.parsed()
    written["metadata"]["namespace"] = namespace
    assert read.spec == _TYPES[answer.body["kind"]].model_validate(written).spec


@pytest.mark.parametrize("sample", samples.invalid(), ids=lambda sample: sample.name)
def test_an_invalid_sample_is_refused_in_the_words_it_promises(
    server: ApiServer, namespace: str, sample: Sample
) -> None:
    """The server refuses the sample and says what its first line expects."""
    answer = _last_answer(server, namespace, sample)
    assert not answer.accepted
    assert sample.is_expected(answer.message), f"expected {sample.expect!r}\ngot {answer.message!r}"
