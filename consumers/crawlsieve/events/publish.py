"""The `publish` verb: crawl metadata from Parquet or CSV files to the events topic. It fetches nothing."""

import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from crawlsieve.config import Config
from crawlsieve.errors import OperatorError
from crawlsieve.events import metadata
from crawlsieve.kafka import clients, wire
from crawlsieve.kafka.failures import describe, operator_error
from crawlsieve.telemetry import log

_log = structlog.get_logger("crawlsieve.publish")

_ASK_SECONDS = 15.0
_FLUSH_SECONDS = 30.0
_LOG_EVERY_SECONDS = 10.0


class Publisher:
    """An idempotent producer of one topic that waits when the broker is slow, and counts what became of each event."""

    def __init__(self, config: Config) -> None:
        self._topic = config.events.topic
        self._fatal: KafkaError | None = None
        self._producer = Producer(
            {
                "logger": log.LIBRDKAFKA,
                "linger.ms": 20,
                "compression.type": "lz4",
                **config.kafka.client("producer"),
                "enable.idempotence": True,
                "acks": "all",
                "error_cb": self._on_error,
            }
        )
        self.delivered = 0
        self.failed: Counter[str] = Counter()
        """Events that the broker did not take, by the error's name."""

    def send(self, key: bytes | None, value: bytes | None) -> None:
        """Hands one event over; waits while the queue is full.

        Raises OperatorError for what only an operator can mend.
        """
        while True:
            self._check()
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as failure:
                self.failed[describe(failure)] += 1  # too large for the client: no retry helps
                return
            else:
                self._producer.poll(0)
                return

    def flush(self, seconds: float) -> int:
        """Waits for what has been handed over; returns how many events are still under way after that time."""
        end = time.monotonic() + seconds
        while (left := self._producer.flush(0.2)) and time.monotonic() < end:
            self._check()
        self._check()
        return int(left)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.failed[describe(error)] += 1
            if operator_error(error, self._topic):
                self._fatal = error

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or operator_error(error, self._topic):
            self._fatal = error
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            _log.warning("kafka-away", doing="goes on trying", advice="check kafka.bootstrap.servers and the network")

    def _check(self) -> None:
        if self._fatal is not None:
            raise operator_error(self._fatal, self._topic) or OperatorError(
                f"the producer of {self._topic} has failed for good ({describe(self._fatal)}): run publish again; "
                "events keep their ids"
            )


def run(config: Config, paths: Sequence[Path], stop: threading.Event | None = None) -> int:
    """Publishes the files' rows; the same rows have the same ids whenever they are published.

    Returns 0 if every row that makes an event was delivered, 1 if not, or if `stop` was set before the end. Rows that
    make none are counted and reported by reason, never shown.
    Raises OperatorError for what only an operator can mend.
    """
    stop = stop or threading.Event()
    found = metadata.files(paths)
    totals = [metadata.count(file) for file in found]
    require_topic(config)
    schema = event_schema(config)
    publisher = Publisher(config)
    bad: Counter[str] = Counter()
    total = sum(n or 0 for n in totals) if None not in totals else None
    with _progress(total) as advance:
        for file in found:
            for record in _events(file, bad, advance):
                publisher.send(record["id"].encode(), wire.encode(schema, record))
                if stop.is_set():
                    break
            if stop.is_set():
                break
        unsettled = publisher.flush(_FLUSH_SECONDS if not stop.is_set() else 5.0)
    return _report(publisher, bad, unsettled, stopped=stop.is_set())


def require_topic(config: Config) -> None:
    """Raises OperatorError if the events topic is missing, or no broker answers.

    Asks for all topics: asked for by name, a missing one might be made by the broker with settings that nobody chose.
    """
    topic = config.events.topic
    consumer = Consumer(clients.follower(config, lambda _: None))
    try:
        present = consumer.list_topics(timeout=_ASK_SECONDS).topics
    except KafkaException as failure:
        raise operator_error(failure, topic) or OperatorError(
            f"no answer from the brokers ({describe(failure)}): check kafka.bootstrap.servers and the network"
        ) from failure
    finally:
        consumer.close()
    if topic not in present:
        raise OperatorError(
            f"topic {topic} does not exist, or this user may not see it: run `crawlsieve topics --create`"
        )


def event_schema(config: Config) -> wire.OwnSchema:
    """The schema of our own events, under the id that the Schema Registry gives it if there is one.

    Raises OperatorError if the registry refuses it or does not answer.
    """
    schema = wire.own("crawl-event")
    if config.schema_registry is None:
        return schema
    try:
        with SchemaRegistryClient(config.schema_registry.client()) as registry:
            number = registry.register_schema(f"{config.events.topic}-value", Schema(schema.text, "AVRO"))
    except Exception as failure:  # the client raises whatever its HTTP library raises
        raise OperatorError(
            f"the Schema Registry does not take our event schema for {config.events.topic}-value "
            f"({type(failure).__name__}): check schema_registry.url, its credentials and the subject's compatibility"
        ) from None
    return dataclasses.replace(schema, id=number)


def _events(file: Path, bad: Counter[str], advance: "Advance") -> Iterator[dict[str, Any]]:
    now = time.time_ns() // 1_000_000
    for row in metadata.rows(file):
        advance(1)
        if isinstance(row, metadata.Unreadable):
            bad["unreadable-line"] += 1
            continue
        try:
            yield metadata.event(row, now)
        except metadata.BadRow as reason:
            bad[str(reason)] += 1


def _report(publisher: Publisher, bad: Counter[str], unsettled: int, *, stopped: bool) -> int:
    lost = sum(publisher.failed.values()) + unsettled
    _log.info("published", delivered=publisher.delivered, bad_rows=sum(bad.values()), not_delivered=lost)
    for reason, n in sorted(bad.items()):
        _log.warning("bad-rows", reason=reason, rows=n, action="left out; correct the file and publish it again")
    for fault, n in sorted(publisher.failed.items()):
        _log.error("not-delivered", fault=fault, events=n, advice="publish again: events keep their ids")
    if unsettled:
        _log.error("not-delivered", fault="no-answer", events=unsettled, advice="publish again: events keep their ids")
    if stopped:
        _log.warning("stopped", advice="publish again to send the rest: events keep their ids")
    return 1 if lost or stopped else 0


class Advance:
    """Counts rows, and says so in a log line now and then."""

    def __init__(self) -> None:
        self.rows = 0
        self._logged = time.monotonic()

    def __call__(self, rows: int) -> None:
        """So many rows more."""
        self.rows += rows
        if time.monotonic() - self._logged >= _LOG_EVERY_SECONDS:
            self._logged = time.monotonic()
            _log.info("publishing", rows=self.rows)


class _Bar(Advance):
    def __init__(self, progress: Progress, total: int | None) -> None:
        super().__init__()
        self._progress, self._task = progress, progress.add_task("publish", total=total)

    def __call__(self, rows: int) -> None:
        self.rows += rows
        if self.rows % 500 == 0:
            self.show()

    def show(self) -> None:
        self._progress.update(self._task, completed=self.rows)


@contextmanager
def _progress(total: int | None) -> Iterator[Advance]:
    """A bar on a terminal, a log line now and then elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Advance()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = _Bar(progress, total)
        yield bar
        bar.show()
