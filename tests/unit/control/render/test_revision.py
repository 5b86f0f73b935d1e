"""The ModelRevision of a candidate: the groups that its run has told."""

from __future__ import annotations

from marquee.api.model_revision import ModelRevision
from marquee.api.retraining import Gate
from marquee.contract.retraining import RetrainingResult
from marquee.control.render.retraining import RunOrder
from marquee.control.render.revision import candidate
from tests.unit.control.builders import MODEL, a_model, digest_of

GATE = Gate.model_validate({"metrics": [{"name": "auc", "direction": "HigherIsBetter"}]})


def test_groups_are_told_with_the_candidates_figures() -> None:
    """Not the champion's, not of a group so small that a figure is about somebody, and not what is no group's name."""
    scores = {"auc": 0.8, "brier": 0.1}
    slices = [
        {"name": name, "rows": rows, "challenger": scores, "champion": {"auc": 0.7}}
        for name, rows in (("region=north", 900), ("region=isle", 9), ("everybody", 909))
    ]
    result = RetrainingResult.model_validate(
        {
            "model": MODEL,
            "useCase": "churn",
            "metrics": scores,
            "uri": "s3://models/churn/run",
            "digest": digest_of("run"),
            "codeDigest": digest_of("code"),
            "seed": 7,
            "dataDigest": digest_of("data"),
            "comparison": {"rows": 909, "challenger": scores, "slices": slices},
        }
    )
    order = RunOrder(run=f"{MODEL}-0123456789ab", trigger="Drift", asked="x", why="y", seed=7, uri="s3://models")
    body = candidate(a_model(revision={"name": "churn-1"}), GATE, order, result, "operator")
    (told,) = ModelRevision.model_validate(body).spec.slices
    assert (told.name, told.rows) == ("region=north", 900)
    assert [(one.name, one.value) for one in told.metrics] == [("auc", 0.8), ("brier", 0.1)]
