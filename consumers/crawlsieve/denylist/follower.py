"""Reads the denylist topic from its beginning and for ever: the replica's edge to Kafka."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from crawlsieve.config import Config
from crawlsieve.denylist.assembly import Record
from crawlsieve.denylist.distrust import RECREATED, Distrust, Unreachable
from crawlsieve.denylist.status import KEY_PREFIX
from crawlsieve.denylist.topic_watch import Sighting, TopicWatch
from crawlsieve.kafka import clients
from crawlsieve.kafka.failures import describe, operator_error

_log = structlog.get_logger("crawlsieve.denylist")

_BATCH = 5000
# consume() waits this long for a batch to fill: a share of the second in which a new entry is to be enforced.
_LINGER = 0.1
_QUERY_SECONDS = 3.0
_FIRST_SPAN = 1000
# A restarted broker, or a new leader, may not know the topic or its end for a moment.
_GONE_AFTER = 10.0
_SHORT_SIGHTINGS = 2


@dataclass(frozen=True)
class Batch:
    """Records in the log's order. at_end: the end of the log was met after or among them."""

    records: list[Record]
    at_end: bool


class Follower:
    """One reading of one incarnation of the topic. For one thread; close it by leaving its `with` block."""

    def __init__(self, config: Config, watch: TopicWatch, stop: threading.Event) -> None:
        """Raises Unreachable if there is no such topic or no broker, OperatorError if no retry mends it."""
        self._topic = config.denylist.topic
        self._stop = stop
        self._watch = watch
        self._topic_id = watch.topic_id()
        self._kept_for = watch.tombstones_kept_for()
        # A denylist that is far larger than this is read through it; without a limit 64 MB would wait in front of it.
        settings = {"queued.max.messages.kbytes": 16_384, **clients.follower(config, self._trouble)}
        self._consumer = Consumer(settings)
        self._end = -1
        self._reached = -1
        self._short = 0
        self._fault = ""
        self._missing_since: float | None = None
        self._current_at: tuple[float, float] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close()

    def newest_status(self) -> Record | None:
        """The last status record of the log, or None if it has none (or if told to stop).

        Whose denylist this is must be known before its first entry can be authenticated, and a part ends with a status
        record: it is looked for backwards from the end. The watermarks only say where to look first.
        """
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self._topic, 0), _QUERY_SECONDS)
        except KafkaException as failure:
            raise Unreachable(f"Kafka does not answer ({describe(failure)}); asked again every few seconds") from None
        span = _FIRST_SPAN
        while not self._stop.is_set():
            start = max(low, high - span)
            found: Record | None = None
            for batch in self.read(start):
                for record in batch.records:
                    if record.key.startswith(KEY_PREFIX) and record.value is not None:
                        found = record
                if batch.at_end:
                    break
            if found or start == low:
                return found
            span *= 16
        return None

    def read(self, start: int = OFFSET_BEGINNING) -> Iterator[Batch]:
        """Batches from `start`, for ever; empty ones when there is nothing new; ends when told to stop.

        Raises Distrust if this is no longer the log whose reading was begun, or if removals may have been missed.
        """
        self._consumer.assign([TopicPartition(self._topic, 0, start)])
        self._end = self._reached = -1
        self._current_at = None
        while not self._stop.is_set():
            records, at_end = [], False
            for message in self._consumer.consume(_BATCH, _LINGER):
                if message.error() is None:
                    records.append(_record(message))
                else:
                    at_end |= self._event(message)
            if records:
                self._require_all_removals()
                self._reached = records[-1].offset + 1
            self._check(self._watch.sighting(max(self._reached, self._end)))
            yield Batch(records, at_end)

    def _require_all_removals(self) -> None:
        """Raises Distrust if tombstones may have been compacted away before they were read.

        As long as nothing new comes, nothing is missed: a broker that is away does not end the view. Both clocks are
        asked, for one of them stands still while a machine is suspended.
        """
        if self._current_at is None:
            return
        monotonic, wall = self._current_at
        if max(time.monotonic() - monotonic, time.time() - wall) > self._kept_for:
            raise Distrust(RECREATED, f"behind {self._topic} by more than its delete.retention.ms: loading anew")

    def _event(self, message: Message) -> bool:
        """What librdkafka says in place of a record. Returns whether it is the end of the log."""
        error = message.error()
        assert error is not None
        if error.code() == KafkaError._PARTITION_EOF:
            self._require_all_removals()
            self._end = message.offset() or 0
            self._current_at = (time.monotonic(), time.time())
            return True
        if error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise Distrust(RECREATED, f"the log of {self._topic} no longer has the next offset: loading anew")
        self._trouble(error)
        return False

    def _trouble(self, error: KafkaError) -> None:
        """Says once what librdkafka goes on trying to overcome by itself."""
        if (fault := describe(error)) != self._fault:
            self._fault = fault
            advice = operator_error(error, self._topic)
            _log.warning("denylist-unreadable", fault=fault, advice=str(advice or ""), action="keeps trying")

    def _check(self, sighting: Sighting | None) -> None:
        """Raises Distrust if the topic is gone, another, or shorter than what has been read of it."""
        if sighting is None:
            return
        now = time.monotonic()
        if sighting.topic_id is None:
            self._missing_since = self._missing_since or now
            if now - self._missing_since > _GONE_AFTER:
                raise Distrust(RECREATED, f"topic {self._topic} has been deleted: looked for again")
            return
        self._missing_since = None
        self._fault = ""
        if sighting.topic_id != self._topic_id:
            raise Distrust(RECREATED, f"topic {self._topic} has been deleted and created again: loading anew")
        self._short = self._short + 1 if sighting.end < sighting.reached else 0
        if self._short >= _SHORT_SIGHTINGS:
            raise Distrust(RECREATED, f"the log of {self._topic} is shorter than what was read of it: loading anew")
        if sighting.end == self._end:
            self._current_at = sighting.asked_at


def _record(message: Message) -> Record:
    offset = message.offset()
    assert offset is not None
    key, value = message.key(), message.value()
    return Record(offset, bytes(key or b""), None if value is None else bytes(value))
