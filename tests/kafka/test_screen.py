"""`crawlsieve screen` on Apache Kafka: every event gets the verdict that it should get, exactly once, and unchanged."""

import hashlib
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from crawlsieve.kafka import wire
from tests.kafka.crawl import Event, datum, header, publish, publish_with_raw_header, schemas_in
from tests.kafka.fixtures import MadeConfig, Process
from tests.waiting import wait_for

Start = Callable[..., Process]
Make = Callable[..., MadeConfig]
LISTED = "http://listed.example/page"


@pytest.fixture
def listing(make_config: Make, process: Start, tmp_path: Path) -> Callable[..., MadeConfig]:
    """A configuration whose denylist is filled: one URL page, one MD5 digest."""

    def fill(partitions: int = 1, **sections: dict[str, object]) -> MadeConfig:
        (tmp_path / "urls.txt").write_text(f"{LISTED}\n")
        (tmp_path / "md5.txt").write_text(hashlib.md5(b"listed").hexdigest() + "\n")
        feeds = {
            "urls": {"kind": "list", "source": str(tmp_path / "urls.txt"), "format": "text", "match": "page"},
            "digests": {"kind": "list", "source": str(tmp_path / "md5.txt"), "format": "text", "signal": "md5"},
        }
        events = {"schemas_dir": schemas_in(tmp_path / "schemas"), **sections.pop("events", {})}
        config = make_config(partitions, events=events, feeds=feeds, **sections)
        refresh = process("refresh", config, "--once")
        assert refresh.wait() == 0, refresh.stderr
        return config

    return fill


def check(config: MadeConfig, events: Sequence[Event]) -> None:
    """Every event stands in exactly one output, in order, and clean ones are what they were."""
    clean, dead, kept = config.read(config.clean), config.read(config.dead_letter), config.read(config.quarantine)
    by_partition: dict[int, list[Event]] = {}
    for event in events:
        by_partition.setdefault(event.partition, []).append(event)
    expected = [
        (e.partition, e.key, e.value, tuple(e.headers), e.timestamp)
        for number in sorted(by_partition)
        for e in by_partition[number]
        if e.verdict == "clean"
    ]
    assert [(r.partition, r.key, r.value, r.headers, r.timestamp[1]) for r in clean] == expected
    places = {(p, o): e for p, in_order in by_partition.items() for o, e in enumerate(in_order)}
    wrong = {place: e.verdict for place, e in places.items() if e.verdict not in {"clean", "quarantined"}}
    said = [
        ((int(header(r, "crawlsieve.partition")), int(header(r, "crawlsieve.offset"))), header(r, "crawlsieve.reason"))
        for r in dead
    ]
    assert sorted(said) == sorted(wrong.items())
    records = [wire.decode(wire.own("quarantine"), r.value or b"") for r in kept]
    listed = {place: e.feeds for place, e in places.items() if e.verdict == "quarantined"}
    found = [((r["partition"], r["offset"]), frozenset(x["feed"] for x in r["reasons"])) for r in records]
    assert sorted(found) == sorted(listed.items())
    receipts = [wire.decode(wire.own("receipt"), r.value or b"") for r in config.read(config.receipts)]
    assert sum(p["read"] for receipt in receipts for p in receipt["partitions"]) == len(events)


def done(config: MadeConfig, count: int) -> Callable[[], bool]:
    """Whether receipts account for `count` events."""

    def accounted() -> bool:
        receipts = [wire.decode(wire.own("receipt"), r.value or b"") for r in config.read(config.receipts)]
        return sum(p["read"] for receipt in receipts for p in receipt["partitions"]) >= count

    return accounted


def test_events_pass_unchanged_and_listed_ones_do_not(listing: Callable[..., MadeConfig], process: Start) -> None:
    config = listing(partitions=3)
    events = []
    for number in range(300):
        event = Event(
            datum(number, f"http://fine.example/{number}", hashlib.md5(b"%d" % number).hexdigest()),
            key=None if number % 5 == 0 else b"k%d" % number,
            headers=[("h", b"%d" % number), ("none", None), ("h", b"again")] if number % 3 == 0 else [],
            partition=number % 3,
            timestamp=1_790_000_000_000 + number,
        )
        if number % 50 == 7:
            event.value, event.verdict, event.feeds = datum(number, LISTED + "?q=1"), "quarantined", frozenset({"urls"})
        if number % 50 == 8:
            listed = hashlib.md5(b"listed").hexdigest().upper()
            event.value = datum(number, LISTED, listed)
            event.verdict, event.feeds = "quarantined", frozenset({"urls", "digests"})
        events.append(event)
    publish(config, events)
    screen = process("screen", config)
    wait_for(done(config, len(events)), 60, lambda: screen.stderr[-3000:])
    assert screen.terminate(10) == 0
    check(config, events)
    audit = process("audit", config)
    assert audit.wait() == 0, audit.stdout + audit.stderr
    raw = b"".join(
        (r.key or b"") + (r.value or b"") for t in (config.quarantine, config.receipts) for r in config.read(t)
    )
    assert b"listed.example" not in raw
    assert b"listed.example" not in (screen.stderr + screen.stdout).encode()


def long(number: int) -> str:
    return f"http://fine.example/{number}/" + "a" * 9000


