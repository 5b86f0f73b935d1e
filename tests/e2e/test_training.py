"""Both use cases, trained as Jobs on the cluster on real data, served by what the demo applies."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from demo.forwarding import call
from demo.images import Images
from demo.story import RESOURCES, SEED, revision
from demo.training import Trained, train
from tests.support.place import GIVING_WAY, Place
from tests.support.waiting import wait_until_ready

CASES = {
    "lead-scoring": ({}, "probability"),
    "customer-value": ({"scaling": {"minReplicas": 1}}, "expected_purchases"),
}


@pytest.mark.first
@pytest.mark.parametrize("model", CASES)
def test_trained_on_the_cluster_and_served(model: str, place: Place, images: Images) -> None:
    """The Job's artifact becomes a revision, the revision serves, and its answer is a plausible number."""
    name = f"{model}-v1"
    trained: Trained = train(
        place.target,
        use_case=model,
        revision=name,
        namespace=place.namespace,
        image=images.trainer,
        seed=SEED,
        cpu=GIVING_WAY,
    )
    place.target.apply(revision(name, model, place.namespace, trained))
    body = yaml.safe_load(Path(RESOURCES / f"{model}.yaml").read_text())
    body["metadata"]["namespace"] = place.namespace
    body["spec"] |= CASES[model][0]
    place.target.apply(body)
    wait_until_ready(place.target, model, place.namespace)
    url = place.url(model)
    ready = call(f"{url}/v2/models/{model}")
    assert ready["name"] == model
    document = call(f"{url}/openapi.json")
    example = next(s["examples"][0] for s in document["components"]["schemas"].values() if "examples" in s)
    answer = call(f"{url}/predict", {"inputs": example.get("inputs", example)})
    assert answer["revision"] == name
    assert 0.0 <= answer["outputs"][CASES[model][1]] < 1000.0
