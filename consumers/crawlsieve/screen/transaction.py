"""One Kafka transaction after another, as a table of legal moves.

    NEW --ready--> READY --begin--> OPEN --commit--> SENDING_OFFSETS --sent--> COMMITTING --done--> READY
                                     |                     |                       |
                                     +------ abort --------+-------- abort --------+--> ABORTING --> READY
    any --discard--> NEW

librdkafka speaks the protocol before KIP-890: after a time-out, or any error that leaves the outcome unknown, nothing
can be learned from the producer any more. It is thrown away (`discard`); the next one's `init_transactions()` makes the
coordinator finish or abort what was under way, and only then the committed offsets tell which it was.
"""

import mmap
import os
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from crawlsieve.errors import OperatorError
from crawlsieve.kafka.failures import REFUSED_FOR_GOOD, describe, error_of, operator_error
from crawlsieve.kafka.unbounded import within
from crawlsieve.telemetry import metrics

_log = structlog.get_logger("crawlsieve.screen")

# No call into librdkafka lasts longer than this, so that a signal is never left waiting.
_SLICE_SECONDS = 1.0
# How much longer than it was told to a call may take before it is taken for one that never returns.
_OVERTIME_SECONDS = 2.0
# For everything that is still under way when the process is told to leave.
_LEAVING_SECONDS = 4.0


class State(Enum):
    """Where a transaction stands."""

    NEW = "new"
    READY = "ready"
    OPEN = "open"
    SENDING_OFFSETS = "sending-offsets"
    COMMITTING = "committing"
    ABORTING = "aborting"


MOVES: dict[State, frozenset[State]] = {
    State.NEW: frozenset({State.READY}),
    State.READY: frozenset({State.OPEN, State.NEW}),
    State.OPEN: frozenset({State.SENDING_OFFSETS, State.ABORTING, State.NEW}),
    State.SENDING_OFFSETS: frozenset({State.COMMITTING, State.ABORTING, State.NEW}),
    State.COMMITTING: frozenset({State.READY, State.ABORTING, State.NEW}),
    State.ABORTING: frozenset({State.READY, State.NEW}),
}


