"""/live and /ready, and the causes between them."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import structlog

import crawlsieve
from crawlsieve.telemetry.health import ALIVE_SECONDS, Health
from crawlsieve.telemetry.holds import HOLDS
from crawlsieve.telemetry.instruments import REGISTRY
from crawlsieve.telemetry.server import serve


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def gauge(cause: str) -> float | None:
    return REGISTRY.get_sample_value("crawlsieve_hold", {"cause": cause})


def ask(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_ready_while_the_loop_runs_and_nothing_holds_it() -> None:
    health = Health()
    assert not health.ready()
    health.heartbeat()
    assert health.ready()
    health.hold("disk", "the spool")
    health.hold("registry-away", "no answer")
    assert health.causes() == {"disk": "the spool", "registry-away": "no answer"}
    health.release("disk")
    assert not health.ready()
    health.release("registry-away")
    health.release("registry-away")
    assert health.ready()


def test_each_change_is_logged_once_with_what_can_be_done() -> None:
    health = Health()
    with structlog.testing.capture_logs() as lines:
        for detail in ("a", "a", "b"):
            health.hold("feed-stale", detail)
        health.release("feed-stale")
        health.release("feed-stale")
    assert [(line["event"], line.get("detail")) for line in lines] == [
        ("hold", "a"),
        ("hold", "b"),
        ("hold-over", None),
    ]
    assert lines[0]["advice"] == HOLDS["feed-stale"].advice
    assert lines[0]["doing"] == HOLDS["feed-stale"].doing


def test_the_metric_has_every_cause_from_the_start() -> None:
    health = Health()
    assert {gauge(cause) for cause in HOLDS} == {0.0}
    health.hold("gap", "x")
    assert gauge("gap") == 1.0
    health.release("gap")
    assert gauge("gap") == 0.0


def test_a_cause_that_is_not_in_the_table_is_a_defect() -> None:
    with pytest.raises(KeyError):
        Health().hold("mood", "x")


def test_live_asks_for_the_loop_only() -> None:
    clock = Clock()
    health = Health(clock)
    for cause in HOLDS:
        health.hold(cause, "x")
    assert health.live()
    clock.now += ALIVE_SECONDS - 1
    assert health.live()
    clock.now += 2
    assert not health.live()
    health.heartbeat()
    assert health.live()


def test_what_kubernetes_sees() -> None:
    clock = Clock()
    health = Health(clock)
    with serve("127.0.0.1:0", health) as server:
        assert ask(f"{server.url}/ready") == (503, {"ready": False, "causes": {}})
        health.heartbeat()
        assert ask(f"{server.url}/ready") == (200, {"ready": True, "causes": {}})
        health.hold("kafka-away", "no answer")
        assert ask(f"{server.url}/ready") == (503, {"ready": False, "causes": {"kafka-away": "no answer"}})
        assert ask(f"{server.url}/live") == (200, {"live": True})
        clock.now += ALIVE_SECONDS + 1
        assert ask(f"{server.url}/live") == (503, {"live": False})


def test_every_cause_of_the_table_is_one_that_the_code_names() -> None:
    package = Path(crawlsieve.__file__).parent
    code = "".join(path.read_text("utf-8") for path in package.rglob("*.py") if path.name != "holds.py")
    assert {cause for cause in HOLDS if f'"{cause}"' not in code} == set()
