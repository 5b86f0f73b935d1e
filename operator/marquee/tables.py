"""Predicates of decision tables: each carries the words that the documentation uses for it.

A table is a tuple of rows with a `Fact` each; the first row whose fact holds decides. Pure; imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """A predicate over what a table looks at, with its words."""

    words: str
    holds: Callable[[T], bool]

    def __and__(self, other: Fact[T]) -> Fact[T]:
        return Fact(f"{self.words}, and {other.words}", lambda facts: self.holds(facts) and other.holds(facts))

    def __or__(self, other: Fact[T]) -> Fact[T]:
        return Fact(f"({self.words}, or {other.words})", lambda facts: self.holds(facts) or other.holds(facts))

    def __invert__(self) -> Fact[T]:
        return Fact(f"not {self.words}", lambda facts: not self.holds(facts))