POISON: dict[str, tuple[bytes | None, str]] = {
    "null value": (None, "null-value"),
    "empty value": (b"", "not-wire-format"),
    "text": (b'{"id": 1}', "not-wire-format"),
    "unknown schema": (struct.pack(">bI", 0, 999_999) + b"\x02a", "unknown-schema"),
    "truncated": (datum(1, "http://fine.example/t")[:-4], "truncated"),
    "followed by more": (datum(1, "http://fine.example/t") + b"\x00", "trailing-bytes"),
    "no such branch": (struct.pack(">bI", 0, 100) + b"\x02a\x7e", "invalid-datum"),
    "short digest": (datum(1, "http://fine.example/t", "abcd"), "invalid-length"),
    "bad hex": (datum(1, "http://fine.example/t", "z" * 32), "invalid-hex"),
    "no host": (datum(1, "http://"), "invalid-url"),
    "no url": (datum(1, ""), "missing-field"),
    "long url": (datum(1, long(1)), "url-too-long"),
    "not UTF-8": (datum(1, "http://fine.example/t").replace(b"fine", b"\xff\xfe\xfd\xfc"), "not-utf8"),
}


def test_poison_goes_to_the_dead_letters_wherever_it_stands(listing: Callable[..., MadeConfig], process: Start) -> None:
    size = 6
    config = listing(screen={"max_batch": size, "max_dead_share": 1.0})
    events = []
    for value, reason in POISON.values():
        for place in (0, size // 2, size - 1):
            for position in range(size):
                number = len(events)
                if position == place:
                    events.append(Event(value, reason, key=b"p%d" % number, headers=[("kept", b"1")]))
                else:
                    events.append(Event(datum(number, f"http://fine.example/{number}")))
        events.extend(Event(value, reason) for _ in range(size))  # and a batch of nothing else
    in_header = Event(datum(0, LISTED), "schema-id-in-header", headers=[("__value_schema_id", b"\x00")])
    events.append(in_header)
    publish(config, events)
    screen = process("screen", config)
    wait_for(done(config, len(events)), 60, lambda: screen.stderr[-3000:])
    assert screen.terminate(10) == 0
    check(config, events)
    dead = {int(header(r, "crawlsieve.offset")): r for r in config.read(config.dead_letter)}
    for offset, event in enumerate(events):
        if event.verdict != "clean":
            assert (dead[offset].key, dead[offset].value) == (event.key, event.value)
            assert dead[offset].headers[: len(event.headers)] == tuple(event.headers)
    assert process("audit", config).wait() == 0


def test_a_listed_value_beats_an_unreadable_one(listing: Callable[..., MadeConfig], process: Start) -> None:
    config = listing()
    events = [
        Event(datum(1, LISTED, "not hex"), "quarantined", feeds=frozenset({"urls"})),
        Event(datum(2, LISTED)[:-1], "quarantined", feeds=frozenset({"urls"})),
        Event(datum(3, "http://fine.example/")),
    ]
    publish(config, events)
    screen = process("screen", config)
    wait_for(done(config, len(events)), 60, lambda: screen.stderr[-3000:])
    screen.terminate(10)
    check(config, events)


def test_records_that_an_output_refuses_are_found_and_set_aside(
    listing: Callable[..., MadeConfig], process: Start
) -> None:
    config = listing(screen={"max_batch": 50})
    admin = config.broker.admin()

    def limit(topic: str, size: int) -> None:
        entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
        changed = admin.incremental_alter_configs(
            [ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]
        )
        for future in changed.values():
            future.result(10)

    limit(config.clean, 20_000)
    limit(config.dead_letter, 40_000)
    events = [Event(datum(n, f"http://fine.example/{n}"), key=b"k%d" % n) for n in range(120)]
    for number, size in ((0, 25_000), (60, 25_000), (119, 90_000)):
        # The note is a field that nobody checks.
        events[number].value = datum(number, f"http://fine.example/{number}", note="n" * size)
        events[number].verdict = "refused-too-large"
    publish(config, events)
    screen = process("screen", config)
    wait_for(done(config, len(events)), 90, lambda: screen.stderr[-3000:])
    assert screen.terminate(10) == 0
    check(config, events)
    dead = {int(header(r, "crawlsieve.offset")): r for r in config.read(config.dead_letter)}
    assert dead[0].value == events[0].value
    assert dead[119].value is None
    assert process("audit", config).wait() == 0


def test_a_header_that_can_not_be_read_makes_one_event_dead(listing: Callable[..., MadeConfig], process: Start) -> None:
    config = listing()
    events = [
        Event(datum(0, "http://fine.example/0"), headers=[("kept", b"1")]),
        Event(datum(1, "http://fine.example/1"), "headers-unreadable"),
        Event(datum(2, LISTED), "quarantined", feeds=frozenset({"urls"})),
        Event(datum(3, "http://fine.example/3")),
    ]
    publish(config, events[:1])
    for event in events[1:3]:
        publish_with_raw_header(config, event.value or b"", b"\xff\xfe")
    publish(config, events[3:])
    screen = process("screen", config)
    wait_for(done(config, len(events)), 60, lambda: screen.stderr[-3000:])
    assert screen.terminate(10) == 0
    check(config, events)
