"""What the metrics page says of reports."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from bentos.front.metrics import Metrics, MetricsPage
from bentos.front.reporting.page import ReportPage
from bentos.front.reporting.reporter import Reporter
from bentos.front.reporting.sending import Ledger
from bentos.front.reporting.spooling import MemoryStore
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from tests.unit.front.reporting.builders import FAST, MODEL, OK, caller

PREFIX = "marquee_predictor_report_"


def samples(reporter: Reporter) -> dict[tuple[str, ...], float]:
    page = MetricsPage(Metrics(), model="fixture", revision="fixture-1", namespace="ns")
    page.add(ReportPage(reporter, page.labels))
    found = {}
    for family in text_string_to_metric_families(page.render().decode()):
        for sample in family.samples:
            if sample.name.startswith(PREFIX):
                labels = {**sample.labels}
                assert [labels.pop(name) for name in page.labels] == list(page.labels.values())
                found[sample.name.removeprefix(PREFIX), *labels.values()] = sample.value
    return found


def test_every_fate_of_a_report_is_on_the_page() -> None:
    """Buffered, spooled, sent, dropped by reason, retried, torn, and the last success."""
    statistics = Statistics()
    reporter = Reporter(MODEL, Ledger("http://127.0.0.1:1", None), MemoryStore(100, statistics), statistics)
    reporter.counting.observe(caller(), OK, FAST)
    statistics.fresh_units = 2
    statistics.sent[Kind.EXPOSURES], statistics.sent[Kind.COUNTS] = 11, 12
    statistics.spooled[Kind.EXPOSURES] = 13
    statistics.drop(Kind.COUNTS, Reason.SPOOL_FULL, 14)
    statistics.retries, statistics.torn_files, statistics.last_success_seconds = 15, 16, 17.5
    statistics.spool_bytes, statistics.spool_batches = 18, 19
    found = samples(reporter)
    assert found["buffered",] == 3
    assert (found["sent_total", "exposures"], found["sent_total", "counts"]) == (11, 12)
    assert (found["spooled_total", "exposures"], found["spooled_total", "counts"]) == (13, 0)
    assert found["dropped_total", "counts", "spool-full"] == 14
    assert (found["retries_total",], found["torn_files_total",]) == (15, 16)
    assert found["last_success_timestamp_seconds",] == 17.5
    assert (found["spool_bytes",], found["spool_batches",]) == (18, 19)


def test_every_reason_has_a_sample_from_the_start() -> None:
    """An alert on a rate needs the zero before the first drop."""
    statistics = Statistics()
    reporter = Reporter(MODEL, Ledger("http://127.0.0.1:1", None), MemoryStore(100, statistics), statistics)
    dropped = {labels[1:]: value for labels, value in samples(reporter).items() if labels[0] == "dropped_total"}
    assert dropped == {(str(kind), str(reason)): 0 for kind in Kind for reason in Reason}
