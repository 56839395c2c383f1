"""The topics that Crawlsieve needs: what each must be like, what is wrong with existing ones, and how to make them."""

from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from rich.console import Console
from rich.table import Table

from crawlsieve.config import Config
from crawlsieve.errors import OperatorError
from crawlsieve.kafka import clients
from crawlsieve.kafka.failures import error_of, operator_error

_SECONDS = 8.0
_DAY_MS = 24 * 60 * 60 * 1000
# A dead letter is the event and, on top of it, the headers that say what is wrong.
_HEADERS_BYTES = 4096


@dataclass(frozen=True)
class InputTopic:
    """What a screener must know of its input before it joins the group."""

    name: str
    partitions: int
    cluster_id: str
    topic_id: str
    """Empty where the broker tells none."""
    retention_seconds: float | None
    same_partitions: bool
    """Whether the clean topic has as many partitions."""


@dataclass(frozen=True)
class Wanted:
    """A topic as designed. `settings` must be equal, `at_least` at least as large; -1 is without limit."""

    name: str
    created_with: int
    """Partitions to create it with."""
    partitions: int | None = None
    """Partitions that it must have; None: any number."""
    settings: dict[str, str] = field(default_factory=dict)
    at_least: dict[str, int] = field(default_factory=dict)


def run(config: Config, create: bool) -> int:
    """The `topics` verb: makes what is missing if `create`, and says what is wrong with what is there.

    Returns 0 if all topics are as designed. Raises OperatorError for missing rights, KafkaException without a broker.
    """
    admin = AdminClient(clients.admin(config))
    console = Console()
    partitions = _partitions(admin, config.events.topic)
    wanted = designed(config, partitions, _settings(admin, config.events.topic) if partitions else {})
    table = Table("topic", "state")
    faults = 0
    for topic in wanted:
        found = _partitions(admin, topic.name)
        if found is None and create:
            _create(admin, topic)
            table.add_row(topic.name, "created")
        elif found is None:
            faults += 1
            table.add_row(topic.name, "missing: run `crawlsieve topics --create`")
        else:
            wrong = faults_of(topic, found, _settings(admin, topic.name))
            faults += len(wrong)
            table.add_row(topic.name, "\n".join(wrong) or "as designed")
    console.print(table)
    return 1 if faults else 0


def designed(config: Config, partitions: int | None, events: dict[str, str]) -> list[Wanted]:
    """All topics as they should be. partitions, events: the input's, where it exists already."""
    count = partitions or 12
    size = int(events.get("max.message.bytes", 1_048_588))
    # Timestamps are the crawlers'; an output that refuses what the input took would turn clean events into dead ones.
    time_limits: dict[str, int] = {
        name: int(events[name])
        for name in ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms")
        if name in events
    }
    for_ever = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    screen = config.screen
    return [
        Wanted(config.events.topic, created_with=count),
        Wanted(
            screen.clean,
            created_with=count,
            partitions=count,
            settings={
                "cleanup.policy": "delete",
                "message.timestamp.type": events.get("message.timestamp.type", "CreateTime"),
            },
            at_least={"max.message.bytes": size, **time_limits},
        ),
        Wanted(screen.quarantine, created_with=4, settings=for_ever),
        Wanted(
            screen.dead_letter,
            created_with=4,
            settings={"cleanup.policy": "delete"},
            at_least={"max.message.bytes": size + _HEADERS_BYTES},
        ),
        Wanted(screen.receipts, created_with=1, settings=for_ever),
        Wanted(
            config.denylist.topic,
            created_with=1,
            partitions=1,
            settings={"cleanup.policy": "compact"},
            at_least={"delete.retention.ms": 7 * _DAY_MS},
        ),
    ]


def faults_of(wanted: Wanted, partitions: int, settings: dict[str, str]) -> list[str]:
    """What is wrong with an existing topic, in words that say what would be right."""
    faults = []
    if wanted.partitions is not None and partitions != wanted.partitions:
        faults.append(f"has {partitions} partitions: {wanted.partitions} would be right")
    for name, value in wanted.settings.items():
        if settings.get(name) != value:
            faults.append(f"{name} is {settings.get(name)}: {value} would be right")
    for name, least in wanted.at_least.items():
        has = int(settings.get(name, "0"))
        if has < least and has != -1:
            faults.append(f"{name} is {has}: at least {least} would be right")
    return faults


def describe_input(config: Config, admin: AdminClient) -> InputTopic:
    """What the screener must know.

    Raises OperatorError for a missing topic or right, KafkaException without a broker.
    """
    screen, name = config.screen, config.events.topic
    metadata = admin.list_topics(timeout=_SECONDS)
    counts = {}
    for topic in (name, screen.clean, screen.quarantine, screen.dead_letter, screen.receipts):
        if (count := _partitions(admin, topic)) is None:
            raise OperatorError(f"topic {topic} does not exist: run `crawlsieve topics --create`")
        counts[topic] = count
    retention = int(_settings(admin, name).get("retention.ms", "-1"))
    return InputTopic(
        name=name,
        partitions=counts[name],
        cluster_id=str(metadata.cluster_id or ""),
        topic_id=topic_id(admin, name),
        retention_seconds=retention / 1000 if retention > 0 else None,
        same_partitions=counts[screen.clean] == counts[name],
    )


def topic_id(admin: AdminClient, topic: str) -> str:
    """The id that a topic keeps until it is deleted; empty where the broker tells none. Raises KafkaException."""
    if not has_controller(admin):
        return ""
    found = admin.describe_topics(TopicCollection([topic]), request_timeout=_SECONDS)[topic].result()
    return str(found.topic_id)


def has_controller(admin: AdminClient, seconds: float = _SECONDS) -> bool:
    """Whether anybody answers admin requests; on librdkafka's mock cluster, which the demo runs on, nobody does.

    Raises KafkaException without a broker.
    """
    listed = admin.list_topics(timeout=seconds)
    return listed.controller_id in listed.brokers


def _partitions(admin: AdminClient, topic: str) -> int | None:
    """How many partitions a topic has; None if it does not exist. Raises OperatorError without the right to see it."""
    listed = admin.list_topics(timeout=_SECONDS)
    if topic in listed.topics:
        return len(listed.topics[topic].partitions)
    # Asked for by name in the metadata request, it might be made by the broker, with settings that nobody chose.
    try:
        found = admin.describe_topics(TopicCollection([topic]), request_timeout=_SECONDS)[topic].result()
    except KafkaException as failure:
        if error_of(failure).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise operator_error(failure, topic) or failure from failure
    return len(found.partitions)


def _settings(admin: AdminClient, topic: str) -> dict[str, str]:
    """The topic's settings; empty where nobody tells them, or without the right to see them."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    if not has_controller(admin):
        return {}
    try:
        entries = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
    except KafkaException as failure:
        if error_of(failure).code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return {}
        raise
    return {name: str(entry.value) for name, entry in entries.items()}


def _create(admin: AdminClient, topic: Wanted) -> None:
    settings = dict(topic.settings) | {name: str(value) for name, value in topic.at_least.items()}
    request = NewTopic(topic.name, num_partitions=topic.created_with, config=settings)
    try:
        admin.create_topics([request], operation_timeout=_SECONDS)[topic.name].result()
    except KafkaException as failure:
        if error_of(failure).code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        if known := operator_error(failure, topic.name):
            raise known from failure
        raise OperatorError(
            f"topic {topic.name} can't be created ({error_of(failure).name()}): "
            "check this user's CREATE right and the cluster's replication settings"
        ) from failure
