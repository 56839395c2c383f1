"""What the audit reads from Kafka: receipts, group offsets, and the outputs as `read_committed` shows them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from crawlsieve.audit.chain import Finding, GroupOffsets, Kept, Link, Outputs, Place, Source
from crawlsieve.config import Config
from crawlsieve.errors import OperatorError
from crawlsieve.kafka import clients, topics, wire
from crawlsieve.kafka.failures import describe, operator_error
from crawlsieve.telemetry import log

_REQUEST_SECONDS = 15.0
# So long without a record, an end or an error: the broker is gone.
_PATIENCE_SECONDS = 60.0
_BATCH = 10_000
_UNSETTLED_SECONDS = 0.02


Tell = Callable[[str, int], None]


class Reader:
    """Reads whole topics, one after another. Raises OperatorError for whatever keeps it from doing so."""

    def __init__(self, config: Config, tell: Tell = lambda _topic, _count: None) -> None:
        """tell: called now and then with the topic and how many of its records have been read."""
        self._consumer = Consumer(clients.follower(config, lambda _: None))
        self._tell = tell
        self.unreadable: list[Finding] = []
        """Records that are not ours, or damaged."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._consumer.close()

    def partitions(self, topic: str) -> list[int]:
        """The topic's partitions."""
        try:
            listed = self._consumer.list_topics(timeout=_REQUEST_SECONDS).topics
        except KafkaException as failure:
            raise _gone(failure, topic) from failure
        if topic not in listed:
            raise OperatorError(f"topic {topic} does not exist, or this user may not see it: run `crawlsieve topics`")
        return sorted(listed[topic].partitions)

    def is_whole(self, topic: str) -> bool:
        """Whether nothing has been deleted from the topic's beginning."""
        try:
            return all(
                self._consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=_REQUEST_SECONDS)[0] == 0
                for number in self.partitions(topic)
            )
        except KafkaException as failure:
            raise _gone(failure, topic) from failure

    def messages(self, topic: str) -> Iterator[Message]:
        """All committed records of the topic, up to the end of each partition."""
        unread = set(self.partitions(topic))
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in unread])
        count, heard = 0, time.monotonic()
        try:
            while unread:
                for message in self._consumer.consume(_BATCH, 0.1):
                    heard = time.monotonic()
                    if (error := message.error()) is None:
                        count += 1
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        unread.discard(int(message.partition() or 0))
                    elif not error.retriable():
                        raise _gone(KafkaException(error), topic)
                self._tell(topic, count)
                if time.monotonic() - heard > _PATIENCE_SECONDS:
                    raise OperatorError(f"nothing came from {topic} for a minute: check the brokers, then audit again")
        finally:
            self._consumer.unassign()

    def records(self, topic: str, schema: wire.OwnSchema) -> Iterator[tuple[Message, dict[str, Any]]]:
        """Our own records in the topic, with their messages; others are noted in `unreadable`."""
        for message in self.messages(topic):
            try:
                yield message, wire.decode(schema, message.value() or b"")
            except wire.WireError as fault:
                where = f"{topic}/{message.partition()}"
                self.unreadable.append(Finding("unreadable", where, f"offset {message.offset()}: {fault}"))


def links(reader: Reader, config: Config) -> Iterator[Link]:
    """The group's receipts."""
    for _, receipt in reader.records(config.screen.receipts, wire.own("receipt")):
        if receipt["group"] != config.screen.group:
            continue
        for part in receipt["partitions"]:
            yield Link(
                Source(part["topic"], part["partition"], part["cluster_id"], part["topic_id"]),
                start=part["from"],
                end=part["to"],
                read=part["read"],
                clean=part["clean"],
                quarantined=part["quarantined"],
                dead=part["dead"],
                gap=part["gap"],
                denylist_id=receipt["denylist_id"],
                version=receipt["version"],
            )


def outputs(reader: Reader, config: Config) -> Outputs:
    """What stands in the output topics."""
    screen = config.screen
    clean = Counter(int(message.partition() or 0) for message in reader.messages(screen.clean))
    kept = list(_quarantined(reader, screen.quarantine))
    kept += _dead(reader, screen.dead_letter)
    named = {"clean": screen.clean, "quarantined": screen.quarantine, "dead": screen.dead_letter}
    return Outputs(
        clean=clean,
        same_partitions=len(reader.partitions(screen.clean)) == len(reader.partitions(config.events.topic)),
        kept=kept,
        whole=frozenset(name for name, topic in named.items() if reader.is_whole(topic)),
        faults=reader.unreadable,
    )


