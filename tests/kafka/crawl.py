"""Crawl events as tests write them: a schema of their own, harmless values, and what should become of each."""

import ctypes
import io
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import fastavro
from confluent_kafka import Producer, cimpl

from tests.kafka.fixtures import MadeConfig
from tests.kafka.reading import Record

SCHEMA_ID = 100
SCHEMA = {
    "type": "record",
    "name": "Link",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "url", "type": "string"},
        {"name": "md5", "type": ["null", "string"]},
    ],
}
_PARSED = fastavro.parse_schema(SCHEMA)
START_MS = 1_790_000_000_000


@dataclass
class Event:
    """One message of the input, and the verdict that it should get."""

    value: bytes | None
    verdict: str = "clean"
    """clean, quarantined, or the reason for which it is dead."""
    key: bytes | None = None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    partition: int = 0
    timestamp: int = START_MS
    feeds: frozenset[str] = frozenset()
    """The feeds that its quarantine record names."""


def datum(number: int, url: str, md5: str | None = None, *, note: str | None = None) -> bytes:
    """One event in the wire format."""
    out = io.BytesIO()
    out.write(struct.pack(">bI", 0, SCHEMA_ID))
    fastavro.schemaless_writer(out, _PARSED, {"id": f"e{number}", "note": note, "url": url, "md5": md5})
    return out.getvalue()


def schemas_in(folder: Path) -> str:
    """Writes the schema where `events.schemas_dir` finds it; returns the folder's name."""
    folder.mkdir(exist_ok=True)
    (folder / f"{SCHEMA_ID}-link.avsc").write_text(json.dumps(SCHEMA))
    return str(folder)


def publish(config: MadeConfig, events: Iterable[Event]) -> None:
    """Writes them in order, each to its partition."""
    producer = Producer(
        {"bootstrap.servers": config.broker.bootstrap, "enable.idempotence": True, "message.max.bytes": 50_000_000}
    )
    for event in events:
        producer.produce(
            config.events,
            event.value,
            event.key,
            event.partition,
            timestamp=event.timestamp,
            headers=event.headers or None,
        )
        producer.poll(0)
    assert producer.flush(30) == 0


def publish_with_raw_header(config: MadeConfig, value: bytes, name: bytes) -> None:
    """Writes one event with a header whose name Python's client would not send, through librdkafka's own interface."""
    library = ctypes.CDLL(cimpl.__file__)
    pointer = ctypes.c_void_p
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = pointer
    fault = ctypes.create_string_buffer(512)
    settings = pointer(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(settings, b"bootstrap.servers", config.broker.bootstrap.encode(), fault, 512)
    producer = pointer(library.rd_kafka_new(0, settings, fault, 512))
    topic, content, heading, end = 1, 4, 9, 0  # rd_kafka_vtype_t
    size = ctypes.c_size_t
    sent = library.rd_kafka_producev(
        *(producer, topic, config.events.encode(), content, value, size(len(value))),
        *(heading, name, b"x", size(1), end),
    )
    assert sent == 0
    assert library.rd_kafka_flush(producer, 20_000) == 0
    library.rd_kafka_destroy(producer)


def header(record: Record, name: str) -> str:
    """The last header of this name."""
    return next((value or b"").decode() for key, value in reversed(record.headers) if key == name)
