"""Rows of crawl metadata as crawl events: LAION's URL and TEXT, or what img2dataset writes, as it is.

Source of the column names: the README of rom1504/img2dataset ("Output format") and the LAION and DataComp data cards.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from crawlsieve.errors import OperatorError

_BATCH_ROWS = 10_000
_CSV_BLOCK_BYTES = 8 << 20

# What each part of an event is called in the field, in the order of preference; compared without regard to case.
_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "uid", "key"),
    "url": ("url",),
    "caption": ("caption", "text"),
    "md5": ("md5", "image_md5"),
    "sha256": ("sha256", "image_sha256"),
    "pdq": ("pdq",),
}
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_BYTES = {"md5": 16, "sha256": 32, "pdq": 32}
# Ids of rows that bring none: the same row of the same file has the same id whenever it is published.
_NAMESPACE = uuid.UUID("6f0f6a5e-3d5b-5d0c-9a52-6f1d4c4f0a11")


class BadRow(ValueError):
    """A row that can't be made an event. The message is the reason, never a value."""


@dataclass(frozen=True)
class Row:
    """One row as it stands: values by part of the event (id, url, caption, md5, sha256, pdq)."""

    file: str
    number: int
    """Counted from 0."""
    values: dict[str, Any]


@dataclass(frozen=True)
class Unreadable:
    """A line of a CSV file that does not have the file's columns."""


def files(paths: Sequence[Path]) -> list[Path]:
    """The metadata files that are meant: files as given, and those of folders and their subfolders, in order.

    Raises OperatorError for a path that does not exist and for a folder without metadata.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if _kind(p) and p.is_file())
            if not inside:
                raise OperatorError(f"{path}: no .parquet, .csv or .tsv file in this folder")
            found += inside
        elif not path.is_file():
            raise OperatorError(f"{path}: no such file or folder")
        elif not _kind(path):
            raise OperatorError(
                f"{path}: neither Parquet nor CSV; name it .parquet, .csv or .tsv (.gz and .zst as well)"
            )
        else:
            found.append(path)
    return found


def count(file: Path) -> int | None:
    """Rows of a Parquet file; None for CSV, which tells no number."""
    if _kind(file) != ".parquet":
        return None
    try:
        return int(pa_parquet.read_metadata(file).num_rows)
    except (pa.ArrowException, OSError):
        raise OperatorError(f"{file}: not a readable Parquet file") from None


def rows(file: Path) -> Iterator[Row | Unreadable]:
    """The file's rows in order. Raises OperatorError if there is no URL column, or the file turns out damaged."""
    number = 0
    unreadable: list[Unreadable] = []
    try:
        for batch in _batches(file, unreadable):
            yield from unreadable
            unreadable.clear()
            columns = {part: batch.column(at).to_pylist() for part, at in _parts(file, batch.schema.names).items()}
            for values in zip(*columns.values(), strict=True):
                yield Row(file.name, number, dict(zip(columns, values, strict=True)))
                number += 1
        yield from unreadable
    except (pa.ArrowException, OSError):  # its text quotes the file
        raise OperatorError(f"{file}: damaged, or not UTF-8, after row {number}: nothing behind it was read") from None


def event(row: Row, crawled_at: int) -> dict[str, Any]:
    """The record of schemas/1-crawl-event.avsc for a row. crawled_at: milliseconds since 1970, UTC.

    A URL is only asked for, not judged: that is what screening is for. Raises BadRow.
    """
    url = row.values.get("url")
    if not isinstance(url, str) or not url:
        raise BadRow("no-url")
    given = row.values.get("id")
    name = str(given) if given not in (None, "") else uuid.uuid5(_NAMESPACE, f"{row.file}\0{row.number}\0{url}").hex
    caption = row.values.get("caption")
    md5, sha256, pdq = (_digest(row, part) for part in ("md5", "sha256", "pdq"))
    return {
        "id": name,
        "url": url,
        "caption": caption if isinstance(caption, str) else None,
        "crawled_at": crawled_at,
        "image_md5": md5.hex() if md5 else None,
        "image_sha256": sha256,
        "hashes": {"pdq": pdq.hex()} if pdq else None,
    }


def _digest(row: Row, part: str) -> bytes | None:
    value = row.values.get(part)
    if value is None or value in ("", b""):
        return None
    if isinstance(value, str):
        try:
            value = bytes.fromhex(value)
        except ValueError:
            raise BadRow(f"bad-{part}") from None
    if not isinstance(value, bytes) or len(value) != _BYTES[part]:
        raise BadRow(f"bad-{part}")
    return value


def _kind(file: Path) -> str | None:
    name = file.name.lower().removesuffix(".gz").removesuffix(".zst")
    suffix = Path(name).suffix
    return suffix if suffix in _DELIMITERS or file.suffix.lower() == ".parquet" else None


def _parts(file: Path, names: list[str]) -> dict[str, int]:
    """Which column holds which part of an event."""
    lower = [name.lower() for name in names]
    parts = {}
    for part, spellings in _NAMES.items():
        at = next((lower.index(name) for name in spellings if name in lower), None)
        if at is not None:
            parts[part] = at
    if "url" not in parts:
        raise OperatorError(f"{file}: no column named url or URL")
    return parts


def _batches(file: Path, unreadable: list[Unreadable]) -> Iterator[pa.RecordBatch]:
    if _kind(file) == ".parquet":
        with pa_parquet.ParquetFile(file) as parquet:
            names = parquet.schema_arrow.names
            wanted = [names[at] for at in _parts(file, names).values()]
            yield from parquet.iter_batches(_BATCH_ROWS, columns=wanted)
        return

    def skip(_: object) -> Literal["skip"]:
        unreadable.append(Unreadable())
        return "skip"

    delimiter = _DELIMITERS[str(_kind(file))]
    names = _header(file, delimiter)
    with pa_csv.open_csv(
        file,
        read_options=pa_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
        # Not guessed from the first block: a key of digits is a name, and a digest is no number.
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    ) as reader:
        yield from reader


def _header(file: Path, delimiter: str) -> list[str]:
    """The names in the file's first line."""
    with pa_csv.open_csv(
        file,
        parse_options=pa_csv.ParseOptions(
            delimiter=delimiter, newlines_in_values=True, invalid_row_handler=lambda _: "skip"
        ),
    ) as reader:
        return list(reader.schema.names)
