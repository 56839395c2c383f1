"""The four formats of lists, as batches of values. Faults name lines and columns, never content."""

import csv
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from crawlsieve.refresh.refusal import Refused

BATCH_ROWS = 5_000
MAX_LINE_BYTES = 1 << 20
MAX_PARQUET_BYTES = 2 << 30
"""Parquet is read from its end, so the whole file is held in memory."""

NOT_SIGNALS = ("record_id", "category")
"""Names in `columns` that are no signals."""

_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


@dataclass
class Listed:
    """Listed values of one signal, in the order of the source; all three have the same length."""

    values: list[str | bytes] = field(default_factory=list)
    record_ids: list[str | None] = field(default_factory=list)
    categories: list[str | None] = field(default_factory=list)


Batch = dict[str, Listed]
"""By signal. A row without any value is not in it."""


def parse(
    chunks: Iterable[bytes], *, form: str, columns: Mapping[str, str], signal: str
) -> Iterator[tuple[Batch, int]]:
    """Batches, each with the number of its rows that had no value at all.

    form: text, csv, ndjson or parquet. columns: signal (or record_id, category) = column; signal: of a text list, which
    has no columns. Raises Refused (`parse`) with the line or column at fault.
    """
    if form == "text":
        rows: Iterator[Sequence[Any]] = ((line,) for line in _text(chunks))
        return _batches(rows, [signal])
    names, wanted = list(columns), list(columns.values())
    if form == "csv":
        return _batches(_csv(chunks, wanted), names)
    if form == "ndjson":
        return _batches(_ndjson(chunks, wanted), names)
    if form == "parquet":
        return _batches(_parquet(chunks, wanted), names)
    raise AssertionError(form)


def _batches(rows: Iterator[Sequence[Any]], names: Sequence[str]) -> Iterator[tuple[Batch, int]]:
    signals = [(at, name) for at, name in enumerate(names) if name not in NOT_SIGNALS]
    id_at = names.index("record_id") if "record_id" in names else None
    category_at = names.index("category") if "category" in names else None
    batch: Batch = {}
    count = empty = 0
    for row in rows:
        count += 1
        record_id = None if id_at is None or row[id_at] in ("", None) else str(row[id_at])
        category = None if category_at is None or row[category_at] in ("", None) else str(row[category_at])
        before = empty
        empty += 1
        for at, name in signals:
            value = row[at]
            if isinstance(value, str):
                value = value.strip()
            if value:
                listed = batch.setdefault(name, Listed())
                listed.values.append(value)
                listed.record_ids.append(record_id)
                listed.categories.append(category)
                empty = before
        if count == BATCH_ROWS:
            yield batch, empty
            batch, count, empty = {}, 0, 0
    if count:
        yield batch, empty


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines with their ends, UTF-8, without byte order mark."""
    rest = b""
    number = 0

    def decoded(line: bytes) -> str:
        if number == 1:
            if line.startswith(_BOMS):
                raise Refused("parse", "the list is in UTF-16 or UTF-32: ask the partner for UTF-8")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in line:
            raise Refused("parse", f"line {number} has a NUL byte: check format")
        try:
            return line.decode()
        except UnicodeDecodeError:
            raise Refused("parse", f"line {number} is not UTF-8: ask the partner for UTF-8") from None

    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number += 1
            yield decoded(line + b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise Refused("parse", f"line {number + 1} is longer than {MAX_LINE_BYTES >> 20} MiB: check format")
    if rest:
        number += 1
        yield decoded(rest)


def _text(chunks: Iterable[bytes]) -> Iterator[str]:
    for line in _lines(chunks):
        value = line.strip()
        if value and not value.startswith("#"):
            yield value


def _csv(chunks: Iterable[bytes], wanted: Sequence[str]) -> Iterator[Sequence[str]]:
    """RFC 4180 with a header. A row that is shorter or longer than the header makes the list unreadable."""
    reader = csv.reader(_lines(chunks), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        places = [_place(header, name) for name in wanted]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise Refused("parse", f"line {reader.line_num} has {len(row)} fields, the header has {len(header)}")
            yield [row[at] for at in places]
    except csv.Error:
        raise Refused("parse", f"line {reader.line_num} is not CSV: its quotes do not match") from None


def _place(header: list[str], name: str) -> int:
    if header.count(name) != 1:
        what = "is missing" if name not in header else "occurs twice"
        raise Refused("column-missing", f"column {name} {what} in the header: check columns, or ask the partner")
    return header.index(name)


def _ndjson(chunks: Iterable[bytes], wanted: Sequence[str]) -> Iterator[Sequence[Any]]:
    seen: set[str] = set()
    number = 0
    for number, line in enumerate(_lines(chunks), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise Refused("parse", f"line {number} is not JSON") from None
        if not isinstance(row, dict):
            raise Refused("parse", f"line {number} is not a JSON object")
        values = [row.get(name) for name in wanted]
        for name, value in zip(wanted, values, strict=True):
            if name in row:
                seen.add(name)
            if isinstance(value, dict | list | bool | float):
                raise Refused("parse", f"line {number}: column {name} is not a string")
        yield [str(value) if isinstance(value, int) else value for value in values]
    missing = [name for name in wanted if name not in seen]
    if number and missing:
        raise Refused("column-missing", f"column {missing[0]} is in no row: check columns, or ask the partner")


def _parquet(chunks: Iterable[bytes], wanted: Sequence[str]) -> Iterator[Sequence[Any]]:
    held = pa.py_buffer(_in_memory(chunks))
    try:
        file = pq.ParquetFile(pa.BufferReader(held))
        names = file.schema_arrow.names
        for name in wanted:
            if names.count(name) != 1:
                what = "is missing" if name not in names else "occurs twice"
                raise Refused("column-missing", f"column {name} {what}: check columns, or ask the partner")
            _check_type(name, file.schema_arrow.field(name).type)
        for rows in file.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
            yield from zip(*(rows.column(name).to_pylist() for name in wanted), strict=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError):
        raise Refused("parse", "the file is not Parquet, or damaged: check format, or ask the partner") from None


def _check_type(name: str, kind: pa.DataType) -> None:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    types = pa.types
    if not (
        types.is_string(value)
        or types.is_large_string(value)
        or types.is_binary(value)
        or types.is_large_binary(value)
        or types.is_fixed_size_binary(value)
        or types.is_integer(value)
        or types.is_null(value)
    ):
        raise Refused("parse", f"column {name} holds neither strings nor bytes: check columns")


def _in_memory(chunks: Iterable[bytes]) -> mmap.mmap:
    """The bytes in an anonymous map: never a file, and gone with the last reference to it."""
    descriptor = os.memfd_create("crawlsieve-pull", os.MFD_CLOEXEC)
    try:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_PARQUET_BYTES:
                raise Refused("too-large", f"the Parquet file has more than {MAX_PARQUET_BYTES >> 30} GiB: split it")
            os.writev(descriptor, [chunk])
        if not size:
            raise Refused("parse", "the file is empty, which no Parquet file is")
        return mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
    finally:
        os.close(descriptor)