def headers_of(message: Message) -> dict[str, bytes]:
    """The message's headers. Of those with one name the last: an event may have come with such headers of its own."""
    carried = message.headers() or []
    pairs = carried.items() if isinstance(carried, dict) else carried
    return {name: value for name, value in pairs if isinstance(value, bytes)}


def _quarantined(reader: Reader, topic: str) -> Iterator[Kept]:
    for _, record in reader.records(topic, wire.own("quarantine")):
        if record["action"] == "quarantined":  # recalls and releases are later words on the same event
            version = (record["denylist_id"], record["version"])
            yield Kept("quarantined", record["topic"], record["partition"], record["offset"], version)


def _dead(reader: Reader, topic: str) -> Iterator[Kept]:
    for message in reader.messages(topic):
        headers = headers_of(message)
        try:
            origin = headers["crawlsieve.topic"].decode()
            partition, offset = int(headers["crawlsieve.partition"]), int(headers["crawlsieve.offset"])
            yield Kept("dead", origin, partition, offset, None)
        except (KeyError, ValueError):
            text = f"offset {message.offset()}: a dead letter that does not say where its event stood"
            reader.unreadable.append(Finding("unreadable", f"{topic}/{message.partition()}", text))


def committed(config: Config) -> dict[Place, int]:
    """The offsets that the group has committed in the events topic.

    A partition of which a transaction has an offset in the air is asked for again until it has none: without that, its
    committed offset is not told at all. Raises OperatorError.
    """
    admin = _admin(config)
    found: dict[Place, int] = {}
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        unsettled = 0
        for tp in _group_offsets(admin, config):
            if tp.error is not None:
                unsettled += 1
            elif tp.offset >= 0:
                found.setdefault((tp.topic, tp.partition), tp.offset)
        if not unsettled:
            return found
        if time.monotonic() > end:
            group = config.screen.group
            raise OperatorError(f"{unsettled} offsets of group {group} were in open transactions for a whole minute")
        time.sleep(_UNSETTLED_SECONDS)


def _group_offsets(admin: AdminClient, config: Config) -> list[TopicPartition]:
    """With an error in place of offsets that are not settled. Raises OperatorError."""
    group, topic = config.screen.group, config.events.topic
    try:
        known = admin.list_topics(timeout=_REQUEST_SECONDS).topics
        if topic not in known:
            raise OperatorError(f"topic {topic} does not exist, or this user may not see it: run `crawlsieve topics`")
        # By name: a question about all partitions leaves out those whose first offset is in the air.
        partitions = [TopicPartition(topic, number) for number in known[topic].partitions]
        asked = [ConsumerGroupTopicPartitions(group, partitions)]
        future = admin.list_consumer_group_offsets(asked, require_stable=True, request_timeout=_REQUEST_SECONDS)[group]
        listed: list[TopicPartition] = future.result().topic_partitions
    except KafkaException as failure:
        raise _gone(failure, group) from failure
    refused = [tp.error for tp in listed if tp.error and tp.error.code() != KafkaError.UNSTABLE_OFFSET_COMMIT]
    if refused:
        raise _gone(KafkaException(refused[0]), group)
    return listed


def group_offsets(config: Config, before: dict[Place, int]) -> GroupOffsets:
    """The group's offsets now, beside those that were read `before` everything else."""
    admin = _admin(config)
    topic = config.events.topic
    try:
        cluster_id = str(admin.list_topics(timeout=_REQUEST_SECONDS).cluster_id or "")
        topic_id = topics.topic_id(admin, topic)
    except KafkaException as failure:
        raise _gone(failure, topic) from failure
    return GroupOffsets(cluster_id, topic_id, before, committed(config))


def _admin(config: Config) -> AdminClient:
    settings: dict[str, Any] = {**config.kafka.client("admin"), "logger": log.LIBRDKAFKA}
    return AdminClient(settings)


def _gone(failure: KafkaException, what: str) -> OperatorError:
    return operator_error(failure, what) or OperatorError(
        f"no answer from the brokers about {what} ({describe(failure)}): check kafka.bootstrap.servers and the network"
    )
