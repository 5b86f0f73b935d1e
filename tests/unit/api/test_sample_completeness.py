"""No rule of the CRDs without an object that it accepts and one that it refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.crds import samples
from tests.support.crds.generated import crds
from tests.support.crds.rules import VALUE, Rule, location, rules_of
from tests.support.crds.samples import Sample
from tests.support.crds.variants import is_derived, variants

RULES = [rule for crd in crds().values() for rule in rules_of(crd)]
DERIVED = [rule for rule in RULES if is_derived(rule)]
WRITTEN = [rule for rule in RULES if not is_derived(rule)]
VALID = {sample.name: sample for sample in samples.valid()}
INVALID = {sample.name: sample for sample in samples.invalid()}
ACCEPTED = {name: sample.parsed() for name, sample in VALID.items()}


def _covers(sample: Sample, rule: Rule) -> bool:
    """Whether the refusal that an invalid sample expects is this rule's."""
    kind = samples.kind_of(sample.name)
    where, separator, words = sample.expect.partition(": ... ")
    if rule.kind != kind or not separator:
        return False
    if rule.keyword == "pattern":
        return _is_at(where, location(rule.path)) and words == f"should match '{rule.value}'"
    blamed = location(rule.path) + rule.value.get("fieldPath", "")
    return _is_at(where, blamed) and rule.value["message"].startswith(words)


def _is_at(where: str, blamed: str) -> bool:
    return re.fullmatch(re.escape(blamed).replace(re.escape(VALUE), r"[^:]+"), where) is not None


@pytest.mark.parametrize("rule", WRITTEN, ids=str)
def test_a_rule_of_its_own_has_a_pair_of_files(rule: Rule) -> None:
    """Each CEL rule and pattern has an invalid sample that expects its words, and a valid one of the same name."""
    covering = [name for name, sample in INVALID.items() if _covers(sample, rule)]
    assert covering, f"{rule}: add crds/samples/valid and invalid with '# expect: {location(rule.path)}: ... words'"
    assert set(covering) <= set(VALID), f"{rule}: the accepted twin of {covering} is missing in crds/samples/valid"


@pytest.mark.parametrize("rule", WRITTEN, ids=str)
def test_the_accepted_twin_puts_the_rule_to_work(rule: Rule) -> None:
    """The valid sample has the value that the rule looks at: a rule on an absent field would accept anything."""
    twins = [ACCEPTED[name] for name, sample in INVALID.items() if _covers(sample, rule)]
    assert all(_has(twin, rule.path) for twin in twins)


def _has(value: Any, path: tuple[str, ...]) -> bool:
    if not path:
        return True
    head, rest = path[0], path[1:]
    if head == VALUE:
        return any(_has(child, rest) for child in value.values())
    if head == "[]":
        return any(_has(child, rest) for child in value)
    return head in value and _has(value[head], rest)


@pytest.mark.parametrize("rule", DERIVED, ids=str)
def test_a_bound_has_a_pair_made_from_a_valid_sample(rule: Rule) -> None:
    """Each bound, enum and required field occurs in a valid sample, and its two sides differ."""
    both = variants(rule, ACCEPTED.values())
    assert both.accepted
    assert both.refused not in both.accepted


def test_every_invalid_sample_says_what_it_expects() -> None:
    """An invalid sample without words would pass on any refusal, whatever its reason."""
    assert [name for name, sample in INVALID.items() if len(sample.expect) < len("yaml: line")] == []


def test_every_file_is_named_after_its_kind() -> None:
    """The kind at the front of a file's name is the kind within."""
    kinds = {name: body["kind"].lower() for name, body in ACCEPTED.items()}
    assert [name for name, kind in kinds.items() if not name.startswith(f"{kind}-")] == []


def test_a_rule_without_samples_is_noticed() -> None:
    """A rule that nobody wrote samples for is covered by none: the checks above can fail."""
    unknown = Rule("MarketingModel", ("spec",), "cel", {"rule": "true", "message": "a rule of tomorrow"})
    assert not any(_covers(sample, unknown) for sample in INVALID.values())
    field = Rule("MarketingModel", ("spec", "tomorrow"), "maximum", 3)
    with pytest.raises(LookupError, match=r"no file in crds/samples/valid has MarketingModel spec\.tomorrow"):
        variants(field, ACCEPTED.values())


def test_an_unknown_keyword_of_a_schema_is_noticed() -> None:
    """A keyword that the walk does not know is an error, since it might be a rule."""
    crd = {
        "spec": {
            "names": {"kind": "Thing"},
            "versions": [{"schema": {"openAPIV3Schema": {"properties": {"size": {"multipleOf": 2}}}}}],
        }
    }
    with pytest.raises(ValueError, match=r"teach tests/support/crds/rules\.py the keyword 'multipleOf'"):
        rules_of(crd)
