"""The embedded broker: librdkafka's built-in mock cluster, in this process's memory. Nothing to install."""

import time

from confluent_kafka import Producer

from crawlsieve.errors import OperatorError

_SECONDS = 10.0


class MockCluster:
    """One mock broker on a free port of loopback, for as long as this object lives.

    It makes a topic, with four partitions, when a producer first asks for it. It keeps no transactional offsets, shows
    the records of aborted transactions, and answers no admin requests: good for showing the flow, and for proving
    nothing about exactly-once.
    """

    def __init__(self) -> None:
        self._holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
        broker = next(iter(self._holder.list_topics(timeout=_SECONDS).brokers.values()))
        self.bootstrap = f"{broker.host}:{broker.port}"

    def create(self, topics: list[str]) -> None:
        """Makes the topics and waits until they can be read. Raises OperatorError if they can't."""
        end = time.monotonic() + _SECONDS
        for topic in topics:
            while self._holder.list_topics(topic, timeout=_SECONDS).topics[topic].error is not None:
                if time.monotonic() > end:
                    raise OperatorError(f"the embedded broker does not make topic {topic}")
                time.sleep(0.05)
