"""The native Avro reader against its twin, on random schemas, random events and damaged ones."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import fastavro
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crawlsieve import _native
from tests.twins import datums

DIGESTS = [hashlib.md5(bytes([number]), usedforsecurity=False).digest() for number in range(24)]
LISTED = set(DIGESTS[:8])
SYMBOLS = [digest.hex() for digest in DIGESTS if digest.hex()[0].isalpha()]
POOLED = st.sampled_from(DIGESTS)
HEXES = st.one_of(POOLED.map(bytes.hex), POOLED.map(lambda digest: digest.hex().upper()), st.just(""))
ANY = "*"
WIRE = b"\0" + (7).to_bytes(4, "big")

Maker: TypeAlias = Callable[[st.DrawFn], Any]


def snapshot() -> _native.Snapshot:
    keys = _native.Keys(bytes(range(32)))
    denylist_id = bytes(16)
    sealed = _native.Sealer(keys, denylist_id, "listed", 4).seal("md5", sorted(LISTED), categories="test-rows")
    denylist = _native.Denylist(keys, denylist_id)
    denylist.stage([record for record in sealed if not isinstance(record, str)])
    denylist.apply("listed", action="quarantine", max_distance={}, overruled_by=[])
    return denylist.snapshot()


SNAPSHOT = snapshot()


@dataclass
class Growing:
    """A schema while it is drawn."""

    draw: st.DrawFn
    names: int = 0
    complete: list[tuple[str, Maker]] = field(default_factory=list)

    def name(self) -> str:
        self.names += 1
        return f"N{self.names}"

    def leaf(self) -> tuple[Any, Maker]:
        number = {"type": "long", "logicalType": "timestamp-millis"}
        leaves: list[tuple[Any, Maker]] = [
            ("string", lambda draw: draw(HEXES)),
            ("string", lambda draw: draw(st.one_of(HEXES, POOLED.map(base64.b64encode).map(bytes.decode)))),
            ("bytes", lambda draw: draw(st.one_of(POOLED, st.just(b"")))),
            ({"type": "fixed", "name": self.name(), "size": 16}, lambda draw: draw(POOLED)),
            (
                {"type": "enum", "name": self.name(), "namespace": "some.names", "symbols": SYMBOLS},
                lambda draw: draw(st.sampled_from(SYMBOLS)),
            ),
            (number, lambda draw: draw(st.integers(0, 2**40))),
            ("boolean", lambda draw: draw(st.booleans())),
            ("float", lambda _: 0.5),
            ("double", lambda draw: draw(st.floats())),
        ]
        leaf: tuple[Any, Maker] = self.draw(st.sampled_from(leaves))
        return leaf

    def kind(self, depth: int, *, branch: bool = False) -> tuple[Any, Maker]:
        choice = self.draw(st.integers(0, 9)) if depth else 0
        match choice:
            case 5:
                items, make = self.kind(depth - 1)
                lengths = st.integers(0, 3)
                return {"type": "array", "items": items}, lambda draw: [make(draw) for _ in range(draw(lengths))]
            case 6:
                of, make_of = self.kind(depth - 1)
                keys = st.lists(st.sampled_from(["f0", "f1", "other"]), unique=True)
                return {"type": "map", "values": of}, lambda draw: {key: make_of(draw) for key in draw(keys)}
            case 7 if not branch:
                return self.union(depth)
            case 8 if self.complete:
                return self.draw(st.sampled_from(self.complete))
            case 7 | 8 | 9:
                return self.record(depth)
            case _:
                return self.leaf()

    def union(self, depth: int) -> tuple[Any, Maker]:
        branches: list[tuple[Any, Maker]] = [("null", lambda _: None)]
        taken = {"null"}
        for _ in range(self.draw(st.integers(1, 3))):
            before = len(self.complete)
            schema, make = self.kind(depth - 1, branch=True)
            # Avro allows one branch of each unnamed type.
            label = schema if isinstance(schema, str) else schema.get("name", schema["type"])
            if label in taken:
                del self.complete[before:]
            else:
                taken.add(label)
                branches.append((schema, make))
        branches.insert(self.draw(st.integers(0, len(branches) - 1)), branches.pop(0))
        return [schema for schema, _ in branches], lambda draw: draw(st.sampled_from(branches))[1](draw)

    def record(self, depth: int, **first: tuple[Any, Maker]) -> tuple[dict[str, Any], Maker]:
        name = self.name()
        namespace = self.draw(st.sampled_from(["", "some.names"]))
        count = self.draw(st.integers(1, 4))
        listed = [(f"f{place}", self.kind(depth - 1)) for place in range(count)]
        for added in first.items():
            listed.insert(self.draw(st.integers(0, len(listed))), added)
        parts = dict(listed)
        fields = []
        for key, (schema, _) in parts.items():
            entry: dict[str, Any] = {"name": key, "type": schema}
            if self.draw(st.booleans()):
                entry["aliases"] = ["unused", f"{name}_{key}"]
            fields.append(entry)
        record = {"type": "record", "name": name, "namespace": namespace, "fields": fields}

        def make(draw: st.DrawFn) -> dict[str, Any]:
            return {key: made(draw) for key, (_, made) in parts.items()}

        # A name without a namespace does not resolve from within one everywhere: only others are used again.
        if namespace and not first:
            self.complete.append((f"{namespace}.{name}", make))
        return record, make


def mappable(schema: Any, named: dict[str, Any], path: tuple[str, ...], fit: set[Any], unfit: set[Any]) -> None:
    """Paths (with aliases) that end on something that can hold a digest, and those with a branch that can't.

    ANY stands for whatever key of a map.
    """
    if isinstance(schema, list):
        for branch in schema:
            mappable(branch, named, path, fit, unfit)
        return
    if isinstance(schema, str) and schema in named:
        schema = named[schema]
    kind = schema if isinstance(schema, str) else schema["type"]
    if isinstance(schema, dict) and schema.get("namespace"):
        named[f"{schema['namespace']}.{schema['name']}"] = schema
    match kind:
        case "record" if len(path) < 5:
            for part in schema["fields"]:
                for name in (part["name"], *part.get("aliases", [])[1:]):
                    mappable(part["type"], named, (*path, name), fit, unfit)
        case "array":
            mappable(schema["items"], named, path, fit, unfit)
        case "map" if len(path) < 5:
            for key in ("f0", "f1", "f2", "f3", "id", "again", ANY):
                mappable(schema["values"], named, (*path, key), fit, unfit)
        case "string" | "bytes" | "fixed" | "enum" | "long":
            fit.add(path)
        case "boolean" | "float" | "double":
            unfit.add(path)


def uses_name_and_alias(path: tuple[str, ...]) -> bool:
    """Such as again.N1_again, which the twin can't follow."""
    return any(f"_{name}" in component for component in path for name in path)


