"""Reference profiles in a manifest: bins that nothing could be counted over are refused with their place."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from marquee.contract.manifest import Manifest, NumericProfile, ScoreProfile

MANIFEST: dict[str, Any] = {
    "model": "lead",
    "useCase": "lead-scoring",
    "runtime": {"flavour": "python", "entrypoint": "a:B"},
    "inputs": [
        {"name": "visits", "kind": "integer"},
        {"name": "city", "kind": "category", "categories": ["Bonn", "Ulm"]},
    ],
    "outputs": [{"name": "probability"}],
    "example": {"visits": 1, "city": "Ulm"},
    "files": {},
    "metrics": {},
    "lineage": {"codeDigest": "sha256:" + "0" * 64, "seed": 1, "data": [], "libraries": {}},
    "createdAt": "2026-01-01T00:00:00Z",
}
VISITS = {"kind": "number", "edges": [0, 1], "counts": [0, 9, 1]}


def manifest(score: dict[str, Any] | None = None, **features: Any) -> Manifest:
    """A manifest with this profile."""
    return Manifest.model_validate(MANIFEST | {"profile": {"rows": 10, "features": features, "score": score}})


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"edges": [1, 0], "counts": [0, 0, 0]}, "strictly increasing"),
        ({"edges": [1, 1], "counts": [0, 0, 0]}, "strictly increasing"),
        ({"edges": [0, float("inf")], "counts": [0, 0, 0]}, "finite"),
        ({"edges": [float("nan")], "counts": [0, 0]}, "finite"),
        ({"edges": [0, 1], "counts": [0, 0]}, "2 edges need 3 counts, not 2"),
        ({"edges": [0], "counts": [0, -1]}, "greater than or equal to 0"),
        ({"edges": [], "counts": [0]}, "at least 1 item"),
        ({"edges": list(range(65)), "counts": [0] * 66}, "at most 64 items"),
    ],
)
def test_bins_that_cannot_be_counted_over_are_refused(profile: dict[str, Any], words: str) -> None:
    """Unsorted, doubled, infinite, missing, too many."""
    with pytest.raises(ValidationError, match=words):
        manifest(visits={"kind": "number"} | profile)


@pytest.mark.parametrize(
    ("features", "score", "words"),
    [
        ({"age": VISITS}, None, "profile.features: 'age' is none of the inputs"),
        ({"city": VISITS}, None, "profile.features.city: kind 'number' does not fit the input's, 'category'"),
        ({"visits": {"kind": "category", "counts": {}}}, None, "profile.features.visits: kind 'category' does not fit"),
        ({"city": {"kind": "category", "counts": {"Kiel": 1}}}, None, "'Kiel' is none of the input's categories"),
        ({}, {"edges": [0], "counts": [0, 0], "output": "spend"}, "profile.score.output: 'spend' is none of"),
        ({}, {"edges": [0], "counts": [0, 0], "means": [0.5]}, "2 bins need as many means, not 1"),
        ({}, {"edges": [0], "counts": [0, 0], "means": [0.5, 0.4]}, "means must be finite numbers that rise"),
    ],
)
def test_a_profile_must_fit_its_model(features: dict[str, Any], score: dict[str, Any] | None, words: str) -> None:
    """A feature that is no input, a wrong kind, an unknown category or output."""
    with pytest.raises(ValidationError, match=words):
        manifest(score, **features)


def test_a_manifest_from_before_score_bins_is_read() -> None:
    """Its score has the bins of a feature, and names no output and no means."""
    found = manifest(VISITS, visits=VISITS)
    assert isinstance(found.profile.features["visits"], NumericProfile)
    assert found.profile.score == ScoreProfile(edges=(0, 1), counts=(0, 9, 1))
    assert found.profile.counts_anything
    assert not manifest().profile.counts_anything
