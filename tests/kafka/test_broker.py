"""The fixtures themselves: what a test is told about Kafka must be true."""

from collections.abc import Callable

from confluent_kafka import Producer

from tests.kafka.broker import Broker
from tests.kafka.reading import Record, committed_offsets, ends


def _transaction(broker: Broker, topic: str, value: bytes) -> Producer:
    producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": f"{topic}-{value.hex()}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, value, b"key", headers=[("h", b"1"), ("h", None)], timestamp=1234)
    producer.flush(20)
    return producer


def test_only_committed_records_are_read(
    broker: Broker, topics: Callable[..., str], committed: Callable[[str], list[Record]]
) -> None:
    topic = topics("t")
    _transaction(broker, topic, b"seen").commit_transaction(20)
    _transaction(broker, topic, b"aborted").abort_transaction(20)
    still_open = _transaction(broker, topic, b"open")

    assert committed(topic) == [Record(topic, 0, 0, b"key", b"seen", (("h", b"1"), ("h", None)), (1, 1234))]
    assert ends(broker.bootstrap, topic, stable=True) != ends(broker.bootstrap, topic, stable=False)
    still_open.abort_transaction(20)
    assert ends(broker.bootstrap, topic, stable=True) == ends(broker.bootstrap, topic, stable=False)
    assert committed_offsets(broker.bootstrap, topic, topic) == {}


def test_a_broker_keeps_its_port_and_data_over_kill_and_restart(own_broker: Callable[..., Broker]) -> None:
    broker = own_broker()
    address = broker.bootstrap
    broker.create_topic("kept", 2, retention_ms=12345)
    broker.kill()
    broker.restart()

    assert broker.bootstrap == address
    assert len(broker.admin().list_topics(timeout=10).topics["kept"].partitions) == 2
    broker.pause()
    broker.resume()
    assert broker.hanging_transactions() == []
