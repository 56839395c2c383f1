"""The twin of the native Avro reader: fastavro builds the whole event, then a plain walk follows the mapped path.

Never give it arrays nested thousands deep: fastavro 1.13 dies of a segmentation fault on them.
"""

import io
from collections.abc import Iterator
from typing import Any, TypeAlias

import fastavro

Schema: TypeAlias = str | dict[str, Any] | list[Any]
Value: TypeAlias = str | bytes | int


class Unreadable(Exception):
    """The datum is truncated, does not fit its schema, or has bytes after its end."""


def without_logical_types(schema: Any) -> Any:
    """The same schema, in which fastavro leaves timestamps, UUIDs and decimals as the wire has them."""
    if isinstance(schema, dict):
        return {key: without_logical_types(part) for key, part in schema.items() if key != "logicalType"}
    if isinstance(schema, list):
        return [without_logical_types(part) for part in schema]
    return schema


def read(schema: Schema, datum: bytes) -> Any:
    """The event as Python objects; strings that are not UTF-8 hold surrogates. Raises Unreadable."""
    parsed = fastavro.parse_schema(without_logical_types(schema))
    stream = io.BytesIO(datum)
    try:
        event = fastavro.schemaless_reader(stream, parsed, None, handle_unicode_errors="surrogateescape")
    except Exception as error:  # fastavro has no exception of its own for damaged datums
        raise Unreadable from error
    if stream.tell() != len(datum):
        raise Unreadable
    return event


def values(schema: Schema, datum: bytes, path: str) -> list[Value]:
    """What the path holds, in the order of the event; null, empty strings, empty bytes and empty arrays are missing.

    A component may be an alias, but then the path may not use the same field's name elsewhere. Raises Unreadable.
    """
    components = path.split(".")
    return list(_walk(read(_renamed(schema, set(components)), datum), components))


def _renamed(schema: Any, components: set[str]) -> Any:
    """The same schema, in which fields are named by the aliases that the path uses: the wire has no names."""
    if isinstance(schema, list):
        return [_renamed(part, components) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _renamed(part, components) for key, part in schema.items()}
    for alias in components.intersection(schema.get("aliases", [])):
        parts["name"] = alias
    return parts


def _walk(value: Any, components: list[str]) -> Iterator[Value]:
    if isinstance(value, list):
        for element in value:
            yield from _walk(element, components)
    elif components:
        if isinstance(value, dict) and components[0] in value:
            yield from _walk(value[components[0]], components[1:])
    elif (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str | bytes) and value):
        yield value
