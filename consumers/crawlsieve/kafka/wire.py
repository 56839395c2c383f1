"""Our own records: Avro in the Confluent wire format (zero byte, four-byte big-endian schema id, datum).

The schemas are the files `schemas/<id>-<name>.avsc`; without a Schema Registry those numbers are the ids on the wire.
"""

import io
import json
import struct
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import fastavro

MAGIC = 0
_HEADER = struct.Struct(">bI")


class WireError(ValueError):
    """A value that is not the expected record in the wire format. The message never holds the value."""


@dataclass(frozen=True)
class OwnSchema:
    """One of our record schemas."""

    id: int
    name: str
    text: str
    parsed: Any


@cache
def own_schemas() -> dict[str, OwnSchema]:
    """All of them, by name."""
    found = {}
    for file in resources.files("crawlsieve.schemas").iterdir():
        number, _, name = file.name.removesuffix(".avsc").partition("-")
        if file.name.endswith(".avsc"):
            text = file.read_text("utf-8")
            found[name] = OwnSchema(int(number), name, text, fastavro.parse_schema(json.loads(text), named_schemas={}))
    return found


def own(name: str) -> OwnSchema:
    """The schema `crawl-event`, `quarantine`, `receipt`, `denylist-entry` or `denylist-status`."""
    return own_schemas()[name]


def encode(schema: OwnSchema, record: dict[str, Any]) -> bytes:
    """The record in the wire format. Raises ValueError or TypeError if it does not fit the schema."""
    out = io.BytesIO()
    out.write(_HEADER.pack(MAGIC, schema.id))
    fastavro.schemaless_writer(out, schema.parsed, record)
    return out.getvalue()


def schema_id(data: bytes) -> int:
    """The schema id in the header. Raises WireError."""
    if len(data) < _HEADER.size or data[0] != MAGIC:
        raise WireError("the value is not in the Confluent wire format")
    return int(_HEADER.unpack_from(data)[1])


def decode(schema: OwnSchema, data: bytes) -> dict[str, Any]:
    """The record in `data`. Raises WireError if it is of another schema, damaged or followed by more bytes."""
    if (found := schema_id(data)) != schema.id:
        raise WireError(f"schema id {found} where {schema.id} ({schema.name}) was expected")
    stream = io.BytesIO(data)
    stream.seek(_HEADER.size)
    try:
        record = fastavro.schemaless_reader(stream, schema.parsed, None)
    except Exception:
        raise WireError(f"a damaged {schema.name} record") from None  # the cause's text may hold values
    if stream.read(1) or not isinstance(record, dict):
        raise WireError(f"a damaged {schema.name} record")
    return record
