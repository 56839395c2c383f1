"""How far behind the screener is, per partition, in a way that is right under exactly-once.

librdkafka's own consumer_lag counts from stored offsets, of which a transactional consumer has none, and a difference
to the high watermark never reaches zero where the log ends in a transaction's control record. The position that
PARTITION_EOF reports is behind those records, so it counts as read.
"""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from crawlsieve.screen.assignment import Assignment
from crawlsieve.telemetry import metrics

_HALVINGS = 10


class Lag:
    """Keeps the lag gauges of one member."""

    def __init__(self, topic: str, retention_seconds: float | None) -> None:
        """retention_seconds: of the input topic; None if it keeps everything."""
        self._topic = topic
        self._retention = retention_seconds
        self._end_seen: dict[int, int] = {}
        self._newest: dict[int, float] = {}

    def reached_end(self, partition: int, offset: int) -> None:
        """PARTITION_EOF at this offset."""
        self._end_seen[partition] = offset

    def screened(self, partition: int, timestamp_ms: int) -> None:
        """The newest event of a partition that has a committed verdict. timestamp_ms: since 1970, UTC."""
        self._newest[partition] = timestamp_ms / 1000

    def joined(self, consumer: Consumer, partition: int, offset: int) -> None:
        """Finds out how old the first event to screen is: after a restart in the middle of a hold, nothing tells it.

        Kafka is asked which offset each of some times begins with, in halves; that is as exact as the ratio need be.
        """
        if not self._retention:
            return
        oldest, newest = time.time() - self._retention, time.time()
        for _ in range(_HALVINGS):
            middle = (oldest + newest) / 2
            asked = TopicPartition(self._topic, partition, int(middle * 1000))
            try:
                (found,) = consumer.offsets_for_times([asked], timeout=1.0)
            except KafkaException:
                return
            if 0 <= found.offset <= offset:
                oldest = middle
            else:
                newest = middle
        self._newest[partition] = oldest

    def report(self, consumer: Consumer, assignment: Assignment) -> None:
        """Sets the gauges from what librdkafka has cached; asks the broker nothing."""
        now = time.time()
        for partition, owned in assignment.owned.items():
            _, high = consumer.get_watermark_offsets(TopicPartition(self._topic, partition), cached=True)
            lag = max(high - max(owned.next, self._end_seen.get(partition, 0)), 0) if high >= 0 else 0
            metrics.LAG.set(lag, topic=self._topic, partition=str(partition))
            if self._retention:
                age = now - self._newest.get(partition, now) if lag else 0.0
                share = max(age, 0.0) / self._retention
                metrics.LAG_RETENTION_SHARE.set(share, topic=self._topic, partition=str(partition))
