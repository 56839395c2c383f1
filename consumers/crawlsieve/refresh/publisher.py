"""The refresher's transactional producer: one transaction a part."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from crawlsieve.config import Config
from crawlsieve.kafka import clients, failures

_INIT_SECONDS = 10.0
_COMMIT_SECONDS = 30.0
_FULL_QUEUE_SECONDS = 30.0


class Fenced(Exception):
    """Another refresher leads: this producer may never write again."""


class PartLost(Exception):
    """The part did not commit, or nobody knows whether it did: make a new publisher, and read the topic."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Part:
    """One open transaction."""

    def __init__(self, producer: Producer, topic: str, beat: Callable[[], None]) -> None:
        self._producer = producer
        self._topic = topic
        self._beat = beat
        self._last: tuple[int, KafkaError | None] | None = None
        self.began = time.monotonic()
        self.records = 0

    def put(self, key: bytes, value: bytes | None) -> None:
        """Adds a record; None is a tombstone. Waits while the producer's queue is full."""
        self._produce(key, value, None)

    def put_last(self, key: bytes, value: bytes) -> None:
        """Adds the part's last record, of which the offset is wanted."""
        self._produce(key, value, self._delivered)

    @property
    def last_offset(self) -> int | None:
        """Of the record of put_last, once the part has committed."""
        return self._last[0] if self._last and self._last[1] is None else None

    def _produce(
        self, key: bytes, value: bytes | None, delivered: Callable[[KafkaError | None, Message], None] | None
    ) -> None:
        deadline = time.monotonic() + _FULL_QUEUE_SECONDS
        while True:
            try:
                self._producer.produce(self._topic, value, key, partition=0, on_delivery=delivered)
                break
            except BufferError:
                if time.monotonic() > deadline:
                    raise KafkaException(KafkaError(KafkaError._TIMED_OUT)) from None
                self._producer.poll(0.1)
                self._beat()
        self.records += 1
        if self.records % 10_000 == 0:
            self._producer.poll(0)
            self._beat()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        offset = message.offset()
        self._last = (-1 if offset is None else offset, error)


class Publisher:
    """Made only by the refresher that leads: making it fences whoever made one before."""

    def __init__(self, config: Config, beat: Callable[[], None], on_error: Callable[[KafkaError], None]) -> None:
        """Aborts what an earlier leader left open. Raises OperatorError or KafkaException."""
        self._topic = config.denylist.topic
        self._beat = beat
        settings = clients.refresh_producer(config, on_error)
        self._producer = Producer(settings)
        try:
            self._producer.init_transactions(_INIT_SECONDS)
        except KafkaException as e:
            raise failures.operator_error(e, str(settings["transactional.id"])) or e from None

    @contextmanager
    def part(self) -> Iterator[Part]:
        """A transaction that commits at the end of the block, and aborts when the block raises.

        Raises OperatorError, Fenced or PartLost; after each of them this publisher must not be used again.
        """
        try:
            self._producer.begin_transaction()
            part = Part(self._producer, self._topic, self._beat)
            yield part
            self._commit()
        except KafkaException as e:
            raise self._after(e) from None
        except BaseException:
            self._abort()
            raise

    def _commit(self) -> None:
        deadline = time.monotonic() + _COMMIT_SECONDS
        while True:
            self._beat()
            try:
                self._producer.commit_transaction(10.0)
            except KafkaException as e:
                if not failures.error_of(e).retriable() or time.monotonic() > deadline:
                    raise
            else:
                return

    def _after(self, failure: KafkaException) -> Exception:
        error = failures.error_of(failure)
        if error.fatal():
            return Fenced(failures.describe(error))
        self._abort()
        return failures.operator_error(error, self._topic) or PartLost(failures.describe(error))

    def _abort(self) -> None:
        with suppress(KafkaException):  # the next publisher's init_transactions aborts it
            self._producer.abort_transaction(10.0)
