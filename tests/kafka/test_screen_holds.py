"""When `crawlsieve screen` must not go on: it says why, judges nothing, and goes on once the cause is gone."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crawlsieve.kafka import wire
from tests.kafka.broker import Broker, free_port
from tests.kafka.crawl import Event, datum, publish, schemas_in
from tests.kafka.fixtures import MadeConfig, Process
from tests.kafka.test_screen import done
from tests.waiting import wait_for

Start = Callable[..., Process]
Make = Callable[..., MadeConfig]


@pytest.fixture
def filled(make_config: Make, process: Start, tmp_path: Path) -> Callable[..., MadeConfig]:
    """A configuration with one URL feed in force; `feed` goes over that feed's settings."""

    def fill(feed: dict[str, object] | None = None, **sections: dict[str, object]) -> MadeConfig:
        (tmp_path / "urls.txt").write_text("http://listed.example/page\n")
        urls = {"kind": "list", "source": str(tmp_path / "urls.txt"), "format": "text", **(feed or {})}
        config = make_config(events={"schemas_dir": schemas_in(tmp_path / "schemas")}, feeds={"urls": urls}, **sections)
        refresh = process("refresh", config, "--once")
        assert refresh.wait() == 0, refresh.stderr
        return config

    return fill


def fine(count: int) -> list[Event]:
    return [Event(datum(number, f"http://fine.example/{number}")) for number in range(count)]


def test_before_any_feed_is_known_nothing_is_judged(make_config: Make, process: Start, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("http://listed.example/page\n")
    feed = {"kind": "list", "source": str(tmp_path / "urls.txt"), "format": "text"}
    config = make_config(events={"schemas_dir": schemas_in(tmp_path / "schemas")}, feeds={"urls": feed})
    publish(config, [*fine(5), Event(datum(9, "http://listed.example/page"))])
    screen = process("screen", config)
    wait_for(lambda: screen.holds().keys() & {"no-feed", "denylist-loading"}, 30, lambda: screen.stderr)
    assert config.read(config.receipts) == []
    assert screen.get("/live")[0] == 200
    assert process("refresh", config, "--once").wait() == 0
    wait_for(done(config, 6), 60, lambda: screen.stderr[-3000:])
    assert len(config.read(config.clean)) == 5
    screen.wait_ready()


def test_too_many_dead_letters_hold_until_the_cause_is_gone(filled: Callable[..., MadeConfig], process: Start) -> None:
    config = filled(screen={"max_batch": 1000})
    publish(config, [*fine(3000), *(Event(b"no event", "not-wire-format") for _ in range(7000))])
    screen = process("screen", config)
    wait_for(lambda: "too-many-dead" in screen.holds(), 60, lambda: screen.stderr[-3000:])
    dead = len(config.read(config.dead_letter))
    assert dead <= 5000
    screen.terminate(10)
    lenient = process("screen", config.with_(screen={"max_dead_share": 1.0}))
    wait_for(done(config, 10_000), 60, lambda: lenient.stderr[-3000:])
    assert len(config.read(config.dead_letter)) == 7000
    assert len(config.read(config.clean)) == 3000


def test_a_required_feed_that_is_too_old_holds_and_an_operator_may_accept_it(
    filled: Callable[..., MadeConfig], process: Start
) -> None:
    config = filled(feed={"required": True, "max_age": "1s"})
    publish(config, fine(10))
    time.sleep(1.1)  # the feed's age, not patience
    screen = process("screen", config)
    wait_for(lambda: "feed-stale" in screen.holds(), 60, lambda: screen.stderr[-3000:])
    screen.terminate(10)
    assert config.read(config.receipts) == []
    until = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    accepting = process("screen", config.with_(screen={"accept_stale": [{"feed": "urls", "until": until}]}))
    wait_for(done(config, 10), 60, lambda: accepting.stderr[-3000:])
    receipts = [wire.decode(wire.own("receipt"), r.value or b"") for r in config.read(config.receipts)]
    assert {tuple(receipt["stale_accepted"]) for receipt in receipts} == {("urls",)}
    accepting.wait_ready()


def test_without_a_broker_it_waits_and_says_so(make_config: Make, process: Start) -> None:
    config = make_config()
    away = config.with_(kafka={"bootstrap.servers": f"127.0.0.1:{free_port()}"})
    screen = process("screen", away)
    wait_for(lambda: screen.holds().keys() - {"starting"}, 60, lambda: screen.stderr[-3000:])
    assert screen.running
    assert screen.get("/live")[0] == 200
    assert screen.terminate(10) == 0


@pytest.mark.parametrize("missing", ["events", "clean", "receipts"])
def test_a_missing_topic_is_one_clear_error(filled: Callable[..., MadeConfig], process: Start, missing: str) -> None:
    config = filled()
    config.broker.delete_topic(getattr(config, missing))
    screen = process("screen", config)
    assert screen.wait(60) == 1
    assert getattr(config, missing) in screen.stderr
    assert "crawlsieve topics --create" in screen.stderr
    assert "Traceback" not in screen.stderr


def test_members_without_events_find_out_that_the_broker_is_back(
    own_broker: Callable[..., Broker], make_config: Make, process: Start, tmp_path: Path
) -> None:
    (tmp_path / "urls.txt").write_text("http://listed.example/page\n")
    feed = {"kind": "list", "source": str(tmp_path / "urls.txt"), "format": "text"}
    broker = own_broker()
    config = make_config(broker=broker, events={"schemas_dir": schemas_in(tmp_path / "schemas")}, feeds={"urls": feed})
    assert process("refresh", config, "--once").wait() == 0
    screens = [process("screen", config) for _ in "ab"]  # one partition: one of them has none
    for screen in screens:
        screen.wait_ready()
    broker.kill()
    for screen in screens:
        wait_for(lambda held=screen: "kafka-away" in held.holds(), 60, lambda held=screen: held.stderr[-3000:])
    broker.start()
    for screen in screens:
        screen.wait_ready()
