"""The page of all fields."""

from __future__ import annotations

from pathlib import Path

from marquee.api.document import resources_document

PAGE = Path(__file__).resolve().parents[3] / "docs" / "resources.md"


def test_page_is_generated_from_the_types_as_they_are() -> None:
    """A changed type without `make generate` is found here."""
    assert PAGE.read_text(encoding="utf-8") == resources_document()


def test_every_field_of_a_spec_says_what_it_means() -> None:
    """No row of a spec has an empty meaning, but those that a Pod has under the same name."""
    rows = [line for line in resources_document().splitlines() if line.startswith("| `spec.")]
    empty = [row.split("`")[1] for row in rows if row.rstrip().endswith("|  |")]
    assert all(name.startswith("spec.serving.tolerations[].") for name in empty), empty
