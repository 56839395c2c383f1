"""Settings of our Kafka clients: the user's, and on top of them those that the guarantees stand on."""

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError

from crawlsieve.config import Config
from crawlsieve.telemetry import log

# Fetching pauses for fetch.queue.backoff.ms (1 s by default) once queued.min.messages are waiting: left as it is, a
# screener that drains its queue between two batches would idle for most of that second.
_QUICK_FETCH = {"fetch.queue.backoff.ms": 5, "fetch.wait.max.ms": 50}


def admin(config: Config) -> dict[str, Any]:
    """Asks for topics, settings and offsets."""
    return {**config.kafka.client("admin"), "logger": log.LIBRDKAFKA}


def screen_consumer(config: Config, on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
    """The group member of `screen`."""
    screen = config.screen
    session_ms = round(screen.session_timeout.total_seconds() * 1000)
    return {
        "heartbeat.interval.ms": max(session_ms // 6, 100),
        "queued.min.messages": max(2 * screen.max_batch, 1000),
        **_QUICK_FETCH,
        **config.kafka.client("consumer"),
        "error_cb": on_error,
        "logger": log.LIBRDKAFKA,
        "group.id": screen.group,
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": session_ms,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A silent jump to either end would lose events or screen them twice; see assignment.py.
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    }


def screen_producer(config: Config, transactional_id: str, on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
    """The transactional producer of `screen`."""
    return {
        # Reached while a batch is handed over, not waited for: the transaction's commit flushes.
        "linger.ms": 5,
        # How long a commit waits before it asks a coordinator that is still busy with the one before again.
        "retry.backoff.ms": 10,
        "retry.backoff.max.ms": 250,
        # The topic's limit decides, not the client's: the broker's refusal is what the halving looks for.
        "message.max.bytes": 1_000_000_000,
        **config.kafka.client("producer"),
        "error_cb": on_error,
        "logger": log.LIBRDKAFKA,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": round(config.screen.transaction_timeout.total_seconds() * 1000),
        "enable.idempotence": True,
        "acks": "all",
        # Neither the clean bytes' partition nor their order may depend on a setting.
        "partitioner": "murmur2_random",
    }


def follower(config: Config, on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
    """Reads one topic from where it is told to, outside any group: the replica, the refresher's state, the audit."""
    return {
        **_QUICK_FETCH,
        **config.kafka.client("consumer"),
        "error_cb": on_error,
        "logger": log.LIBRDKAFKA,
        "group.id": f"{config.screen.group}-follower",  # librdkafka asks for one; nothing is ever committed
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
    }


def refresh_member(config: Config, on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
    """The group member by which refreshers elect the one that leads."""
    return {
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1000,
        **config.kafka.client("consumer"),
        "error_cb": on_error,
        "logger": log.LIBRDKAFKA,
        "group.id": config.refresh.group,
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
    }


def refresh_producer(config: Config, on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
    """The transactional producer of the refresher that leads. The id is the fence; the election is the group's."""
    return {
        "linger.ms": 20,
        "compression.type": "lz4",
        "retry.backoff.ms": 10,
        "retry.backoff.max.ms": 250,
        **config.kafka.client("producer"),
        "error_cb": on_error,
        "logger": log.LIBRDKAFKA,
        "transactional.id": f"{config.refresh.group}-{config.denylist.topic}",
        "transaction.timeout.ms": 60_000,
        "enable.idempotence": True,
        "acks": "all",
    }
