"""Manifests with a reference profile, for the tests of counting."""

from __future__ import annotations

from collections.abc import Sequence

from bentos.front.schema import Schema
from marquee.contract.manifest import (
    CategoryField,
    CategoryProfile,
    InputField,
    Lineage,
    Manifest,
    NumberField,
    NumericProfile,
    OutputField,
    PythonRuntime,
    ReferenceProfile,
    ScoreProfile,
)

FIELDS: tuple[InputField, ...] = (
    NumberField(name="visits", nullable=True, maximum=1_000),
    CategoryField(name="city", categories=("rest", "Bonn", "Kiel", "Ulm"), other=0, nullable=True),
    CategoryField(name="channel", categories=("mail", "search")),
    NumberField(name="free"),
)
PROFILE = ReferenceProfile(
    rows=10,
    features={
        "visits": NumericProfile(edges=(0.0, 1.0, 2.0), counts=(0, 5, 5, 0)),
        "city": CategoryProfile(counts={"Ulm": 4, "Bonn": 5}, other=1),
        "channel": CategoryProfile(counts={"mail": 6, "search": 4}),
    },
    score=ScoreProfile(edges=(0.5,), counts=(5, 5), output="p"),
)


def manifest(
    inputs: Sequence[InputField] = FIELDS, profile: ReferenceProfile = PROFILE, outputs: Sequence[str] = ("q", "p")
) -> Manifest:
    """A manifest of a model that nobody loads."""
    return Manifest(
        model="fixture",
        use_case="a fixture",
        runtime=PythonRuntime(entrypoint="a:B"),
        inputs=tuple(inputs),
        outputs=tuple(OutputField(name=name) for name in outputs),
        example={field.name: 1 for field in inputs},
        files={},
        metrics={},
        lineage=Lineage(code_digest="sha256:" + "0" * 64, seed=1, data=(), libraries={}),
        profile=profile,
        created_at="2026-01-01T00:00:00Z",
    )


def schema(made: Manifest) -> Schema:
    """Its inputs, compiled."""
    return Schema(made.inputs, largest=1e300)
