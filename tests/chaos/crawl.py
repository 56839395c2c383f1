"""A crawl that goes on while things break, and the plain rule by which each of its events should be judged."""

import hashlib
import io
import queue
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import fastavro
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tests.kafka.crawl import SCHEMA, datum
from tests.kafka.fixtures import MadeConfig

LISTED_URLS = frozenset(f"http://listed{n}.example/page" for n in range(5))
LISTED_MD5 = frozenset(hashlib.md5(b"listed %d" % n).hexdigest() for n in range(5))
# Larger records than this are refused by the clean topic, so that transactions are aborted as well as committed.
CLEAN_LIMIT = 60_000

_TICK_SECONDS = 0.02
_PARSED = fastavro.parse_schema(SCHEMA)
Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Verdict:
    """What should become of an event."""

    kind: Literal["clean", "quarantined", "dead"]
    feeds: frozenset[str] = frozenset()
    reason: str = ""


def verdict(value: bytes) -> Verdict:
    """The rule, in fastavro and sets: a listed page or digest quarantines, what can't be vouched for is dead."""
    event = fastavro.schemaless_reader(io.BytesIO(value[5:]), _PARSED, None)
    assert isinstance(event, dict)
    url, md5 = urlsplit(event["url"]), event["md5"]
    feeds = set()
    if f"{url.scheme}://{url.netloc}{url.path}" in LISTED_URLS:
        feeds.add("urls")
    if md5 in LISTED_MD5:
        feeds.add("digests")
    if feeds:
        return Verdict("quarantined", frozenset(feeds))
    if md5 is not None and any(c not in "0123456789abcdef" for c in md5):
        return Verdict("dead", reason="invalid-hex")
    if len(value) > CLEAN_LIMIT:
        return Verdict("dead", reason="refused-too-large")
    return Verdict("clean")


@dataclass(frozen=True)
class Sent:
    """One event as it was published."""

    partition: int
    key: bytes | None
    value: bytes
    headers: Headers
    timestamp: int


class Crawl:
    """Publishes events in a thread until it is stopped; `sent` is what stands in the input then, by partition."""

    def __init__(self, config: MadeConfig, partitions: int, rate: int, seed: int) -> None:
        """rate: events a second, in all partitions together."""
        self.sent: dict[int, list[Sent]] = defaultdict(list)
        self.partitions = partitions
        self._rate = rate
        self._random = random.Random(seed)
        self._topic = config.events
        self._number = 0
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._failed: list[KafkaError] = []
        # Events must be published exactly once and in order for offsets to be foretold, over broker restarts as well.
        self._producer = Producer(
            {
                "bootstrap.servers": config.broker.bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "message.timeout.ms": 0,
                "retry.backoff.ms": 20,
                "retry.backoff.max.ms": 200,
                "topic.metadata.refresh.interval.ms": 500,
                "log_level": 0,
            }
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crawl")

    def start(self) -> "Crawl":
        """Begins to publish."""
        self._thread.start()
        return self

    def publish(self, count: int) -> None:
        """Publishes some events at once, from the caller's thread; not while the crawl runs."""
        for _ in range(count):
            self._send(self._next())
        self._flush()

    def oversized(self) -> None:
        """Asks for one event in each partition that the clean topic refuses, so that transactions are aborted."""
        for partition in range(self.partitions):
            self._asked.put(partition)

    def stop(self) -> int:
        """Ends it; returns how many events were published."""
        self._stopping.set()
        self._thread.join()
        self._flush()
        return sum(len(events) for events in self.sent.values())

    def _flush(self) -> None:
        assert self._producer.flush(60) == 0, "the crawl's events were not delivered"
        assert not self._failed, self._failed

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            for _ in range(max(int(self._rate * _TICK_SECONDS), 1)):
                self._send(self._next())
            due += _TICK_SECONDS
            self._stopping.wait(max(due - time.monotonic(), 0))

    def _next(self) -> Sent:
        number, pick = self._number, self._random.random()
        self._number += 1
        partition = self._random.randrange(self.partitions)
        url, md5, note = f"http://fine{number % 7}.example/{number}", hashlib.md5(b"%d" % number).hexdigest(), None
        if pick < 0.08:
            url = self._random.choice(sorted(LISTED_URLS)) + self._random.choice(("", "?q=1", "#part"))
        elif pick < 0.12:
            md5 = self._random.choice(sorted(LISTED_MD5))
        elif pick < 0.16:
            md5 = "z" * 32
        elif not self._asked.empty():
            partition, note = self._asked.get(), "n" * (CLEAN_LIMIT + 1000)
        return Sent(
            partition,
            None if number % 5 == 0 else b"k%d" % number,
            datum(number, url, md5, note=note),
            (("n", b"%d" % number), ("n", None)) if number % 3 == 0 else (),
            time.time_ns() // 1_000_000,
        )

    def _send(self, event: Sent) -> None:
        self.sent[event.partition].append(event)
        headers: list[tuple[str, str | bytes | None]] = list(event.headers)
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    event.value,
                    event.key,
                    event.partition,
                    timestamp=event.timestamp,
                    headers=headers or None,
                    on_delivery=self._delivered,
                )
                break
            except BufferError:
                self._producer.poll(0.05)
            except KafkaException as failure:
                if failure.args[0].code() != KafkaError._UNKNOWN_PARTITION:
                    raise
                self._producer.poll(0.05)  # just added: librdkafka learns of it within half a second
        self._producer.poll(0)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)
