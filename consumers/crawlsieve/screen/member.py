"""One membership in the screeners' group: consume a batch, screen it against one snapshot, produce, commit.

Everything that touches the consumer stays on one thread. A transaction begins after consume() has returned and ends
before it is called again, so no rebalance ever finds one open.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from crawlsieve._native import Screened
from crawlsieve.config import Config
from crawlsieve.denylist.freshness import list_holds
from crawlsieve.denylist.replica import Replica, View
from crawlsieve.kafka.failures import operator_error
from crawlsieve.screen import counting, outputs
from crawlsieve.screen.assignment import Assignment
from crawlsieve.screen.judge import Held, Judge
from crawlsieve.screen.lag import Lag
from crawlsieve.screen.outputs import Headers, Origin, Tally
from crawlsieve.screen.transaction import Aborted, OutcomeUnknown, Refused, Transaction
from crawlsieve.telemetry import metrics
from crawlsieve.telemetry.health import Health

_log = structlog.get_logger("crawlsieve.screen")

# A schema id in a header (Confluent's newer framing) is refused by name: read as if it had none, the value would be
# taken apart by the wrong schema.
_SCHEMA_ID_HEADERS = frozenset({"__value_schema_id"})
# Seconds before a batch is tried again after an abort: doubled each time, up to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
# How an event that the broker refuses is tried: as it should be; with its payload as a dead letter; without.
_AS_JUDGED, _WITH_PAYLOAD, _WITHOUT_PAYLOAD = range(3)


@dataclass(frozen=True)
class Surroundings:
    """What a member is given: everything that outlives it."""

    config: Config
    origin: Origin
    replica: Replica
    judge: Judge
    transaction: Transaction
    health: Health
    stop: threading.Event
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
        self._refused: dict[tuple[int, int], tuple[str, int]] = {}
        self._listed_holds: set[str] = set()
        self._held: Held | None = None
        self._retry_at = 0.0
        self._pending: tuple[Sequence[Message], Screened, dict[int, Tally]] | None = None
        self._reported = 0.0
        self._wait = _FIRST_WAIT
        self._told: Callable[[KafkaError | None, object], None] | None = None
        """Asked for every record's fate when the last try has failed without a cause."""

    def run(self) -> None:
        """Returns when the process is to stop, or when the replica has no denylist to judge by any more.

        Raises OperatorError when only an operator can help, KafkaException when joining again may.
        """
        assignment, consumer, screen = self._assignment, self._consumer, self._around.config.screen
        consumer.subscribe(
            [self._topic], on_assign=assignment.assign, on_revoke=assignment.revoke, on_lost=assignment.lose
        )
        delay = screen.max_delay.total_seconds()
        while not self._around.stop.is_set():
            self._around.health.heartbeat()
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

    def _take(self, messages: list[Message]) -> list[Message]:
        """The messages that may be screened: of partitions that are ours, from where they continue, without errors."""
        fresh = self._assignment.settle()
        owned = self._assignment.owned
        first: dict[int, int] = {}
        batch = []
        for message in messages:
            if message.error() is not None:
                self._handle(message)
                continue
            partition = message.partition()
            if partition in owned:
                first.setdefault(partition, message.offset())
                batch.append(message)
        # Around a rebalance, a pause or a seek, what librdkafka had fetched before may still come out once. What does
        # not start at or behind the place where its partition continues is left, and read again from there.
        stale = {p for p, offset in first.items() if p in fresh or offset < owned[p].next or self._assignment.paused}
        if stale:
            self._assignment.rewind(self._consumer, stale)
            batch = [message for message in batch if message.partition() not in stale]
        return batch

    def _handle(self, message: Message) -> None:
        """An error or end-of-partition event that came in place of a message. Raises what ends this membership."""
        error, partition = message.error(), message.partition()
        if error.code() == KafkaError._PARTITION_EOF:
            self._lag.reached_end(partition, message.offset())
            self._around.health.release("kafka-away")
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise KafkaException(error)  # joining again finds the gap and says so
        elif fatal := operator_error(error, self._topic):
            raise fatal
        elif error.fatal() or not error.retriable():
            raise KafkaException(error)

    def _screen(self, batch: list[Message], view: View) -> None:
        started = time.monotonic()
        try:
            self._settle(batch, view)
        except Held as held:
            self._hold(held)
            self._assignment.rewind(self._consumer)
        except OutcomeUnknown as unknown:
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
            self._around.stop.wait(self._wait)
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        else:
            self._wait = _FIRST_WAIT
            self._told = None
            self._release()
            metrics.BATCH_EVENTS.observe(len(batch))
            metrics.BATCH_SECONDS.observe(time.monotonic() - started)

    def _settle(self, batch: Sequence[Message], view: View) -> None:
        """Commits the batch; in halves, if the broker refuses a record for good, until that record stands alone."""
        try:
            self._commit(batch, view)
        except Refused as refused:
            if len(batch) > 1:
                middle = len(batch) // 2
                self._settle(batch[:middle], view)
                self._settle(batch[middle:], view)
                return
            place = outputs.place_of(batch[0])
            _, level = self._refused.get((place.partition, place.offset), ("", _AS_JUDGED))
            if level == _WITHOUT_PAYLOAD:
                raise  # not this record's fault: a topic's limits admit nothing
            self._refused[place.partition, place.offset] = (refused.cause, level + 1)
            metrics.RECORDS_REFUSED.inc(reason=refused.cause)
            _log.warning(
                "record-refused",
                reason=refused.cause,
                partition=place.partition,
                offset=place.offset,
                action="dead letter" if level == _AS_JUDGED else "dead letter without its payload",
            )
            self._settle(batch, view)

    def _commit(self, batch: Sequence[Message], view: View) -> None:
        """One transaction: the outputs of these messages, their offsets and the receipt."""
        around, owned = self._around, self._assignment.owned
        headers = [message.headers() for message in batch]
        values = [
            None if carried and _SCHEMA_ID_HEADERS.intersection(name for name, _ in carried) else message.value()
            for message, carried in zip(batch, headers, strict=True)
        ]
        screened = around.judge.screen(values, view)
        around.transaction.ready()
        producer = around.transaction.begin()
        try:
            tallies = self._produce(producer, batch, values, headers, screened, view)
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
        self,
        producer: Producer,
        batch: Sequence[Message],
        values: Sequence[bytes | None],
        headers: Sequence[Headers | None],
        screened: Screened,
        view: View,
    ) -> dict[int, Tally]:
        owned, topics = self._assignment.owned, self._around.config.screen
        clean, keep = topics.clean, self._around.same_partitions
        others = self._others(batch, headers, screened, view)
        tallies: dict[int, Tally] = {}
        send = producer.produce
        for position, message in enumerate(batch):
            partition = message.partition()
            tally = tallies.get(partition)
            if tally is None:
                tally = tallies[partition] = Tally(owned[partition].came_from, gap=owned[partition].gap)
            tally.read += 1
            tally.to = message.offset() + 1
            if position in others:
                kind, record = others[position]
                setattr(tally, kind, getattr(tally, kind) + 1)
            else:
                tally.clean += 1
                # In produce()'s order: topic, value, key, partition, callback (it has two names), timestamp, headers.
                record = (
                    clean,
                    values[position],
                    message.key(),
                    partition if keep else -1,
                    None,
                    self._told,
                    message.timestamp()[1],
                    headers[position],
                )
            while True:
                try:
                    send(*record)
                    break
                except BufferError:
                    self._around.transaction.wait_for_room()
        key, value = outputs.receipt(
            self._around.origin, tallies, view, screened.cancelled, screened.observed, sorted(self._accepted())
        )
        send(topics.receipts, value, key)
        return tallies

    def _others(
        self, batch: Sequence[Message], headers: Sequence[Headers | None], screened: Screened, view: View
    ) -> dict[int, tuple[str, tuple[object, ...]]]:
        """The events that are not clean, by their place in the batch: what they count as, and produce()'s arguments."""
        topics = self._around.config.screen
        others: dict[int, tuple[str, tuple[object, ...]]] = {}
        for position, event_id, reasons in screened.quarantined:
            key, value = outputs.quarantine(outputs.place_of(batch[position]), event_id, reasons, view)
            others[position] = ("quarantined", (topics.quarantine, value, key, -1, None, self._told))
        dead = [(position, reason, mapped, _AS_JUDGED) for position, reason, mapped in screened.dead]
        if self._refused:
            for position, message in enumerate(batch):
                if refused := self._refused.get((message.partition(), message.offset())):
                    dead.append((position, refused[0], None, refused[1]))
        for position, reason, mapped, level in dead:
            message, carried = batch[position], headers[position]
            place = outputs.place_of(message)
            in_header = reason == "null-value" and message.value() is not None
            fault = "schema-id-in-header" if in_header else reason
            bare = level == _WITHOUT_PAYLOAD
            said = outputs.dead_letter_headers(place, message.timestamp()[1], fault, mapped, None if bare else carried)
            key, value = (None, None) if bare else (message.key(), message.value())
            others[position] = ("dead", (topics.dead_letter, value, key, -1, None, self._told, 0, said))
        return others

    def _count_if_committed(self) -> None:
        """Counts the batch whose commit was in doubt, if the committed offsets say that it took place."""
        if self._pending is None:
            return
        (batch, screened, tallies), self._pending = self._pending, None
        owned = self._assignment.owned
        if all(p in owned and owned[p].came_from == tally.to for p, tally in tallies.items()):
            self._counted(batch, screened, tallies)

    def _counted(self, batch: Sequence[Message], screened: Screened, tallies: dict[int, Tally]) -> None:
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
        self._around.health.release("kafka-away")
        if self._held is not None:
            self._around.health.release(self._held.cause)
            self._held = None

    def _report(self) -> None:
        """Once a second: what is known without asking the broker."""
        if time.monotonic() - self._reported >= 1.0:
            self._reported = time.monotonic()
            self._lag.report(self._consumer, self._assignment)
