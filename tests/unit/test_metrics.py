"""Metrics: their names, their series, their page, and how they are served."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from crawlsieve.errors import OperatorError
from crawlsieve.telemetry import metrics, reference
from crawlsieve.telemetry.health import Health
from crawlsieve.telemetry.instruments import DECLARED, Spec
from crawlsieve.telemetry.server import Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    with serve("127.0.0.1:0", Health()) as running:
        yield running


def get(url: str, accept: str = "") -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers["Content-Type"], refused.read().decode()


@pytest.mark.parametrize("spec", DECLARED, ids=lambda spec: spec.name)
def test_names_follow_the_rules_of_prometheus(spec: Spec) -> None:
    """https://prometheus.io/docs/practices/naming/."""
    assert re.fullmatch(r"crawlsieve_[a-z0-9_]+", spec.name)
    assert spec.name.endswith("_total") == (spec.kind == "counter")
    assert not re.search(r"_(count|sum|bucket)$|_(ms|millis|milliseconds|minutes|hours|kb|mb|percent)(_|$)", spec.name)
    if spec.unit in ("seconds", "bytes", "ratio"):
        assert spec.name.endswith(f"_{spec.unit}")
    assert all(re.fullmatch(r"[a-z][a-z_]*", label) and label not in ("le", "quantile") for label in spec.labels)
    assert set(spec.labels).isdisjoint({"url", "value", "tag", "entry", "id"})
    assert spec.meaning.endswith(".")
    assert spec.action.endswith(".")
    assert list(spec.buckets) == sorted(set(spec.buckets))


def test_series_count_and_end(server: Server) -> None:
    metrics.EVENTS.inc(5, verdict="clean")
    metrics.EVENTS.inc(verdict="clean")
    metrics.LAG.set(3, topic="t", partition="0")
    metrics.BATCH_SECONDS.observe(0.03)
    text = get(f"{server.url}/metrics")[2]
    assert re.search(r'^crawlsieve_events_total\{verdict="clean"\} [6-9]', text, re.M)
    assert 'crawlsieve_lag_events{partition="0",topic="t"} 3.0' in text
    assert "crawlsieve_batch_seconds_count" in text
    metrics.LAG.remove(topic="t", partition="0")
    metrics.LAG.remove(topic="t", partition="0")
    assert "crawlsieve_lag_events{" not in get(f"{server.url}/metrics")[2]
    metrics.LAG.set(4, topic="t", partition="0")
    assert 'crawlsieve_lag_events{partition="0",topic="t"} 4.0' in get(f"{server.url}/metrics")[2]
    metrics.LAG.remove(topic="t", partition="0")


@pytest.mark.parametrize("labels", [{}, {"verdikt": "clean"}, {"verdict": "clean", "feed": "x"}])
def test_labels_that_a_metric_has_not(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="crawlsieve_events_total"):
        metrics.EVENTS.inc(1, **labels)


def test_both_formats_can_be_parsed(server: Server) -> None:
    status, kind, text = get(f"{server.url}/metrics", "application/openmetrics-text; version=1.0.0")
    assert (status, kind.split(";")[0]) == (200, "application/openmetrics-text")
    families = {family.name for family in open_metrics(text)}
    assert {spec.name.removesuffix("_total") for spec in DECLARED} <= families
    status, kind, text = get(f"{server.url}/metrics", "text/plain")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert {"process_resident_memory_bytes", "crawlsieve_hold"} <= {family.name for family in prometheus_text(text)}


def test_the_page_is_fresh() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert page.read_text("utf-8") == reference.page(), "run: make docs"


def test_other_paths_are_not_there(server: Server) -> None:
    assert get(f"{server.url}/")[0] == 404


def test_an_address_that_is_taken(server: Server) -> None:
    with pytest.raises(OperatorError, match=r"can't listen on .*Address already in use"):
        serve(server.url.removeprefix("http://"), Health())
