"""The partitions that this member owns: where each one continues, and how to go back there.

`auto.offset.reset` is `error`, so nothing moves a position but this module. A partition without a committed offset
starts at its beginning; a group whose offsets have all expired goes on where its receipts end; a committed offset that
is out of range is a gap, which only an operator passes.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition

from crawlsieve.kafka.failures import error_of
from crawlsieve.telemetry import metrics

_log = structlog.get_logger("crawlsieve.screen")

# Seconds for one request about offsets, and for all tries of it. A transaction that a killed member has left open makes
# its offsets unstable until the coordinator aborts it, which takes a transaction time-out and up to ten seconds more.
_REQUEST_SECONDS = 2.0
_ALL_TRIES_SECONDS = 40.0


@dataclass
class Owned:
    """One partition of ours."""

    came_from: int
    """The committed offset, the next receipt's `from`; -1 before the first."""
    next: int
    """The offset to read next."""
    gap: bool = False
    """Offsets before `next` were lost, and an operator has passed them: the next receipt says so."""
    barred: str | None = None
    """Set while the partition may not be read: the words with which an operator passes the gap."""


class Assignment:
    """Follows cooperative rebalances. All calls come from the thread that consumes."""

    def __init__(
        self,
        topic: str,
        partitions: int,
        passed_gaps: frozenset[str],
        resume_at: Mapping[int, int],
        stopping: Callable[[], bool],
    ) -> None:
        """partitions: how many the topic had when this member joined. resume_at: from receipts, by partition.

        passed_gaps: those that operators pass, `topic/partition@offset`.
        """
        self._stopping = stopping
        self._topic = topic
        self._partitions_known = partitions
        self._passed_gaps = passed_gaps
        self._resume_at = resume_at
        self.owned: dict[int, Owned] = {}
        self.fresh: set[int] = set()
        """Assigned since `settle()` was called last: what was fetched for them before is not to be trusted."""
        self.paused = False

    def assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The rebalance callback for new partitions.

        Raises KafkaException when their offsets can't be learned, or when one was added to the topic since this member
        joined: whether events keep their partitions must be asked again, and only a new producer knows its namesake in
        the clean topic.
        """
        metrics.REBALANCES.inc(kind="assigned")
        if any(tp.partition >= self._partitions_known for tp in partitions):
            raise KafkaException(KafkaError(KafkaError._UNKNOWN_PARTITION))
        start = []
        for committed in self._committed(consumer, partitions):
            owned = self._where(consumer, committed)
            self.owned[committed.partition] = owned
            self.fresh.add(committed.partition)
            start.append(TopicPartition(self._topic, committed.partition, owned.next))
        consumer.incremental_assign(start)
        barred = [tp for tp in start if self.paused or self.owned[tp.partition].barred]
        if barred:
            consumer.pause(barred)

    def revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The rebalance callback for partitions to give up. No transaction is open while the consumer is polled."""
        metrics.REBALANCES.inc(kind="revoked")
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def lose(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The rebalance callback for partitions that others may have by now."""
        metrics.REBALANCES.inc(kind="lost")
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _forget(self, partitions: Iterable[TopicPartition]) -> None:
        for tp in partitions:
            self.owned.pop(tp.partition, None)
            self.fresh.discard(tp.partition)
            metrics.LAG.remove(topic=self._topic, partition=str(tp.partition))
            metrics.LAG_RETENTION_SHARE.remove(topic=self._topic, partition=str(tp.partition))

    def rewind(self, consumer: Consumer, partitions: Iterable[int] | None = None) -> None:
        """Back to where each of our partitions continues. Raises KafkaException."""
        for partition in self.owned if partitions is None else partitions:
            if partition in self.owned:
                consumer.seek(TopicPartition(self._topic, partition, self.owned[partition].next))

    def settle(self) -> set[int]:
        """The partitions that were assigned since the last call."""
        fresh, self.fresh = self.fresh, set()
        return fresh

    def refresh(self, consumer: Consumer) -> None:
        """Asks again where each partition continues, after a transaction whose outcome is unknown.

        To be called after init_transactions(), which settles that transaction. Raises KafkaException.
        """
        ours = [TopicPartition(self._topic, partition) for partition in self.owned]
        for committed in self._committed(consumer, ours):
            owned = self.owned[committed.partition]
            if committed.offset not in {OFFSET_INVALID, owned.came_from}:
                owned.came_from = owned.next = committed.offset
                owned.gap = False

    def pause(self, consumer: Consumer) -> None:
        """Stops reading, for a hold."""
        if not self.paused:
            self.paused = True
            consumer.pause(self._partitions(self.owned))

    def resume(self, consumer: Consumer) -> None:
        """Reads again, from where each partition continues."""
        if self.paused:
            self.paused = False
            consumer.resume(self._partitions(p for p, owned in self.owned.items() if not owned.barred))
            self.rewind(consumer)

    def barred(self) -> list[str]:
        """The gaps that wait for an operator, in the words that pass them."""
        return [owned.barred for owned in self.owned.values() if owned.barred]

    def _partitions(self, numbers: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._topic, number) for number in numbers]

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The group's offsets, once no open transaction holds them back. Raises KafkaException."""
        give_up = time.monotonic() + _ALL_TRIES_SECONDS
        while partitions:
            try:
                return consumer.committed(partitions, timeout=_REQUEST_SECONDS)
            except KafkaException as failure:
                code = error_of(failure).code()
                waiting = code in {KafkaError._TIMED_OUT, KafkaError.UNSTABLE_OFFSET_COMMIT}
                if not waiting or self._stopping() or time.monotonic() > give_up:
                    raise
        return []

    def _where(self, consumer: Consumer, committed: TopicPartition) -> Owned:
        partition = committed.partition
        low, high = consumer.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=_REQUEST_SECONDS)
        came_from = self._resume_at.get(partition, -1) if committed.offset < 0 else committed.offset
        if came_from == -1:
            return Owned(came_from=-1, next=low)
        if low <= came_from <= high:
            return Owned(came_from=came_from, next=came_from)
        words = f"{self._topic}/{partition}@{came_from}"
        metrics.GAPS.inc(topic=self._topic, partition=str(partition))
        passed = words in self._passed_gaps
        _log.error(
            "gap",
            topic=self._topic,
            partition=partition,
            committed=came_from,
            log_start=low,
            log_end=high,
            action="passed by the operator" if passed else f'held; to pass it, add "{words}" to screen.pass_gaps',
        )
        return Owned(came_from=came_from, next=low, gap=passed, barred=None if passed else words)
