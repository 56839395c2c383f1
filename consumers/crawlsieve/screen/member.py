"""One membership in the screeners' group: consume a batch, screen it against one snapshot, produce, commit.

Everything that touches the consumer stays on one thread. A transaction begins after consume() has returned and ends
before it is called again, so no rebalance ever finds one open.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from crawlsieve._native import Screened
from crawlsieve.config import Config
from crawlsieve.denylist.freshness import list_holds
from crawlsieve.denylist.replica import Replica, View
from crawlsieve.kafka.failures import operator_error
from crawlsieve.screen import counting, outputs, records
from crawlsieve.screen.assignment import Assignment
from crawlsieve.screen.batch import Batch
from crawlsieve.screen.judge import Held, Judge
from crawlsieve.screen.lag import Lag
from crawlsieve.screen.outputs import Origin, Tally
from crawlsieve.screen.records import Attempt, Other, Refusal
from crawlsieve.screen.transaction import Aborted, OutcomeUnknown, Refused, Transaction
from crawlsieve.telemetry import metrics
from crawlsieve.telemetry.health import Health

_log = structlog.get_logger("crawlsieve.screen")

# Seconds before a batch is tried again after an abort: doubled each time, up to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
# Aborts in a row after which it is no passing fault any more.
_ABORTS_TO_HOLD = 5


@dataclass(frozen=True)
class Surroundings:
    """What a member is given: everything that outlives it."""

    config: Config
    origin: Origin
    replica: Replica
    judge: Judge
    transaction: Transaction
    health: Health
    stopping: Callable[[], bool]
    """Whether the process has been told to leave. Asking is also the loop's heartbeat."""
    same_partitions: bool
    """Whether the clean topic has as many partitions as the input, so that an event keeps its own."""


