"""The native reader's rules by example: wire format, schema ids, missing fields, unusable schemas."""

import io
import json
from typing import Any

import fastavro
import pytest

from crawlsieve import _native

LISTED = "a" * 32
FREE = "b" * 32


@pytest.fixture(scope="module")
def snapshot() -> _native.Snapshot:
    keys = _native.Keys(bytes(range(32)))
    sealed = _native.Sealer(keys, bytes(16), "listed", 4).seal("md5", [LISTED], categories="test-rows")
    denylist = _native.Denylist(keys, bytes(16))
    denylist.stage([record for record in sealed if not isinstance(record, str)])
    denylist.apply("listed", action="quarantine", max_distance={}, overruled_by=[])
    return denylist.snapshot()


def schema(**kinds: Any) -> dict[str, Any]:
    fields = [{"name": name, "type": kind} for name, kind in kinds.items()]
    return {"type": "record", "name": "Event", "fields": fields}


def wire(schema_id: int, writer: dict[str, Any], event: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(writer), event)
    return b"\0" + schema_id.to_bytes(4, "big") + stream.getvalue()


def reader(
    *paths: str, optional: bool = False, unchecked: str = "dead", id_path: str = "id", **schemas: Any
) -> _native.Reader:
    fields = [(path, "md5", "auto", optional, "dead") for path in paths]
    made = _native.Reader(id_path=id_path, fields=fields, unchecked=unchecked)
    for number, written in schemas.items():
        made.add_schema(int(number.removeprefix("s")), json.dumps(written))
    return made


PLAIN = schema(id="string", md5="string")


def test_schema_ids_are_mixed_within_a_batch(snapshot: _native.Snapshot) -> None:
    other = schema(md5=["string", "null"], more={"type": "map", "values": "long"}, id="string")
    reading = reader("md5", s1=PLAIN, s2=other)
    screened = snapshot.screen(
        reading,
        [
            wire(1, PLAIN, {"id": "e1", "md5": FREE}),
            wire(2, other, {"id": "e2", "md5": LISTED, "more": {"x": 1}}),
            wire(1, PLAIN, {"id": "e3", "md5": LISTED}),
        ],
    )
    assert screened.codes == b"\0\1\1"
    assert [(place, event_id) for place, event_id, _ in screened.quarantined] == [(1, "e2"), (2, "e3")]
    assert screened.checked == {"md5": 3}


def test_schema_ids_that_are_new_are_named_once(snapshot: _native.Snapshot) -> None:
    reading = reader("md5", s1=PLAIN)
    batch = [wire(number, PLAIN, {"id": "e", "md5": FREE}) for number in (9, 1, 8, 9)]
    assert reading.missing([*batch, None, b"", b"\1abcdefgh"]) == [9, 8]
    with pytest.raises(KeyError):
        snapshot.screen(reading, batch)
    reading.reject_schema(9, "unknown-schema")
    reading.add_schema(8, json.dumps(PLAIN))
    assert reading.missing(batch) == []
    screened = snapshot.screen(reading, batch)
    assert screened.codes == b"\2\0\0\2"
    assert [(place, reason) for place, reason, _ in screened.dead] == [(0, "unknown-schema"), (3, "unknown-schema")]
    reading.forget_schema(9)
    assert reading.missing(batch) == [9]


@pytest.mark.parametrize("value", [None, b"", b"\0", b"\0\0\0\0", b"\1\0\0\0\1\2a"])
def test_what_is_not_in_the_wire_format_is_dead(snapshot: _native.Snapshot, value: bytes | None) -> None:
    assert snapshot.screen(reader("md5", s1=PLAIN), [value]).codes == b"\2"


def test_a_truncated_event_is_screened_as_far_as_it_can_be_read(snapshot: _native.Snapshot) -> None:
    written = schema(id="string", md5="string", rest="bytes")
    whole = [wire(1, written, {"id": "e", "md5": md5, "rest": b"rest"}) for md5 in (LISTED, FREE)]
    screened = snapshot.screen(reader("md5", s1=written), [datum[:-2] for datum in whole])
    assert screened.codes == b"\1\2"
    assert [(place, reason) for place, reason, _ in screened.dead] == [(1, "truncated")]


