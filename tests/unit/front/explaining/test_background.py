"""Usual rows out of a reference profile."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bentos.front.explaining.background import background_rows
from marquee.contract.manifest import (
    CategoryField,
    CategoryProfile,
    FeatureProfile,
    InputField,
    Lineage,
    Manifest,
    NumberField,
    NumericProfile,
    OnnxRuntime,
    OutputField,
    ReferenceProfile,
)


def background(field: InputField, profile: FeatureProfile | None, *, missing: bool = True) -> NDArray[np.float64]:
    """The column of one input whose example is 7."""
    manifest = Manifest.model_construct(
        model="fixture",
        use_case="a fixture",
        example={field.name: 7.0},
        files={},
        metrics={},
        created_at="2025-01-01T00:00:00Z",
        inputs=(field,),
        outputs=(OutputField(name="score"),),
        runtime=OnnxRuntime(outputs={"score": ("scores", 0)}),
        lineage=Lineage(code_digest="sha256:" + "0" * 64, seed=1, data=(), libraries={}),
        profile=ReferenceProfile(rows=0, features={} if profile is None else {field.name: profile}),
    )
    return background_rows(manifest, np.array([[7.0]]), missing=missing)[:, 0]


def test_numbers_are_the_middles_of_bins_as_often_as_they_were_counted() -> None:
    """The outer bins, which are open, are taken at their edges."""
    found = background(NumberField(name="x"), NumericProfile(edges=(0.0, 10.0, 20.0), counts=(16, 32, 0, 16)))
    values, counts = np.unique(found, return_counts=True)
    assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == {0.0: 16, 5.0: 32, 20.0: 16}


def test_what_the_schema_refuses_is_not_made_up() -> None:
    """Whole numbers stay whole, and bounds hold."""
    field = NumberField(name="x", kind="integer", minimum=1, maximum=4)
    found = background(field, NumericProfile(edges=(0.0, 5.0, 9.0), counts=(1, 1, 1, 1)))
    assert set(found.tolist()) == {1.0, 2.0, 4.0}


def test_categories_are_indexes_and_the_rest_is_one_that_is_not_listed() -> None:
    """What stands for unlisted texts, where the input has it."""
    field = CategoryField(name="x", categories=("mail", "search", "social"))
    found = background(field, CategoryProfile(counts={"search": 48}, other=16))
    assert np.unique(found, return_counts=True)[1].tolist() == [16, 48]
    assert set(found.tolist()) == {0.0, 1.0}
    other = CategoryField(name="x", categories=("mail", "rest"), other=1)
    assert set(background(other, CategoryProfile(counts={"mail": 1}, other=1)).tolist()) == {0.0, 1.0}


def test_missing_values_are_drawn_where_the_model_takes_them() -> None:
    """A quarter was missing; models that are differentiated get none."""
    profile = NumericProfile(edges=(0.0, 1.0), counts=(0, 48, 0), missing=16)
    assert np.isnan(background(NumberField(name="x", nullable=True), profile)).sum() == 16
    assert not np.isnan(background(NumberField(name="x"), profile)).any()
    assert not np.isnan(background(NumberField(name="x", nullable=True), profile, missing=False)).any()


def test_without_counts_the_example_is_usual() -> None:
    """No profile, and one that has counted nothing."""
    empty = NumericProfile(edges=(0.0,), counts=(0, 0))
    nothing: tuple[FeatureProfile | None, ...] = (None, empty)
    assert all((background(NumberField(name="x"), profile) == 7.0).all() for profile in nothing)


def test_the_same_profile_gives_the_same_rows() -> None:
    """In every pod, and in no order of the values."""
    profile = NumericProfile(edges=tuple(map(float, range(20))), counts=(5,) * 21)
    first, second = (background(NumberField(name="x"), profile) for _ in range(2))
    assert (first == second).all()
    assert (np.diff(first) < 0).any()