class Member:
    """Consumes until it is told to stop, or until this process may not vouch for verdicts."""

    def __init__(self, around: Surroundings, consumer: Consumer, assignment: Assignment, lag: Lag) -> None:
        self._around = around
        self._consumer = consumer
        self._assignment = assignment
        self._lag = lag
        self._topic = around.config.events.topic
        self._refused: dict[tuple[int, int], Refusal] = {}
        self._listed_holds: set[str] = set()
        self._held: Held | None = None
        self._retry_at = 0.0
        self._pending: tuple[Batch, Screened, dict[int, Tally]] | None = None
        self._reported = 0.0
        self._wait = _FIRST_WAIT
        self._aborts = 0
        self._told: Callable[[KafkaError | None, object], None] | None = None
        """Asked for every record's fate when the last try has failed without a cause."""

    def run(self) -> None:
        """Returns when the process is to stop, or when the replica has no denylist to judge by any more.

        Raises OperatorError when only an operator can help, KafkaException when joining again may.
        """
        try:
            self._run()
        finally:
            # The next member finds out by itself what holds.
            for cause in (*self._listed_holds, *([self._held.cause] if self._held else []), "output-refused"):
                self._around.health.release(cause)

    def _run(self) -> None:
        assignment, consumer, screen = self._assignment, self._consumer, self._around.config.screen
        consumer.subscribe(
            [self._topic], on_assign=assignment.assign, on_revoke=assignment.revoke, on_lost=assignment.lose
        )
        delay = screen.max_delay.total_seconds()
        while not self._around.stopping():
            view = self._around.replica.current
            if view is None:
                return
            if self._on_hold(view):
                assignment.pause(consumer)
                self._take(consumer.consume(1, 0.1))
            else:
                assignment.resume(consumer)
                if batch := self._take(consumer.consume(screen.max_batch, delay)):
                    self._screen(batch, view)
            self._report()

    def _on_hold(self, view: View) -> bool:
        """Whether the lists or the input forbid to go on; tells health what has changed."""
        health, now = self._around.health, datetime.now(UTC)
        found = list_holds(view, now, self._accepted())
        if barred := self._assignment.barred():
            found["gap"] = f"pass with screen.pass_gaps: {', '.join(barred)}"
        for cause in self._listed_holds - found.keys():
            health.release(cause)
        for cause, detail in found.items():
            health.hold(cause, detail)
        self._listed_holds = set(found)
        # A gap bars its own partition only; the others go on.
        return bool(found.keys() - {"gap"}) or (self._held is not None and time.monotonic() < self._retry_at)

    def _take(self, messages: list[Message]) -> Batch:
        """The messages that may be screened: of partitions that are ours, from where they continue, without errors."""
        fresh = self._assignment.settle()
        for partition in fresh & self._assignment.owned.keys():
            self._lag.joined(self._consumer, partition, self._assignment.owned[partition].next)
        sound = [message for message in messages if message.error() is None]
        if len(sound) < len(messages):
            for message in messages:
                if (error := message.error()) is not None:
                    self._handle(message, error)
        batch = Batch.of(sound)
        # Around a rebalance, a pause or a seek, what librdkafka had fetched before may still come out once. What does
        # not start at or behind the place where its partition continues is left, and read again from there.
        owned, stale = self._assignment.owned, set()
        for partition, first in batch.first().items():
            known = owned.get(partition)
            early = known is None or known.barred is not None or (first.offset() or 0) < known.next
            if early or partition in fresh or self._assignment.paused:
                stale.add(partition)
        if stale:
            self._assignment.rewind(self._consumer, stale)
            return batch.without(stale)
        return batch

    def _handle(self, message: Message, error: KafkaError) -> None:
        """An error or end-of-partition event that came in place of a message. Raises what ends this membership."""
        if error.code() == KafkaError._PARTITION_EOF:
            self._lag.reached_end(message.partition() or 0, message.offset() or 0)
            self._around.health.release("kafka-away")
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise KafkaException(error)  # joining again finds the gap and says so
        elif (fatal := operator_error(error, self._topic)) and error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise fatal  # a broker that has just restarted may not know the topic yet: joining again asks
        elif error.fatal() or not error.retriable():
            raise KafkaException(error)

    def _screen(self, batch: Batch, view: View) -> None:
        started = time.monotonic()
        try:
            self._settle(batch, view)
        except Held as held:
            self._hold(held)
            self._assignment.rewind(self._consumer)
        except OutcomeUnknown as unknown:
            if self._around.stopping():
                return  # the next process in this slot settles it
            _log.warning(
                "outcome-unknown", fault=str(unknown), action="new producer, then back to the committed offsets"
            )
            self._around.transaction.ready()
            self._assignment.refresh(self._consumer)
            self._assignment.rewind(self._consumer)
            self._count_if_committed()
        except Aborted as aborted:
            self._told = self._around.transaction.delivered
            _log.warning("aborted", cause=aborted.cause, action="back to the committed offsets")
            self._assignment.rewind(self._consumer)
            self._aborts += 1
            if self._aborts >= _ABORTS_TO_HOLD:
                self._around.health.hold("output-refused", f"transactions abort by {aborted.cause}")
            time.sleep(self._wait)
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        else:
            self._wait = _FIRST_WAIT
            self._told = None
            self._release()
            metrics.BATCH_EVENTS.observe(len(batch))
            metrics.BATCH_SECONDS.observe(time.monotonic() - started)

    def _settle(self, batch: Batch, view: View) -> None:
        """Commits the batch; in halves, if the broker refuses a record for good, until that record stands alone."""
        try:
            self._commit(batch, view)
        except Refused as refused:
            if len(batch) > 1:
                for half in batch.halves():
                    self._settle(half, view)
                return
            place = outputs.place_of(batch.messages[0])
            _, attempt = self._refused.get((place.partition, place.offset), Refusal("", Attempt.AS_JUDGED))
            if attempt is Attempt.WITHOUT_PAYLOAD:
                raise  # not this record's fault: the topics' limits admit nothing
            self._refused[place.partition, place.offset] = Refusal(refused.cause, Attempt(attempt + 1))
            metrics.RECORDS_REFUSED.inc(reason=refused.cause)
            _log.warning(
                "record-refused",
                reason=refused.cause,
                partition=place.partition,
                offset=place.offset,
                action="dead letter" if attempt is Attempt.AS_JUDGED else "dead letter without its payload",
            )
            self._settle(batch, view)

    def _commit(self, batch: Batch, view: View) -> None:
        """One transaction: the outputs of these messages, their offsets and the receipt."""
        around, owned = self._around, self._assignment.owned
        screened = around.judge.screen(batch.values, view)
        others = records.others(batch, screened, view, self._refused, around.config.screen)
        tallies = records.tallies(batch, others, owned)
        receipt = outputs.receipt(
            around.origin, tallies, view, screened.cancelled, screened.observed, sorted(self._accepted())
        )
        around.transaction.ready()
        producer = around.transaction.begin()
        try:
            self._produce(producer, batch, others, receipt)
        except KafkaException as failure:
            around.transaction.fail(failure)
        offsets = [TopicPartition(self._topic, partition, tally.to) for partition, tally in tallies.items()]
        self._pending = (batch, screened, tallies)
        around.transaction.commit(offsets, self._consumer.consumer_group_metadata())
        for partition, tally in tallies.items():
            owned[partition].came_from = owned[partition].next = tally.to
            owned[partition].gap = False
        self._refused.clear()
        self._counted(batch, screened, tallies)
        self._pending = None

    def _produce(
        self, producer: Producer, batch: Batch, others: Mapping[int, Other], receipt: tuple[bytes, bytes]
    ) -> None:
        """Hands all records of a transaction to the producer. This loop bounds the rate of the whole filter."""
        topics, keep, told = self._around.config.screen, self._around.same_partitions, self._told
        clean, send = topics.clean, producer.produce
        for position, (message, value, partition, headers) in enumerate(
            zip(batch.messages, batch.values, batch.partitions, batch.headers, strict=True)
        ):
            while True:
                try:
                    # produce()'s order: topic, value, key, partition, callback (it has two names), timestamp, headers.
                    if position in others:
                        _, topic, other, key, said = others[position]
                        send(topic, other, key, -1, None, told, 0, said)
                    else:
                        where = partition if keep else -1
                        send(clean, value, message.key(), where, None, told, message.timestamp()[1], headers)
                    break
                except BufferError:
                    self._around.transaction.wait_for_room()
        key, record = receipt
        send(topics.receipts, record, key, -1, None, told)

    def _count_if_committed(self) -> None:
        """Counts the batch whose commit was in doubt, if the committed offsets say that it took place."""
        if self._pending is None:
            return
        (batch, screened, tallies), self._pending = self._pending, None
        owned = self._assignment.owned
        if all(p in owned and owned[p].came_from == tally.to for p, tally in tallies.items()):
            self._counted(batch, screened, tallies)

    def _counted(self, batch: Batch, screened: Screened, tallies: dict[int, Tally]) -> None:
        self._around.judge.settled(len(batch), sum(tally.dead for tally in tallies.values()))
        counting.count(batch, screened, tallies, self._lag)

    def _accepted(self) -> frozenset[str]:
        """Feeds whose staleness an operator accepts for now."""
        now = datetime.now(UTC)
        return frozenset(accepted.feed for accepted in self._around.config.screen.accept_stale if accepted.until > now)

    def _hold(self, held: Held) -> None:
        if self._held is not None and self._held.cause != held.cause:
            self._around.health.release(self._held.cause)
        self._held = held
        self._retry_at = time.monotonic() + held.retry_after
        self._around.health.hold(held.cause, held.detail)

    def _release(self) -> None:
        self._aborts = 0
        for cause in ("kafka-away", "output-refused"):
            self._around.health.release(cause)
        if self._held is not None:
            self._around.health.release(self._held.cause)
            self._held = None

    def _report(self) -> None:
        """Once a second: what is known without asking the broker."""
        if time.monotonic() - self._reported >= 1.0:
            self._reported = time.monotonic()
            self._ask_whether_kafka_is_back()
            self._lag.report(self._consumer, self._assignment)

    def _ask_whether_kafka_is_back(self) -> None:
        """A member without traffic, or without partitions, would never learn it from its messages."""
        if "kafka-away" not in self._around.health.causes():
            return
        try:
            self._consumer.list_topics(self._topic, timeout=0.5)
        except KafkaException:
            return
        self._around.health.release("kafka-away")
