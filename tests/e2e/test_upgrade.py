"""The chart upgraded, removed and installed again, without touching what serves."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from demo.images import Images
from demo.story import SYSTEM, install
from localcluster.stages import Stages
from tests.support.place import Place


@pytest.mark.alone
def test_upgraded_removed_and_installed_again_it_restarts_no_model_pod(
    serving: Place, images: Images, chart: dict[str, Any]
) -> None:
    """An upgrade that brings other defaults for predictors leaves deployed revisions on theirs; without the chart the
    CRDs, the models and their pods stay; and installed again it goes on with them."""
    before, target = serving.pods(), serving.target
    image = {"repository": "localhost/marquee/another", "tag": "2", "pullPolicy": "Always"}
    another = {"predictor": {"image": image, "imagePullSecrets": ["another"]}}
    install(target, images, Stages(), **chart, **another)
    try:
        _look_again(serving)
        assert serving.pods() == before
        target.helm("uninstall", "marquee", "--namespace", SYSTEM, "--wait")
        assert target.get("marketingmodel", "lead", serving.namespace) is not None
        assert serving.pods() == before
    finally:
        install(target, images, Stages(), **chart)
    _look_again(serving)
    assert serving.pods() == before
    events = json.loads(target.kubectl("get", "events", "-n", serving.namespace, "-o", "json"))["items"]
    assert [e for e in events if e.get("type") == "Warning" and e["involvedObject"]["kind"] == "MarketingModel"] == []


def _look_again(place: Place) -> None:
    """Have the operator look at the model, which serves as it did."""
    place.target.kubectl("annotate", "mm", "lead", "-n", place.namespace, f"look={time.time():.0f}", "--overwrite")
    place.wait_for_reason("lead", "Serving")
