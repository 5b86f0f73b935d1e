"""What a predictor's page says of its load."""

from __future__ import annotations

import pytest

from bentos.front.metrics import Endpoint, Metrics, MetricsPage
from marquee.control.demand.sampling import Rates, Sample, rates_of, read_sample, total


def test_the_predictors_own_page_is_read() -> None:
    """Users' requests count, whichever way they came and ended; probes and health do not."""
    metrics = Metrics()
    users: tuple[Endpoint, ...] = ("predict", "infer", "service")
    others: tuple[Endpoint, ...] = ("probe", "health", "metadata", "unknown")
    for endpoint in users:
        metrics.observe(endpoint, 200, 250_000_000)
    metrics.observe("predict", 503, 250_000_000)
    for endpoint in others:
        metrics.observe(endpoint, 200, 10**9)
    page = MetricsPage(metrics, model="churn", revision="churn-1", namespace="crm").render().decode()
    assert read_sample(page, 7.0) == Sample(7.0, 4.0, 1.0)


def test_a_pod_without_a_request_is_idle() -> None:
    """The page of a new pod holds zeros, and no duration at all."""
    page = MetricsPage(Metrics(), model="churn", revision="churn-1", namespace="crm").render().decode()
    assert read_sample(page, 0.0) == Sample(0.0, 0.0, 0.0)


@pytest.mark.parametrize("page", ["", "go_goroutines 7\n", "<html>"])
def test_another_page_is_refused(page: str) -> None:
    """Somebody else's page says nothing, least of all that there is no load."""
    with pytest.raises(ValueError, match="marquee_predictor_requests_total"):
        read_sample(page, 0.0)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([Sample(0, 0, 0)], None),
        ([Sample(10, 100, 5), Sample(20, 150, 25)], Rates(5.0, 2.0)),
        ([Sample(10, 100, 5), Sample(15, 999, 9), Sample(20, 1100, 15)], Rates(100.0, 1.0)),
        ([Sample(10, 100, 5), Sample(20, 4, 1)], None),
        ([Sample(10, 100, 5), Sample(10, 101, 6)], None),
    ],
    ids=["one look", "two looks", "the first and the last of three", "started again", "no time between"],
)
def test_a_rate_is_the_difference_of_two_looks(samples: list[Sample], expected: Rates | None) -> None:
    """Requests and seconds of work per second; nothing is made of less than two."""
    assert rates_of(samples) == expected


def test_pods_that_were_not_heard_count_like_the_others() -> None:
    """One of three is new: the load of two is taken for two thirds."""
    assert total([Rates(10.0, 1.0), Rates(20.0, 3.0)], 3) == Rates(45.0, 6.0)
