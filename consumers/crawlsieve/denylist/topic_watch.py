"""Watches the denylist topic from aside: whether it is still the same topic, and where its end is."""

import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    ListOffsetsResultInfo,
    OffsetSpec,
    ResourceType,
    TopicDescription,
)

from crawlsieve.config import Config
from crawlsieve.denylist.distrust import Unreachable
from crawlsieve.errors import OperatorError
from crawlsieve.kafka import clients
from crawlsieve.kafka.failures import describe, error_of, operator_error
from crawlsieve.kafka.topics import has_controller

_EVERY = 2.0
_REQUEST_SECONDS = 3.0
_DAY = 86_400.0
_MISSING = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)


@dataclass(frozen=True)
class Sighting:
    """What the brokers said of the topic. topic_id is None if they know none of its name."""

    topic_id: str | None
    end: int
    """The offset behind its last committed record and its marker: the last stable offset."""
    reached: int
    """How far the reader had come when the question was asked."""
    asked_at: tuple[float, float]
    """When that was: time.monotonic() and time.time()."""


@dataclass(frozen=True)
class _Question:
    topic: "Future[TopicDescription]"
    end: "Future[ListOffsetsResultInfo]"
    reached: int
    asked_at: tuple[float, float]

    def answered(self) -> bool:
        return self.topic.done() and self.end.done()

    def answer(self) -> Sighting | None:
        """None if the brokers could not tell: that they are away is no news about the topic."""
        try:
            return Sighting(str(self.topic.result().topic_id), self.end.result().offset, self.reached, self.asked_at)
        except KafkaException as failure:
            missing = error_of(failure).code() in _MISSING
            return Sighting(None, -1, self.reached, self.asked_at) if missing else None


class TopicWatch:
    """Asks about the topic every two seconds without ever waiting for the answer, so that reading goes on meanwhile."""

    def __init__(self, config: Config) -> None:
        self._topic = config.denylist.topic
        self._fatal: OperatorError | None = None
        settings: dict[str, Any] = {**clients.admin(config), "error_cb": self._on_error}
        self._admin = AdminClient(settings)
        self._asked: _Question | None = None
        self._ask_at = 0.0

    def topic_id(self) -> str:
        """Waits; empty where nobody tells. Raises Unreachable, and OperatorError if no retry mends it."""
        try:
            if not has_controller(self._admin, _REQUEST_SECONDS):
                return ""
            found = self._describe().result()
        except KafkaException as failure:
            if error_of(failure).code() in _MISSING:
                raise Unreachable(
                    f"topic {self._topic} does not exist: run `crawlsieve topics --create` and start "
                    "`crawlsieve refresh`; looked for again every few seconds"
                ) from None
            self._fatal = None
            self._admin.poll(0)  # a refused password shows in the callback only; the question itself runs out of time
            if fatal := operator_error(failure, self._topic) or self._fatal:
                raise fatal from None
            raise Unreachable(f"Kafka does not answer ({describe(failure)}); asked again every few seconds") from None
        return str(found.topic_id)

    def tombstones_kept_for(self) -> float:
        """The topic's delete.retention.ms in seconds; Kafka's default, a day, if it may not be asked for."""
        resource = ConfigResource(ResourceType.TOPIC, self._topic)
        try:
            entries = self._admin.describe_configs([resource], request_timeout=_REQUEST_SECONDS)[resource].result()
            return float(entries["delete.retention.ms"].value) / 1000
        except (KafkaException, KeyError, ValueError):
            return _DAY

    def sighting(self, reached: int) -> Sighting | None:
        """The answer to the question before, once; None if there is none yet. Asks the next one when it is time."""
        answer = None
        if self._asked and self._asked.answered():
            answer, self._asked = self._asked.answer(), None
        now = time.monotonic()
        if self._asked is None and now >= self._ask_at:
            self._ask_at = now + _EVERY
            self._asked = _Question(self._describe(), self._end(), reached, (now, time.time()))
        return answer

    def _on_error(self, error: KafkaError) -> None:
        self._fatal = operator_error(error, self._topic) or self._fatal

    def _describe(self) -> "Future[TopicDescription]":
        topics = TopicCollection([self._topic])
        return self._admin.describe_topics(topics, request_timeout=_REQUEST_SECONDS)[self._topic]

    def _end(self) -> "Future[ListOffsetsResultInfo]":
        partition = TopicPartition(self._topic, 0)
        [future] = self._admin.list_offsets(
            {partition: OffsetSpec.latest()},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=_REQUEST_SECONDS,
        ).values()
        return future
