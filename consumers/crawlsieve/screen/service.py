"""The `screen` verb: joins the group whenever there is a denylist to judge by, and leaves it when there is none."""

import threading
import time
from collections.abc import Callable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from crawlsieve import _native
from crawlsieve.config import Config
from crawlsieve.denylist.replica import Replica
from crawlsieve.events.schemas import SchemaSource
from crawlsieve.kafka import clients
from crawlsieve.kafka.failures import describe, error_of, operator_error
from crawlsieve.kafka.topics import InputTopic, describe_input
from crawlsieve.screen.assignment import Assignment
from crawlsieve.screen.judge import Judge
from crawlsieve.screen.lag import Lag
from crawlsieve.screen.member import Member, Surroundings
from crawlsieve.screen.outputs import Origin
from crawlsieve.screen.receipts import ends_of_receipts
from crawlsieve.screen.slot import Slot
from crawlsieve.screen.transaction import OutcomeUnknown, Transaction
from crawlsieve.telemetry.health import Health

_log = structlog.get_logger("crawlsieve.screen")

_FIRST_WAIT, _LONGEST_WAIT = 0.2, 10.0


def run(config: Config, health: Health, stop: threading.Event) -> None:
    """Screens until `stop` is set; retries for ever what time can mend.

    Raises OperatorError for what only an operator can mend: a missing topic or right, a wrong password.
    """
    replica = Replica(config, _native.Keys(config.denylist.secret()), health)
    slot = Slot(config.screen.group)
    on_error = _error_callback(health)

    def stopping() -> bool:
        # Asked in every wait, so that a broker that is slow or away is never taken for a loop that hangs.
        health.heartbeat()
        return stop.is_set()

    transaction = Transaction(clients.screen_producer(config, slot.transactional_id, on_error), stopping)
    judge = Judge(config, SchemaSource(config))
    replica.start()
    wait = _FIRST_WAIT
    try:
        while not stop.is_set():
            health.heartbeat()
            if replica.failure is not None:
                raise replica.failure
            if replica.current is None:
                stop.wait(0.1)  # health says why; the group's other members have the partitions
                continue
            began = time.monotonic()
            try:
                where = describe_input(config, AdminClient(clients.admin(config)))
                around = Surroundings(
                    config,
                    _origin(config, where, slot),
                    replica,
                    judge,
                    transaction,
                    health,
                    stopping,
                    where.same_partitions,
                )
                health.release("kafka-away")
                transaction.ready()  # settles what this slot's last process left, before its offsets are asked for
                _join(around, where, on_error)
            except (KafkaException, OutcomeUnknown) as failure:
                if time.monotonic() - began > _LONGEST_WAIT:
                    wait = _FIRST_WAIT  # a membership that worked
                _explain(failure, config, health, wait)
                transaction.discard()
                stop.wait(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
    finally:
        transaction.discard()
        replica.stop()
        slot.release()


def _join(around: Surroundings, where: InputTopic, on_error: Callable[[KafkaError], None]) -> None:
    """One membership, from joining the group to leaving it."""
    config = around.config
    consumer = Consumer(clients.screen_consumer(config, on_error))
    try:
        partitions = [TopicPartition(where.name, number) for number in range(where.partitions)]
        committed = consumer.committed(partitions, timeout=10)
        # No offset, yet receipts are there: it has expired, and the receipts say where the partition stood.
        expired = any(tp.offset < 0 for tp in committed)
        resume_at = ends_of_receipts(config, around.origin, around.stopping) if expired else {}
        passed = frozenset(config.screen.pass_gaps)
        assignment = Assignment(where.name, where.partitions, passed, resume_at, around.stopping)
        Member(around, consumer, assignment, Lag(where.name, where.retention_seconds)).run()
    finally:
        consumer.close()


def _origin(config: Config, where: InputTopic, slot: Slot) -> Origin:
    return Origin(
        cluster_id=where.cluster_id,
        topic=where.name,
        topic_id=where.topic_id,
        group=config.screen.group,
        member=slot.transactional_id,
        mapping=config.events.digest(),
    )


def _explain(failure: KafkaException | OutcomeUnknown, config: Config, health: Health, wait: float) -> None:
    """Raises OperatorError if waiting is no use; tells health and the log otherwise."""
    if isinstance(failure, OutcomeUnknown):
        _log.warning("outcome-unknown", fault=str(failure), action=f"joining again in {wait:.1f} s")
        return
    if fatal := operator_error(failure, config.events.topic):
        raise fatal from failure
    fault = describe(failure)
    if error_of(failure).code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT):
        health.hold("kafka-away", f"no answer from the brokers ({fault})")
    _log.warning("membership-ended", fault=fault, action=f"joining again in {wait:.1f} s")


def _error_callback(health: Health) -> Callable[[KafkaError], None]:
    def on_error(error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            health.hold("kafka-away", "no broker answers; librdkafka goes on trying")

    return on_error