def meets(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(
        wanted in (component, ANY) for component, wanted in zip(path, pattern, strict=True)
    )


@dataclass
class Case:
    schema: dict[str, Any]
    paths: list[str]
    events: list[bytes]

    def reader(self) -> _native.Reader:
        fields = [(path, "md5", "auto", True, "dead") for path in self.paths]
        reader = _native.Reader(id_path="id", fields=fields, unchecked="clean")
        reader.add_schema(7, json.dumps(self.schema))
        return reader

    def found(self, datum: bytes) -> list[datums.Value]:
        return [value for path in self.paths for value in datums.values(self.schema, datum, path)]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    growing = Growing(draw)
    again = (["null", "some.names.Event"], lambda _: None)
    schema, make = growing.record(4, id=("string", lambda draw: draw(st.uuids()).hex), again=again)
    schema |= {"name": "Event", "namespace": "some.names"}
    fit: set[Any] = set()
    unfit: set[Any] = set()
    mappable(schema, {}, (), fit, unfit)
    barred = [path for path in fit if ANY in path or uses_name_and_alias(path) or any(map(partial(meets, path), unfit))]
    usable = sorted(".".join(path) for path in fit.difference(barred))
    paths = draw(st.lists(st.sampled_from(usable), min_size=1, max_size=4, unique=True))
    parsed = fastavro.parse_schema(datums.without_logical_types(schema))
    written = []
    for _ in range(draw(st.integers(1, 4))):
        event = make(draw)
        for _ in range(draw(st.integers(0, 2))):
            event = make(draw) | {"again": event}
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, parsed, event)
        written.append(stream.getvalue())
    return Case(schema, paths, written)


def digest(value: datums.Value) -> bytes | None:
    match value:
        case bytes() if len(value) == 16:
            return value
        case str() if len(value) == 32:
            try:
                return bytes.fromhex(value)
            except ValueError:
                return None
        case str() if len(value) == 24:
            try:
                return base64.b64decode(value, validate=True)
            except ValueError:
                return None
    return None


def verdict(found: Sequence[datums.Value]) -> int:
    digests = [digest(value) for value in found]
    if LISTED.intersection(digests):
        return 1
    return 2 if None in digests else 0


TOLERATED = [HealthCheck.too_slow, HealthCheck.data_too_large]
RANDOM = settings(max_examples=400, deadline=None, suppress_health_check=TOLERATED)


@RANDOM
@given(cases())
def test_events_are_seen_as_fastavro_sees_them(case: Case) -> None:
    screened = SNAPSHOT.screen(case.reader(), [WIRE + datum for datum in case.events])
    found = [case.found(datum) for datum in case.events]
    assert list(screened.codes) == [verdict(values) for values in found]
    assert screened.checked.get("md5", 0) == sum(digest(value) is not None for values in found for value in values)
    ids = [datums.read(case.schema, case.events[position])["id"] for position, _, _ in screened.quarantined]
    assert [event_id for _, event_id, _ in screened.quarantined] == ids


@RANDOM
@given(cases(), st.data())
def test_cut_events_are_dead_unless_a_listed_value_stands_before_the_cut(case: Case, data: st.DataObject) -> None:
    whole = case.events[0]
    cut = data.draw(st.integers(0, len(whole) - 1))
    screened = SNAPSHOT.screen(case.reader(), [WIRE + whole[:cut], WIRE + whole + b"\0"])
    assert screened.codes[0] in ((1, 2) if verdict(case.found(whole)) == 1 else (2,))
    assert screened.codes[1] == (1 if verdict(case.found(whole)) == 1 else 2)


@RANDOM
@given(cases(), st.data())
def test_a_damaged_event_is_clean_only_if_fastavro_agrees(case: Case, data: st.DataObject) -> None:
    damaged = bytearray(case.events[0])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1)) if damaged else 0
        match data.draw(st.integers(0, 2)):
            case 0:
                damaged[place : place + 1] = data.draw(st.binary(min_size=1, max_size=1))
            case 1:
                del damaged[place : place + 1]
            case _:
                damaged[place:place] = data.draw(st.binary(max_size=3))
    screened = SNAPSHOT.screen(case.reader(), [WIRE + damaged])
    if screened.codes[0] == 0:
        assert verdict(case.found(bytes(damaged))) == 0
