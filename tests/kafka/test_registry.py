"""Writer schemas from a real Schema Registry."""

import json
import secrets
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient

from crawlsieve.config import load
from crawlsieve.events.schemas import RegistryAway, SchemaSource, SchemaUnusable, UnknownSchema
from tests.kafka.fixtures import MadeConfig
from tests.kafka.registry import Registry

_JSON_SCHEMA = "http://json-schema.org/draft-07/schema#"
Make = Callable[..., MadeConfig]


def named(name: str, *types: str) -> str:
    fields = [{"name": f"f{i}", "type": type_} for i, type_ in enumerate(types)]
    return json.dumps({"type": "record", "name": name, "namespace": "test", "fields": fields})


def register(
    registry: Registry, subject: str, schema: str, kind: str = "AVRO", uses: Sequence[SchemaReference] = ()
) -> int:
    """The schema's id."""
    client = SchemaRegistryClient({"url": registry.url})
    return client.register_schema(subject, Schema(schema, kind, list(uses)))


@pytest.fixture
def source(registry: Registry, make_config: Make) -> SchemaSource:
    return SchemaSource(load(make_config(create=False, schema_registry={"url": registry.url}).path, {}))


@pytest.fixture
def subject() -> str:
    return f"s{secrets.token_hex(6)}"


def test_a_schema_is_fetched_by_its_id(registry: Registry, source: SchemaSource, subject: str) -> None:
    number = register(registry, subject, named(subject, "string"))
    found = source.fetch(number)
    assert json.loads(found.text) == json.loads(named(subject, "string"))
    assert found.references == ()


def test_references_come_first_things_first(registry: Registry, source: SchemaSource, subject: str) -> None:
    deep, middle, top = (f"{subject}{part}" for part in ("Deep", "Middle", "Top"))
    register(registry, deep, named(deep, "int"))
    on_deep = SchemaReference(f"test.{deep}", deep, 1)
    register(registry, middle, named(middle, f"test.{deep}"), uses=[on_deep])
    uses = [SchemaReference(f"test.{middle}", middle, 1), on_deep]
    number = register(registry, top, named(top, f"test.{middle}", f"test.{deep}"), uses=uses)
    found = source.fetch(number)
    assert json.loads(found.text)["name"] == top
    assert [json.loads(text)["name"] for text in found.references] == [deep, middle]


def test_an_id_that_is_registered_later_is_found(registry: Registry, source: SchemaSource, subject: str) -> None:
    number = register(registry, subject, named(subject, "string"))
    with pytest.raises(UnknownSchema):
        source.fetch(number + 1)
    later = register(registry, f"{subject}-later", named(f"{subject}Later", "string"))
    assert later == number + 1
    assert source.fetch(later).text


def test_a_schema_that_is_not_avro_is_unusable(registry: Registry, source: SchemaSource, subject: str) -> None:
    number = register(registry, subject, json.dumps({"$schema": _JSON_SCHEMA, "title": subject}), "JSON")
    with pytest.raises(SchemaUnusable, match="JSON"):
        source.fetch(number)


def test_a_path_that_is_no_registry_is_away(registry: Registry, make_config: Make) -> None:
    for path in ("/apis/nothing", ""):
        url = registry.url.removesuffix("/apis/ccompat/v7") + path
        config = make_config(create=False, schema_registry={"url": url})
        with pytest.raises(RegistryAway):
            SchemaSource(load(config.path, {})).fetch(1)


def test_a_registry_that_is_gone_is_away(make_config: Make, subject: str) -> None:
    with Registry() as own:
        source = SchemaSource(load(make_config(create=False, schema_registry={"url": own.url}).path, {}))
        number = register(own, subject, named(subject, "string"))
        assert source.fetch(number).text == named(subject, "string")
        own.kill()
        with pytest.raises(RegistryAway, match="ConnectError"):
            source.fetch(number + 1)