def test_a_field_that_the_writer_lacks_is_dead_unless_optional(snapshot: _native.Snapshot) -> None:
    event = wire(1, PLAIN, {"id": "e", "md5": FREE})
    screened = snapshot.screen(reader("md5", "hashes.md5", s1=PLAIN), [event])
    assert screened.dead == [(0, "missing-field", "hashes.md5")]
    assert snapshot.screen(reader("md5", "hashes.md5", optional=True, s1=PLAIN), [event]).codes == b"\0"


def test_a_listed_value_is_found_beside_a_field_that_the_writer_lacks(snapshot: _native.Snapshot) -> None:
    event = wire(1, PLAIN, {"id": "e", "md5": LISTED})
    assert snapshot.screen(reader("hashes.md5", "md5", s1=PLAIN), [event]).codes == b"\1"


@pytest.mark.parametrize("value", [None, "", []])
def test_null_and_empty_count_as_missing(snapshot: _native.Snapshot, value: Any) -> None:
    written = schema(id="string", md5=["null", "string", {"type": "array", "items": "string"}])
    event = wire(1, written, {"id": "e", "md5": value})
    assert snapshot.screen(reader("md5", optional=True, s1=written), [event]).codes == b"\2"
    assert snapshot.screen(reader("md5", optional=True, unchecked="clean", s1=written), [event]).codes == b"\0"


def test_every_element_is_checked(snapshot: _native.Snapshot) -> None:
    picture = {"type": "record", "name": "Picture", "fields": [{"name": "md5", "type": ["null", "string"]}]}
    written = schema(pictures={"type": "array", "items": ["null", picture]}, id="string")
    pictures = [{"md5": FREE}, None, {"md5": None}, {"md5": LISTED}, {"md5": FREE}]
    screened = snapshot.screen(
        reader("pictures.md5", s1=written), [wire(1, written, {"id": "e", "pictures": pictures})]
    )
    assert screened.codes == b"\1"
    assert screened.checked == {"md5": 3}
    assert screened.quarantined[0][1] == "e"


def test_a_key_of_a_map_is_a_component(snapshot: _native.Snapshot) -> None:
    written = schema(id="string", hashes={"type": "map", "values": "string"})
    events = [
        wire(1, written, {"id": "e", "hashes": {"sha1": "no digest", "md5": LISTED}}),
        wire(1, written, {"id": "e", "hashes": {"sha1": LISTED, "md5": FREE}}),
    ]
    assert snapshot.screen(reader("hashes.md5", s1=written), events).codes == b"\1\0"


def test_types_of_referenced_schemas(snapshot: _native.Snapshot) -> None:
    digest = {"type": "fixed", "name": "com.example.Digest", "size": 16}
    hashes = {
        "type": "record",
        "name": "com.example.Hashes",
        "fields": [{"name": "md5", "type": "Digest", "aliases": ["image_md5"]}],
    }
    event = schema(id="string", hashes="com.example.Hashes")
    reading = reader("hashes.image_md5")
    reading.add_schema(1, json.dumps(event), [json.dumps(digest), json.dumps(hashes)])
    assert snapshot.screen(reading, [b"\0\0\0\0\1\2e" + bytes.fromhex(LISTED)]).codes == b"\1"
    with pytest.raises(_native.SchemaUnusable, match=r"com\.example\.Hashes is not defined"):
        reading.add_schema(2, json.dumps(event))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "not JSON"),
        ('"string"', "no record"),
        (json.dumps(schema(id="string", md5="double")), "md5 ends on a double"),
        (json.dumps(schema(id="boolean", md5="string")), "id ends on a boolean"),
        (json.dumps(schema(id="string", md5={"type": "map", "values": "string"})), "md5 ends on a map"),
    ],
)
def test_an_unusable_schema_says_why(text: str, part: str) -> None:
    with pytest.raises(_native.SchemaUnusable, match=part):
        reader("md5").add_schema(1, text)


def test_hostile_nesting_and_counts_end_at_once(snapshot: _native.Snapshot) -> None:
    written = schema(id="string", md5="string", nulls={"type": "array", "items": "null"}, again=["null", "Event"])
    begin = b"\0\0\0\0\1\2e" + b"\x40" + FREE.encode()
    deep = (b"\2e" + b"\x40" + FREE.encode() + b"\0\2") * 100_000
    huge = b"\xfe" + b"\xff" * 8 + b"\1"
    reading = reader("md5", s1=written)
    assert snapshot.screen(reading, [begin + huge + b"\0\0", begin + b"\0\2" + deep]).codes == b"\0\2"
