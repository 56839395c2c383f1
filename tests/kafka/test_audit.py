"""`crawlsieve audit` on Apache Kafka: after real screening, and on topics that were tampered with."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from crawlsieve.audit import reading, run, service
from crawlsieve.config import Config, load
from crawlsieve.kafka import topics, wire
from tests.kafka.fixtures import MadeConfig

Make = Callable[..., MadeConfig]


class Screener:
    """Writes by hand what a screener would: one transaction of outputs and receipt, then the group's offset."""

    def __init__(self, made: MadeConfig) -> None:
        self._made = made
        self._admin = made.broker.admin()
        self._cluster = str(self._admin.list_topics(timeout=10).cluster_id)
        self._topic_id = topics.topic_id(self._admin, made.events)
        self._producer = Producer(
            {"bootstrap.servers": made.broker.bootstrap, "transactional.id": f"{made.group}-by-hand"}
        )
        self._producer.init_transactions(30)

    @contextmanager
    def transaction(self, *, commit: bool = True) -> Iterator[Producer]:
        self._producer.begin_transaction()
        yield self._producer
        assert self._producer.flush(30) == 0
        if commit:
            self._producer.commit_transaction(30)
        else:
            self._producer.abort_transaction(30)

    def batch(self, start: int, end: int, *, kept: int = 0, lost: int = 0, commit: bool = True) -> None:
        """Offsets [start, end) of partition 0: the first `kept` quarantined, the next one dead, the rest clean."""
        first = max(start, 0)
        with self.transaction(commit=commit) as out:
            for offset in range(first, first + kept - lost):
                out.produce(self._made.quarantine, self.quarantined(offset), b"id")
            said = {"topic": self._made.events, "partition": "0", "offset": str(first + kept)}
            headers = [(f"crawlsieve.{name}", value.encode()) for name, value in said.items()]
            out.produce(self._made.dead_letter, b"x", headers=headers)
            for _ in range(first + kept + 1, end):
                out.produce(self._made.clean, b"x", partition=0)
            out.produce(self._made.receipts, self.receipt(start, end, kept))

    def quarantined(self, offset: int) -> bytes:
        place = {"topic": self._made.events, "partition": 0, "offset": offset}
        verdict = {"action": "quarantined", "event_id": "id", "denylist_id": "d", "version": 7, "time": 0}
        return wire.encode(wire.own("quarantine"), {**place, **verdict, "reasons": []})

    def receipt(self, start: int, end: int, kept: int) -> bytes:
        read = end - max(start, 0)
        part = {"cluster_id": self._cluster, "topic": self._made.events, "topic_id": self._topic_id, "partition": 0}
        counts = {"from": start, "to": end, "read": read, "clean": read - kept - 1, "quarantined": kept, "dead": 1}
        known = {"group": self._made.group, "member": "m", "time": 0, "software": "0", "mapping": "m"}
        lists: dict[str, Any] = {
            "denylist_id": "d",
            "version": 7,
            "cancelled": [],
            "observed": [],
            "stale_accepted": [],
        }
        return wire.encode(wire.own("receipt"), {**known, **lists, "partitions": [{**part, **counts}]})

    def send_offset(self, offset: int) -> None:
        """Into the open transaction."""
        consumer = self._consumer()
        offsets = [TopicPartition(self._made.events, 0, offset)]
        self._producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
        consumer.close()

    def _consumer(self) -> Consumer:
        settings = {"bootstrap.servers": self._made.broker.bootstrap, "group.id": self._made.group}
        return Consumer({**settings, "enable.auto.commit": False})

    def commit(self, offset: int) -> None:
        consumer = self._consumer()
        consumer.commit(offsets=[TopicPartition(self._made.events, 0, offset)], asynchronous=False)
        consumer.close()


@pytest.fixture
def screened(make_config: Make) -> tuple[Screener, Config]:
    made = make_config(2)
    return Screener(made), load(made.path, {})


def words(config: Config) -> str:
    return " | ".join(f"{f.kind} {f.where.rpartition('.')[2]} {f.text}" for f in service.collect(config).findings)


def test_whole_work_is_proven_and_aborted_work_is_not_there(
    screened: tuple[Screener, Config], capfd: pytest.CaptureFixture[str]
) -> None:
    by_hand, config = screened
    by_hand.batch(-1, 40, kept=3)
    by_hand.batch(40, 90, kept=5, commit=False)
    by_hand.batch(40, 80, kept=5)
    by_hand.commit(80)
    assert run(config) == 0
    assert "proven" in capfd.readouterr().out
    assert run(config, as_json=True) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["proven"] is True
    assert [(row["read"], row["clean"], row["committed"]) for row in told["rows"]] == [(80, 70, 80)]
    assert [(r["start"], r["end"], r["version"]) for r in told["in_force"]] == [(0, 80, 7)]


def test_offsets_in_an_open_transaction_are_waited_for(screened: tuple[Screener, Config]) -> None:
    by_hand, config = screened
    ended = threading.Event()

    def commit_while_it_asks() -> None:
        with by_hand.transaction():
            by_hand.send_offset(40)
            begun.set()
            time.sleep(1)
        ended.set()

    begun = threading.Event()
    thread = threading.Thread(target=commit_while_it_asks)
    thread.start()
    assert begun.wait(30)
    assert reading.committed(config) == {(config.events.topic, 0): 40}
    thread.join()
    assert ended.is_set()


def test_nothing_screened_yet(screened: tuple[Screener, Config]) -> None:
    assert run(screened[1]) == 0


def test_each_kind_of_tampering_is_said(screened: tuple[Screener, Config], capfd: pytest.CaptureFixture[str]) -> None:
    by_hand, config = screened
    by_hand.batch(-1, 40)
    by_hand.batch(50, 60)
    by_hand.batch(55, 70, kept=4, lost=1)
    with by_hand.transaction() as out:
        out.produce(config.screen.quarantine, by_hand.quarantined(2), b"id")
        out.produce(config.screen.quarantine, by_hand.quarantined(2), b"id")
        out.produce(config.screen.quarantine, by_hand.quarantined(45), b"id")
        out.produce(config.screen.clean, b"x", partition=1)
        out.produce(config.screen.dead_letter, b"x")
    by_hand.commit(65)
    said = words(config)
    for expected in (
        "gap events/0 no receipt from offset 40 to 50",
        "overlap events/0 offsets 55 to 60 are in two receipts",
        "mismatch events/0 receipts for 55 to 70 say 4 quarantined, the topic has 3",
        "twice events/0 offset 2 has more than one verdict",
        "stray events/0 a quarantined event at offset 45 is in no receipt",
        "mismatch clean/1 receipts say 0 clean events, the topic has 1",
        "a dead letter that does not say where its event stood",
        "the group has committed 65, receipts end at 70: the group was set back",
    ):
        assert expected in said
    assert run(config) == 1
    assert "overlap" in capfd.readouterr().out


def test_an_audit_changes_nothing(screened: tuple[Screener, Config]) -> None:
    by_hand, config = screened
    by_hand.batch(-1, 40, kept=3)
    by_hand.commit(40)
    assert [run(config) for _ in range(2)] == [0, 0]
