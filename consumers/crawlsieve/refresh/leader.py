"""Which refresher leads: the one to which the consumer group assigns the one partition of the denylist topic."""

from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from crawlsieve.config import Config
from crawlsieve.kafka import clients, failures
from crawlsieve.telemetry.metrics import REFRESH_LEADER

_log = structlog.get_logger("crawlsieve.refresh")

_NOT_A_MEMBER = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._STATE,
)


class Membership:
    """A member of the group of refreshers. For one thread: assignments change only within poll and close.

    So whoever polls between two parts, and never within one, has no part open when the partition is taken away.
    """

    def __init__(self, config: Config, on_error: Callable[[KafkaError], None]) -> None:
        """Joins. Raises OperatorError or KafkaException."""
        self._topic = config.denylist.topic
        self._group = config.refresh.group
        self._leads = False
        self._consumer = Consumer(clients.refresh_member(config, on_error))
        self._consumer.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)
        REFRESH_LEADER.set(0)
        _log.info("refresh-joins", group=self._group, doing="stands by until no other refresher leads")

    @property
    def leads(self) -> bool:
        """Whether the partition is ours, as far as this process knows: see prove."""
        return self._leads

    def poll(self, seconds: float) -> None:
        """Takes part in the group. Raises OperatorError or KafkaException."""
        message = self._consumer.poll(seconds)
        if message is not None and (error := message.error()) is not None:
            raise failures.operator_error(error, self._topic) or KafkaException(error)

    def prove(self) -> bool:
        """Whether the group's coordinator agrees, at this moment, that this process leads.

        A process that was stopped for a while may believe it still; making its producer would fence the true leader's.
        Only a member of the current generation may commit an offset, so one is committed; nothing reads it.
        Raises OperatorError or KafkaException.
        """
        if not self._leads:
            return False
        try:
            self._consumer.commit(offsets=[TopicPartition(self._topic, 0, 0)], asynchronous=False)
        except KafkaException as e:
            if failures.error_of(e).code() in _NOT_A_MEMBER:
                return False
            raise failures.operator_error(e, self._group) or e from None
        return True

    def answered(self) -> bool:
        """Whether Kafka answers a question, within a second."""
        try:
            self._consumer.list_topics(self._topic, timeout=1.0)
        except KafkaException:
            return False
        return True

    def leave(self) -> None:
        """Gives the partition up, so that another may lead at once."""
        self._consumer.close()
        self._lead(now=False)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_assign([TopicPartition(p.topic, p.partition, 0) for p in partitions])
        consumer.pause(partitions)  # membership is all that is wanted; the records are read elsewhere
        if any(p.partition == 0 for p in partitions):
            self._lead(now=True)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        self._lead(now=False)

    def _lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        _log.warning("refresh-leadership-lost", doing="stands by", advice="was this process stopped or cut off?")
        self._revoked(consumer, partitions)

    def _lead(self, *, now: bool) -> None:
        if now != self._leads:
            self._leads = now
            REFRESH_LEADER.set(1 if now else 0)
            _log.info("refresh-leads" if now else "refresh-stands-by", group=self._group)
