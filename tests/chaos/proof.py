"""Compares what stands in the topics, record by record, with what should be there."""

import re
from collections import Counter
from collections.abc import Callable, Hashable
from itertools import zip_longest

from crawlsieve.kafka import wire
from tests.chaos.crawl import Crawl, verdict
from tests.kafka.crawl import header
from tests.kafka.fixtures import MadeConfig, Process
from tests.kafka.reading import committed_offsets, ends
from tests.waiting import wait_for


def wait_until_screened(config: MadeConfig, seconds: float, why: Callable[[], str] = lambda: "") -> None:
    """Waits until the group has committed the input's end."""

    def behind() -> dict[int, tuple[int, int]]:
        done = committed_offsets(config.broker.bootstrap, config.group, config.events)
        end = ends(config.broker.bootstrap, config.events, stable=False)
        return {p: (done.get(p, 0), offset) for p, offset in end.items() if done.get(p, 0) < offset}

    wait_for(lambda: not behind(), seconds, lambda: f"behind at {behind()}\n{why()}", pause=0.2)


def wait_for_progress(
    config: MadeConfig, events: int, seconds: float = 60, why: Callable[[], str] = lambda: ""
) -> None:
    """Waits until the group has committed this many more events in every partition."""

    def now() -> dict[int, int]:
        return committed_offsets(config.broker.bootstrap, config.group, config.events)

    began = now()
    partitions = ends(config.broker.bootstrap, config.events, stable=False)

    def enough() -> bool:
        done = now()
        return all(done.get(partition, 0) >= began.get(partition, 0) + events for partition in partitions)

    def said() -> str:
        end = ends(config.broker.bootstrap, config.events, stable=False)
        return f"from {began} to {now()} of {end}\n{why()}"

    wait_for(enough, seconds, said, pause=0.2)


def prove(
    config: MadeConfig,
    crawl: Crawl,
    process: Callable[..., Process],
    deleted: frozenset[tuple[int, int]] = frozenset(),
) -> Counter[str]:
    """None lost, none doubled, none changed, order kept in each partition, nothing left hanging, and `audit` agrees.

    deleted: partition and offset of events that Kafka deleted before they could be read: `audit` has to find them.
    Returns how many events had each verdict.
    """
    expected = {
        (event.partition, offset): (verdict(event.value), event)
        for events in crawl.sent.values()
        for offset, event in enumerate(events)
        if (event.partition, offset) not in deleted
    }
    counts: Counter[str] = Counter(should.kind for should, _ in expected.values())
    _nothing_hangs(config)

    clean: dict[int, list[Hashable]] = {partition: [] for partition in range(crawl.partitions)}
    for (partition, _), (should, event) in expected.items():
        if should.kind == "clean":
            clean[partition].append((event.key, event.value, event.headers, event.timestamp))
    passed: dict[int, list[Hashable]] = {}
    for record in config.read(config.clean):
        line = (record.key, record.value, record.headers, record.timestamp[1])
        passed.setdefault(record.partition, []).append(line)
    for partition, in_order in clean.items():
        _same_order(partition, passed.get(partition, []), in_order)

    kept = [wire.decode(wire.own("quarantine"), record.value or b"") for record in config.read(config.quarantine)]
    _same(
        [((r["partition"], r["offset"]), frozenset(reason["feed"] for reason in r["reasons"])) for r in kept],
        [(place, should.feeds) for place, (should, _) in expected.items() if should.kind == "quarantined"],
    )
    _same(
        [
            (
                (int(header(r, "crawlsieve.partition")), int(header(r, "crawlsieve.offset"))),
                header(r, "crawlsieve.reason"),
                r.key,
                r.value,
            )
            for r in config.read(config.dead_letter)
        ],
        [
            (place, should.reason, event.key, event.value)
            for place, (should, event) in expected.items()
            if should.kind == "dead"
        ],
    )

    audit = process("audit", config)
    assert audit.wait(120) == (1 if deleted else 0), audit.stdout + audit.stderr
    findings = set(re.findall(r"^(gap|overlap|mismatch|twice|stray|unreadable):", audit.stdout, re.MULTILINE))
    assert findings == ({"gap"} if deleted else set()), audit.stdout
    return counts


def _same_order(partition: int, found: list[Hashable], should: list[Hashable]) -> None:
    if found != should:
        at = next(n for n, (a, b) in enumerate(zip_longest(found, should)) if a != b)
        doubled, lost = len(found) - len(set(found)), len(set(should) - set(found))
        raise AssertionError(
            f"clean events of partition {partition}: {len(found)} where {len(should)} should be; they differ from "
            f"place {at} on; {doubled} doubled, {lost} lost"
        )


def _same(found: list[Hashable], should: list[Hashable]) -> None:
    more, less = Counter(found) - Counter(should), Counter(should) - Counter(found)
    assert not more, f"{more.total()} too many, among them {list(more)[:3]}"
    assert not less, f"{less.total()} missing, among them {list(less)[:3]}"


def _nothing_hangs(config: MadeConfig) -> None:
    """No transaction is left open: every last stable offset is the high watermark, and Kafka's tool finds none."""
    for topic in (config.clean, config.quarantine, config.dead_letter, config.receipts):
        stable = ends(config.broker.bootstrap, topic, stable=True)
        assert stable == ends(config.broker.bootstrap, topic, stable=False), f"an open transaction holds {topic}"
    assert config.broker.hanging_transactions() == []
