"""The prediction cache: bounds first, then what is one input, what a request may ask of it, and its metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from bentos.front.cache_page import CachePage, cache_of
from bentos.front.caching import ANY, Directives, PredictionCache, directives_of
from bentos.front.metrics import Metrics, MetricsPage
from bentos.front.predictor import load_predictor
from bentos.front.settings import Settings

SECOND = 10**9
LABELS = {"model": "fixture", "revision": "fixture-1", "namespace": "ns"}


class Clock:
    """Shows whatever it is set to."""

    def __init__(self) -> None:
        self.now = 7

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> PredictionCache:
    return PredictionCache(ttl_seconds=10, max_entries=3, clock=clock)


def key(cache: PredictionCache, *numbers: float, scope: bytes = b"") -> bytes:
    return cache.key(np.array([numbers]), scope)


def test_it_never_holds_more_than_it_may(cache: PredictionCache) -> None:
    """10,000 inputs leave the newest three; each of the others was evicted, and counted."""
    for number in range(10_000):
        cache.put(key(cache, number), (float(number),))
    assert len(cache) == 3
    assert cache.evictions == 9_997
    assert cache.get(key(cache, 9_999)) == (9_999.0,)
    assert cache.get(key(cache, 0)) is None


def test_what_is_used_stays(cache: PredictionCache) -> None:
    """The entry that was not used for longest goes, not the oldest one."""
    for number in (1, 2, 3):
        cache.put(key(cache, number), (float(number),))
    assert cache.get(key(cache, 1)) == (1.0,)
    cache.put(key(cache, 4), (4.0,))
    assert [cache.get(key(cache, number)) for number in (1, 2, 3, 4)] == [(1.0,), None, (3.0,), (4.0,)]


@pytest.mark.parametrize(("age", "found"), [(10 * SECOND - 1, (1.0,)), (10 * SECOND, None), (100 * SECOND, None)])
def test_an_answer_lives_as_long_as_it_may(
    cache: PredictionCache, clock: Clock, age: int, found: tuple[float, ...] | None
) -> None:
    """Being used does not make it younger; one that is too old is removed."""
    cache.put(key(cache, 1), (1.0,))
    clock.now += 5 * SECOND
    assert cache.get(key(cache, 1)) == (1.0,)
    clock.now += age - 5 * SECOND
    assert cache.get(key(cache, 1)) == found
    assert (len(cache), cache.expirations) == ((1, 0) if found else (0, 1))


def test_a_new_answer_replaces_the_old_one_and_is_young_again(cache: PredictionCache, clock: Clock) -> None:
    """As after `no-cache`."""
    cache.put(key(cache, 1), (1.0,))
    clock.now += 9 * SECOND
    cache.put(key(cache, 1), (2.0,))
    clock.now += 9 * SECOND
    assert cache.get(key(cache, 1)) == (2.0,)
    assert len(cache) == 1


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=2, max_size=2), st.binary(max_size=40))
def test_inputs_and_scopes_never_meet(numbers: list[float], scope: bytes) -> None:
    """One number, one missing value or one scope more is another key, and the same again is the same."""
    cache = PredictionCache(ttl_seconds=1, max_entries=1)
    first = key(cache, *numbers, scope=scope)
    assert first == key(cache, *numbers, scope=scope)
    assert first != key(cache, *numbers, scope=scope + b"/")
    assert first != key(cache, numbers[0], numbers[1] + 1 if abs(numbers[1]) < 1e6 else 0.5, scope=scope)
    assert first != key(cache, float("nan"), numbers[1], scope=scope)


def test_a_key_holds_no_input_and_fits_no_other_process() -> None:
    """It is a digest under a secret: nobody finds two inputs with one key ahead of time."""
    one, other = (PredictionCache(ttl_seconds=1, max_entries=1) for _ in range(2))
    assert len(key(one, *range(100))) == 16
    assert key(one, 1) != key(other, 1)


@pytest.mark.parametrize(
    ("header", "directives"),
    [
        (b"", ANY),
        (b"no-cache", Directives(look_up=False)),
        (b"No-Cache, no-store", Directives(look_up=False, store=False)),
        (b"no-store", Directives(store=False)),
        (b"max-age=0", Directives(max_age=0)),
        (b"foo=bar, max-age=5", Directives(max_age=5 * SECOND)),
        (b'max-age="5"', Directives(max_age=5 * SECOND)),
        (b"max-age=, max-age=-1", ANY),
        (b"max-age=99999999999999999999", ANY),
        (b"only-if-cached, min-fresh=3, \xff", ANY),
    ],
)
def test_request_directives(header: bytes, directives: Directives) -> None:
    """Those of RFC 9111 that say something to a cache of predictions; malformed and other ones are ignored."""
    assert directives_of(header) == directives


def test_an_answer_that_is_older_than_the_request_wants_is_passed_over(cache: PredictionCache, clock: Clock) -> None:
    """It stays for others."""
    cache.put(key(cache, 1), (1.0,))
    clock.now += 3 * SECOND
    assert cache.get(key(cache, 1), Directives(max_age=3 * SECOND)) is None
    assert cache.get(key(cache, 1), Directives(look_up=False)) is None
    assert cache.get(key(cache, 1), Directives(max_age=4 * SECOND)) == (1.0,)
    assert (cache.hits, cache.misses, cache.bypasses) == (1, 0, 2)


def test_the_page_shows_hits_misses_and_entries(cache: PredictionCache) -> None:
    """With the model's labels."""
    page = MetricsPage(Metrics(), **LABELS)
    page.add(CachePage(cache, page.labels))
    for number in (1, 2, 1, 3, 4, 5):
        if cache.get(key(cache, number)) is None:
            cache.put(key(cache, number), (1.0,))
    cache.get(key(cache, 1), Directives(look_up=False))
    shown = {
        (
            sample.name.removeprefix("marquee_predictor_cache_"),
            *(sample.labels[name] for name in sample.labels.keys() - LABELS),
        ): sample.value
        for family in text_string_to_metric_families(page.render().decode())
        for sample in family.samples
        if sample.name.startswith("marquee_predictor_cache_") and sample.labels.items() >= LABELS.items()
    }
    assert shown == {
        ("requests_total", "hit"): 1,
        ("requests_total", "miss"): 5,
        ("requests_total", "bypass"): 1,
        ("removed_total", "full"): 2,
        ("removed_total", "expired"): 0,
        ("entries",): 3,
    }


def test_no_cache_unless_it_was_asked_for(settings: Callable[..., Settings]) -> None:
    """By default the model is asked each time."""
    assert cache_of(settings(), load_predictor(settings())) is None


def test_a_model_that_throws_dice_is_not_cached(
    settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    """It serves without a cache, and its log says so."""
    asked = settings(settings={"prediction_cache_ttl_seconds": 60, "prediction_cache_max_entries": 5})
    predictor = load_predictor(asked)
    cache: Any = cache_of(asked, predictor)
    assert len(cache) == 0
    predictor.steady = False
    assert cache_of(asked, predictor) is None
    assert "not cached" in caplog.text
