"""`crawlsieve screen` with a real Schema Registry: mixed schemas, new ones while running, a registry that goes away."""

import io
import json
import secrets
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from tests.kafka.crawl import Event, publish
from tests.kafka.fixtures import MadeConfig, Process
from tests.kafka.registry import Registry
from tests.kafka.test_screen import check, done
from tests.waiting import wait_for

Start = Callable[..., Process]
Make = Callable[..., MadeConfig]
LISTED = "http://listed.example/page"

PLAIN = {
    "type": "record",
    "name": "Plain",
    "fields": [{"name": "id", "type": "long"}, {"name": "url", "type": "string"}],
}
# The same values elsewhere: behind an alias, in a union, among fields that have to be skipped.
ROUNDABOUT = {
    "type": "record",
    "name": "Roundabout",
    "fields": [
        {"name": "seen", "type": {"type": "map", "values": {"type": "array", "items": "double"}}},
        {"name": "link", "aliases": ["url"], "type": ["string", "null"]},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["IMAGE", "PAGE"]}},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
    ],
}


def registered(client: SchemaRegistryClient, schema: dict[str, Any]) -> int:
    text = json.dumps({**schema, "namespace": f"t{secrets.token_hex(4)}"})
    return client.register_schema(f"s{secrets.token_hex(6)}", Schema(text, "AVRO"))


def datum(schema_id: int, schema: dict[str, Any], record: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    out.write(struct.pack(">bI", 0, schema_id))
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return out.getvalue()


def test_schemas_mix_come_while_running_and_hold_when_they_can_not_be_had(
    make_config: Make, process: Start, tmp_path: Path
) -> None:
    (tmp_path / "urls.txt").write_text(f"{LISTED}\n")
    feed = {"kind": "list", "source": str(tmp_path / "urls.txt"), "format": "text"}
    with Registry() as registry:
        client = SchemaRegistryClient({"url": registry.url})
        config = make_config(
            events={"signals": {"url": "url"}},
            schema_registry={"url": registry.url},
            feeds={"urls": feed},
        )
        assert process("refresh", config, "--once").wait() == 0
        plain = registered(client, PLAIN)

        def events(number: int, roundabout: int) -> list[Event]:
            uuid = f"00000000-0000-0000-0000-{number:012d}"
            around = {"seen": {"a": [1.0, 2.0]}, "kind": "PAGE", "id": uuid}
            listed = frozenset({"urls"})
            return [
                Event(datum(plain, PLAIN, {"id": number, "url": f"http://fine.example/{number}"})),
                Event(datum(plain, PLAIN, {"id": number, "url": LISTED}), "quarantined", feeds=listed),
                Event(datum(roundabout, ROUNDABOUT, {**around, "link": f"http://fine.example/{number}"})),
                Event(datum(roundabout, ROUNDABOUT, {**around, "link": LISTED}), "quarantined", feeds=listed),
                Event(datum(roundabout, ROUNDABOUT, {**around, "link": None}), "missing-field"),
            ]

        published = events(1, registered(client, ROUNDABOUT))
        publish(config, published)
        screen = process("screen", config)
        wait_for(done(config, len(published)), 60, lambda: screen.stderr[-3000:])
        later = events(2, registered(client, ROUNDABOUT))
        publish(config, later)
        published += later
        wait_for(done(config, len(published)), 60, lambda: screen.stderr[-3000:])
        check(config, published)
        unseen = registered(client, PLAIN)
        registry.kill()
        publish(config, [Event(datum(unseen, PLAIN, {"id": 3, "url": LISTED}), "quarantined")])
        wait_for(lambda: "registry-away" in screen.holds(), 60, lambda: screen.stderr[-3000:])
        check(config, published)
        assert screen.terminate(10) == 0
