"""The peer: consume, produce, commit in transactions, and nothing else. Decodes nothing, looks nothing up.

As plain as it can be written with confluent-kafka, with the librdkafka settings of `crawlsieve screen`, exactly once.
Runs until it is told to stop.
"""

import json
import signal
import sys

from confluent_kafka import Consumer, Producer, TopicPartition


def main() -> None:
    """Takes one argument: JSON with consumer, producer (settings), source, target (topics), batch, delay (seconds)."""
    task = json.loads(sys.argv[1])
    consumer = Consumer(task["consumer"])
    producer = Producer(task["producer"])
    producer.init_transactions()
    going = True

    def stop(*_: object) -> None:
        nonlocal going
        going = False

    def assign(member: Consumer, partitions: list[TopicPartition]) -> None:
        member.incremental_assign([TopicPartition(tp.topic, tp.partition, 0) for tp in partitions])

    signal.signal(signal.SIGTERM, stop)
    consumer.subscribe([task["source"]], on_assign=assign)
    target, batch, delay = task["target"], task["batch"], task["delay"]
    while going:
        messages = [m for m in consumer.consume(batch, delay) if m.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        produce = producer.produce
        last = {}
        for m in messages:
            partition = m.partition()
            last[partition] = m
            while True:
                try:
                    produce(target, m.value(), m.key(), partition, None, None, m.timestamp()[1], m.headers())
                    break
                except BufferError:
                    producer.poll(0.05)
        offsets = [TopicPartition(task["source"], p, m.offset() + 1) for p, m in last.items()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata())
        producer.commit_transaction()
    consumer.close()


if __name__ == "__main__":
    main()