class Aborted(Exception):
    """The transaction is aborted, nothing of it will ever be seen, and the producer can begin another."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Refused(Aborted):
    """Aborted, because the broker will never take one of the records. `cause` says why."""


class OutcomeUnknown(Exception):
    """The producer is discarded. Only the committed offsets, read after `ready()`, tell what became of the batch."""


class Transaction:
    """The transactions of one transactional id, one at a time. Not for use from two threads."""

    def __init__(self, settings: dict[str, Any], stopping: Callable[[], bool]) -> None:
        """settings: librdkafka's. stopping: whether the process has been told to leave, which shortens every wait."""
        self._settings = settings
        self._id = str(settings["transactional.id"])
        self._timeout = float(settings["transaction.timeout.ms"]) / 1000
        self._stopping = stopping
        self._producer: Producer | None = None
        self._trace = _trace_file()
        self._begun = 0.0
        self._leave_by: float | None = None
        self._refusal: int | None = None
        self.state = State.NEW

    def ready(self) -> None:
        """Makes a producer if there is none; fences the one that used the id before and settles what it left.

        Raises OperatorError if it never will be allowed to, KafkaException if it should be tried again later.
        """
        if self.state is not State.NEW:
            return
        producer = Producer(self._settings)
        try:
            self._in_slices(producer.init_transactions, self._timeout * 3)
        except KafkaException as failure:
            producer.purge(in_flight=True)
            if fatal := operator_error(failure, self._id):
                raise fatal from failure
            raise
        self._producer = producer
        self._move(State.READY)

    def begin(self) -> Producer:
        """Opens a transaction and hands out the producer to send its records with."""
        producer = self._held()
        try:
            producer.begin_transaction()
        except KafkaException as failure:
            self._give_up("begin", failure)
        self._begun = time.monotonic()
        self._refusal = None
        self._move(State.OPEN)
        return producer

    def wait_for_room(self) -> None:
        """Called when the producer's queue is full. Raises OutcomeUnknown when the transaction has no time left."""
        self._held().poll(0.05)
        if self._deadline() <= 0:
            self.discard()
            metrics.ABORTS.inc(cause="slow-broker")
            raise OutcomeUnknown("the broker takes no records")

    def commit(self, offsets: list[TopicPartition], group_metadata: object) -> None:
        """Commits the records and the input offsets together.

        group_metadata: fresh from the consumer for each transaction, for it carries the generation that fences a member
        which has lost its partitions (KIP-447). Raises Aborted, Refused or OutcomeUnknown.
        """
        producer = self._held()
        self._move(State.SENDING_OFFSETS)
        try:
            self._in_slices(lambda t: self._send_offsets(producer, offsets, group_metadata, t), self._deadline())
            self._move(State.COMMITTING)
            self._in_slices(producer.commit_transaction, self._deadline())
        except KafkaException as failure:
            self.fail(failure)
        self._move(State.READY)
        metrics.TRANSACTION_SECONDS.observe(time.monotonic() - self._begun)

    @staticmethod
    def _send_offsets(
        producer: Producer, offsets: list[TopicPartition], group_metadata: object, seconds: float
    ) -> None:
        # librdkafka ignores this call's time-out and may wait for ever when the group's coordinator has been away
        # (confluentinc/librdkafka#5456).
        within(
            seconds + _OVERTIME_SECONDS, lambda: producer.send_offsets_to_transaction(offsets, group_metadata, seconds)
        )

    def fail(self, failure: KafkaException) -> NoReturn:
        """Ends the open transaction after an error: aborts if that is known to work, discards the producer if not.

        Raises Aborted, Refused or OutcomeUnknown; OperatorError if no retry can help.
        """
        error = error_of(failure)
        if error.txn_requires_abort():
            self._held().poll(0)  # serves `delivered`, which may know the cause
        code = self._refusal if error.code() == KafkaError._STATE and self._refusal is not None else error.code()
        if (refused := REFUSED_FOR_GOOD.get(code)) and not error.fatal():
            # librdkafka counts the refused records' sequence numbers and the broker does not: in its next transaction
            # the broker would find numbers missing. A new producer starts at zero, and its init_transactions() aborts.
            self.discard()
            metrics.ABORTS.inc(cause=refused)
            raise Refused(refused)
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            self.discard()
            raise OperatorError("no right to write to one of the topics of [screen]: grant this user its verb's rights")
        if not error.txn_requires_abort():
            self._give_up(self.state.value, failure)
        self.abort()
        metrics.ABORTS.inc(cause=describe(failure))
        raise Aborted(describe(failure))

    def delivered(self, error: KafkaError | None, message: object) -> None:
        """For produce(), as its callback: notes a refusal that librdkafka hides behind its own state (`_STATE`).

        It costs a microsecond a record, so it is given only to the next try after an abort without a cause.
        """
        del message
        if error is not None and error.code() in REFUSED_FOR_GOOD:
            self._refusal = error.code()

    def abort(self) -> None:
        """Aborts the open transaction. Raises OutcomeUnknown if that does not work in time."""
        producer = self._held()
        self._move(State.ABORTING)
        try:
            producer.purge(in_flight=False, blocking=False)
            self._in_slices(producer.abort_transaction, self._timeout)
        except KafkaException as failure:
            self._give_up("abort", failure)
        self._move(State.READY)

    def discard(self) -> None:
        """Throws the producer away, whatever its state. The coordinator settles the rest at the next `ready()`."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        self._move(State.NEW)
        producer.purge(in_queue=True, in_flight=True, blocking=False)

    def _give_up(self, doing: str, failure: KafkaException) -> NoReturn:
        self.discard()
        metrics.ABORTS.inc(cause=describe(failure))
        if fatal := operator_error(failure, self._id):
            raise fatal from failure
        raise OutcomeUnknown(f"{doing}: {describe(failure)}") from failure

    def _in_slices(self, call: Callable[[float], Any], seconds: float) -> None:
        """Calls again while librdkafka says that the call may be resumed and there is time."""
        end = time.monotonic() + seconds
        while True:
            if self._stopping():
                self._leave_by = self._leave_by or time.monotonic() + _LEAVING_SECONDS
                end = min(end, self._leave_by)
            try:
                call(max(min(_SLICE_SECONDS, end - time.monotonic()), 0.05))
            except KafkaException as failure:
                left = end - time.monotonic()
                if not error_of(failure).retriable() or left <= 0:
                    raise
                time.sleep(min(0.02, left))  # a retriable error that comes at once must not spin
            else:
                return

    def _deadline(self) -> float:
        """Seconds that the open transaction may still take before the coordinator aborts it by itself."""
        return self._begun + self._timeout - time.monotonic()

    def _held(self) -> Producer:
        if self._producer is None:
            raise RuntimeError(f"no producer in state {self.state.value}")
        return self._producer

    def _move(self, to: State) -> None:
        if to not in MOVES[self.state]:
            raise RuntimeError(f"a transaction can't go from {self.state.value} to {to.value}")
        self.state = to
        if self._trace is not None:
            self._trace[:16] = to.value.encode().ljust(16)


def _trace_file() -> mmap.mmap | None:
    """With CRAWLSIEVE_STATE_FILE set, the state's name is kept in that file's first 16 bytes, to be watched from
    outside: the tests kill a screener in a chosen state with it.
    """
    name = os.environ.get("CRAWLSIEVE_STATE_FILE")
    if not name:
        return None
    path = Path(name)
    path.write_bytes(State.NEW.value.encode().ljust(16))
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 16)
