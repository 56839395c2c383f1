"""What stands in topics, as a consumer with `isolation.level=read_committed` sees it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

# For half a minute after a broker has come back, its coordinators and leaders may not know of themselves.
_patiently = retry(
    retry=retry_if_exception_type(KafkaException), stop=stop_after_delay(30), wait=wait_fixed(0.3), reraise=True
)


@dataclass(frozen=True)
class Record:
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp: tuple[int, int]
    """(type, milliseconds since 1970)."""


@contextlib.contextmanager
def _consumer(bootstrap: str) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reading",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def read_committed(bootstrap: str, topic: str) -> list[Record]:
    """All records of a topic up to its end, by partition and offset. The end is PARTITION_EOF, never a watermark.

    Within an open transaction the end is where that begins. Raises KafkaException, for one if the topic is unknown.
    """
    found: list[Record] = []
    with _consumer(bootstrap) as consumer:
        known = consumer.list_topics(topic, timeout=10).topics[topic]
        if known.error:
            raise KafkaException(known.error)
        waiting = set(known.partitions)
        start = []
        for partition in waiting:
            low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            start.append(TopicPartition(topic, partition, low))
        consumer.assign(start)
        while waiting:
            for message in consumer.consume(10_000, timeout=0.05):
                if error := message.error():
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    waiting.discard(_number(message.partition()))
                    continue
                found.append(
                    Record(
                        topic,
                        _number(message.partition()),
                        _number(message.offset()),
                        message.key(),
                        message.value(),
                        tuple(cast("list[tuple[str, bytes | None]]", message.headers() or [])),
                        message.timestamp(),
                    )
                )
    return sorted(found, key=lambda record: (record.partition, record.offset))


def _number(value: int | None) -> int:
    assert value is not None
    return value


@_patiently
def committed_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """The group's committed offset of each partition that has one."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    try:
        known = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        found = consumer.committed([TopicPartition(topic, number) for number in known], timeout=20)
        return {tp.partition: tp.offset for tp in found if tp.offset >= 0}
    finally:
        consumer.close()


@_patiently
def ends(bootstrap: str, topic: str, *, stable: bool) -> dict[int, int]:
    """Each partition's last stable offset, or its high watermark. They differ while a transaction is open."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    known = admin.list_topics(topic, timeout=10).topics[topic].partitions
    level = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in known}
    answers = admin.list_offsets(asked, isolation_level=level)
    return {tp.partition: future.result(20).offset for tp, future in answers.items()}
