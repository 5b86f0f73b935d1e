"""The files in `crds/samples`: what a real API server accepts and what it refuses, and in which words.

A file of `invalid/` opens with ``# expect: PART ... PART``: the server's message holds these parts in this order.
A file of two documents is an object and its update.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[3] / "crds" / "samples"
_EXPECT: Final = "# expect: "


@dataclass(frozen=True)
class Sample:
    """One file, as text: some of it is no YAML on purpose."""

    name: str
    documents: tuple[str, ...]
    expect: str = ""

    def parsed(self) -> dict[str, Any]:
        """The last document: the object, or its update."""
        body: dict[str, Any] = yaml.load(self.documents[-1], Loader=yaml.CSafeLoader)
        return body

    def is_expected(self, message: str) -> bool:
        """Whether a refusal says what the sample's first line promises."""
        parts = (re.escape(part.strip()) for part in self.expect.split("..."))
        return re.search(".*?".join(parts), message, re.DOTALL) is not None


def kind_of(name: str) -> str:
    """The kind of a sample, by its file's name."""
    kinds = {
        "modelrevision": "ModelRevision",
        "modelapproval": "ModelApproval",
        "promotionfreeze": "PromotionFreeze",
    }
    return kinds.get(name.partition("-")[0], "MarketingModel")


def valid() -> list[Sample]:
    """What the API server accepts."""
    return [_read(path) for path in sorted((ROOT / "valid").glob("*.yaml"))]


def invalid() -> list[Sample]:
    """What the API server refuses."""
    return [_read(path) for path in sorted((ROOT / "invalid").glob("*.yaml"))]


def _read(path: Path) -> Sample:
    text = path.read_text(encoding="utf-8")
    expect = ""
    if text.startswith(_EXPECT):
        first, text = text.split("\n", 1)
        expect = first.removeprefix(_EXPECT)
    return Sample(path.stem, tuple(re.split(r"^---\n", text, flags=re.MULTILINE)), expect)
