"""Where the receipts of a group end: read only when the group's committed offsets have expired."""

from collections.abc import Callable

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from crawlsieve.config import Config
from crawlsieve.kafka import clients, wire
from crawlsieve.screen.outputs import Origin


def ends_of_receipts(config: Config, origin: Origin, stopping: Callable[[], bool]) -> dict[int, int]:
    """The highest `to` of each partition of this very topic (cluster and topic id) in the group's receipts.

    Raises KafkaException; WireError on a receipt that can't be read.
    """
    consumer = Consumer(clients.follower(config, lambda _: None))
    schema = wire.own("receipt")
    ends: dict[int, int] = {}
    try:
        topic = config.screen.receipts
        metadata = consumer.list_topics(topic, timeout=10).topics[topic]
        unread = set(metadata.partitions)
        starts = []
        for partition in unread:
            low, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            starts.append(TopicPartition(topic, partition, low))
        consumer.assign(starts)
        while unread and not stopping():
            for message in consumer.consume(1000, 0.5):
                if (error := message.error()) is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    unread.discard(message.partition())
                elif (value := message.value()) is not None:
                    _note(ends, wire.decode(schema, value), origin)
    finally:
        consumer.close()
    return ends


def _note(ends: dict[int, int], receipt: dict[str, object], origin: Origin) -> None:
    parts = receipt["partitions"]
    if receipt["group"] != origin.group or not isinstance(parts, list):
        return
    for part in parts:
        if (part["cluster_id"], part["topic"], part["topic_id"]) == (origin.cluster_id, origin.topic, origin.topic_id):
            ends[part["partition"]] = max(ends.get(part["partition"], -1), part["to"])
