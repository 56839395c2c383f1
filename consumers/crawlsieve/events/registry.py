"""Writer schemas from a Schema Registry with Confluent's REST API.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

from crawlsieve._native import SchemaUnusable
from crawlsieve.events.writer_schema import RegistryAway, UnknownSchema, WriterSchema

# The screener waits meanwhile, and must go on polling Kafka.
_REQUEST_SECONDS = 3.0
_FETCH_SECONDS = 8.0
_PATIENCE = {"timeout": _REQUEST_SECONDS, "max.retries": 1, "retries.wait.ms": 100, "retries.max.wait.ms": 500}
# More than any schema has that people have written; a registry that names more is broken or hostile.
_MOST_REFERENCES = 500

# Error codes of the API, beside the 404 that a proxy or a wrong path may answer as well.
_SUBJECT_UNKNOWN, _VERSION_UNKNOWN, _SCHEMA_UNKNOWN = 40401, 40402, 40403
_NOT_FOUND = frozenset({40400, _SUBJECT_UNKNOWN, _VERSION_UNKNOWN, _SCHEMA_UNKNOWN})

_Answer = TypeVar("_Answer")


class Registry:
    """One registry. For one thread."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """settings: of confluent-kafka's SchemaRegistryClient (url, basic.auth.user.info and so on)."""
        self._client = SchemaRegistryClient.new_client({**_PATIENCE, **settings})

    def fetch(self, schema_id: int) -> WriterSchema:
        """The schema with this id and all that it refers to. Raises UnknownSchema, RegistryAway, SchemaUnusable."""
        deadline = time.monotonic() + _FETCH_SECONDS
        schema = self._ask(schema_id, partial(self._client.get_schema, schema_id))
        references: dict[tuple[str, int], str] = {}
        self._resolve(schema_id, schema, references, deadline, ())
        return WriterSchema(_avro(schema_id, schema), tuple(references.values()))

    def _resolve(
        self,
        schema_id: int,
        schema: Schema,
        found: dict[tuple[str, int], str],
        deadline: float,
        above: tuple[tuple[str, int], ...],
    ) -> None:
        """Adds what `schema` refers to, deepest first: a named type must be known before the one that uses it."""
        for reference in schema.references or ():
            subject, version = reference.subject, reference.version
            if subject is None or version is None:
                raise SchemaUnusable(f"a reference of schema id {schema_id} names no subject or no version")
            where = (subject, version)
            if where in found:
                continue
            if where in above or len(found) + len(above) >= _MOST_REFERENCES:
                raise SchemaUnusable(f"the references of schema id {schema_id} have no end")
            if time.monotonic() > deadline:
                raise RegistryAway("the Schema Registry is too slow: see how it is")
            registered = self._ask(schema_id, partial(self._client.get_version, subject, version, deleted=True))
            self._resolve(schema_id, registered.schema, found, deadline, (*above, where))
            found[where] = _avro(schema_id, registered.schema)

    def _ask(self, schema_id: int, question: Callable[[], _Answer]) -> _Answer:
        try:
            return question()
        except SchemaRegistryError as refusal:
            status, code = refusal.http_status_code, refusal.error_code
            if status == 404 and code in _NOT_FOUND:
                raise UnknownSchema(schema_id) from None
            raise RegistryAway(_advice(status)) from None
        except Exception as fault:  # many libraries' errors; their texts hold addresses and credentials
            raise RegistryAway(f"the Schema Registry does not answer as one ({type(fault).__name__})") from None


def _avro(schema_id: int, schema: Schema) -> str:
    if (schema.schema_type or "AVRO") != "AVRO" or not schema.schema_str:
        raise SchemaUnusable(f"schema id {schema_id} is of type {schema.schema_type}, and events are Avro")
    return schema.schema_str


def _advice(status: int) -> str:
    if status in (401, 403):
        return f"the Schema Registry refuses us ({status}): renew the credentials in [schema_registry]"
    if status == 404:
        return "schema_registry.url leads to no Schema Registry (404): compare its path with the registry's manual"
    return f"the Schema Registry answers {status}: see how it is"
