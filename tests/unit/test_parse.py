"""The four formats of lists, whole and broken, cut into chunks of any size."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlsieve.refresh import parse as module
from crawlsieve.refresh.parse import parse
from crawlsieve.refresh.refusal import Refused


def rows(data: bytes, form: str, columns: dict[str, str] | None = None, size: int = 7) -> tuple[list[Any], int]:
    """(signal, value, record id, category) of every value, sorted by signal, and the rows without a value."""
    found, empty = [], 0
    chunks = (data[at : at + size] for at in range(0, len(data), size))
    for batch, without in parse(chunks, form=form, columns=columns or {}, signal="url"):
        empty += without
        for signal, listed in batch.items():
            found += [(signal, *row) for row in zip(listed.values, listed.record_ids, listed.categories, strict=True)]
    return found, empty


def urls(data: bytes, size: int = 7) -> list[Any]:
    return [row[1] for row in rows(data, "text", size=size)[0]]


@given(st.integers(1, 40), st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.booleans())
def test_text(size: int, end: bytes, mark: bool, ended: bool) -> None:
    lines = ["a", "# no", "", "  b ", "ü/ß", "\tc#d"]
    data = (b"\xef\xbb\xbf" if mark else b"") + end.join(line.encode() for line in lines) + (end if ended else b"")
    assert urls(data, size) == ["a", "b", "ü/ß", "c#d"]


def test_no_lines() -> None:
    assert urls(b"") == []
    assert urls(b"\xef\xbb\xbf") == []


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a\nb\n\xff secret\n", "line 3 "),
        (b"\xffsecret", "line 1 "),
        (b"a\nse\0cret\n", "line 2 "),
        (b"\xff\xfea\0", "UTF-16"),
    ],
)
def test_what_is_not_utf8_is_refused_by_line(data: bytes, line: str) -> None:
    with pytest.raises(Refused, match=line) as caught:
        urls(data)
    assert "secret" not in str(caught.value)
    assert caught.value.reason == "parse"


def test_a_line_without_end_is_refused() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    with pytest.raises(Refused, match="line 1 "):
        list(parse(endless(), form="text", columns={}, signal="url"))


COLUMNS = {"url": "URL", "md5": "MD5", "record_id": "Id", "category": "Kind"}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv(end: str) -> None:
    lines = [
        "Id,URL,x,MD5,Kind",
        '1,"http://a/,""b""",,00,csam',
        "",
        "2, http://c/ ,,,",
        "3,,,,",
        '4,"http://d/',
        '",,,',
    ]
    data = b"\xef\xbb\xbf" + end.join(lines).encode()
    found, empty = rows(data, "csv", COLUMNS)
    assert sorted(found, key=str) == sorted(
        [
            ("url", 'http://a/,"b"', "1", "csam"),
            ("md5", "00", "1", "csam"),
            ("url", "http://c/", "2", None),
            ("url", "http://d/", "4", None),
        ],
        key=str,
    )
    assert empty == 1


@pytest.mark.parametrize(
    ("data", "reason", "text"),
    [
        (b"URL,Other\nsecret,\n", "column-missing", "column MD5 is missing"),
        (b"URL,MD5,URL\nsecret,,\n", "column-missing", "column URL occurs twice"),
        (b"", "column-missing", "URL"),
        (b"URL,MD5\na,b\nsecret\n", "parse", "line 3 has 1 fields"),
        (b"URL,MD5\nsecret,b,c\n", "parse", "line 2 has 3 fields"),
        (b'URL,MD5\n"secret,b\n', "parse", "quotes"),
        (b'URL,MD5\n"secret"x,b\n', "parse", "line 2"),
        (b"URL,MD5\nsecret" + b"x" * 200_000 + b",b\n", "parse", "line 2"),
    ],
)
def test_broken_csv_is_refused(data: bytes, reason: str, text: str) -> None:
    with pytest.raises(Refused, match=text) as caught:
        rows(data, "csv", {"url": "URL", "md5": "MD5"})
    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


def test_ndjson() -> None:
    objects = [{"URL": "a", "Id": 7}, {"URL": None, "MD5": "00"}, {"x": 1}, {"URL": "b", "MD5": "", "Kind": "k"}]
    data = "\n".join(json.dumps(o) for o in objects).encode() + b"\n\n"
    found, empty = rows(data, "ndjson", COLUMNS)
    assert sorted(found, key=str) == sorted(
        [("url", "a", "7", None), ("md5", "00", None, None), ("url", "b", None, "k")], key=str
    )
    assert empty == 1
    assert rows(b"", "ndjson", COLUMNS) == ([], 0)


@pytest.mark.parametrize(
    ("data", "reason", "text"),
    [
        (b'{"URL": "a", "MD5": ""}\n{"URL": "secr', "parse", "line 2 is not JSON"),
        (b'["secret"]\n', "parse", "line 1 is not a JSON object"),
        (b'{"URL": ["secret"], "MD5": ""}', "parse", "line 1: column URL is not a string"),
        (b'{"URL": "secret"}', "column-missing", "column MD5 is in no row"),
    ],
)
def test_broken_ndjson_is_refused(data: bytes, reason: str, text: str) -> None:
    with pytest.raises(Refused, match=text) as caught:
        rows(data, "ndjson", {"url": "URL", "md5": "MD5"})
    assert caught.value.reason == reason
    assert "secret" not in str(caught.value)


def parquet(**columns: pa.Array) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def test_parquet() -> None:
    data = parquet(
        URL=pa.array(["a", None, "b", ""]).dictionary_encode(),
        MD5=pa.array([b"\1" * 16, None, None, b"\2" * 16], pa.binary(16)),
        Id=pa.array([1, 2, 3, 4]),
        Kind=pa.array(["k", "k", None, None], pa.large_string()),
    )
    found, empty = rows(data, "parquet", COLUMNS, size=100)
    assert sorted(found, key=str) == sorted(
        [
            ("url", "a", "1", "k"),
            ("md5", b"\1" * 16, "1", "k"),
            ("url", "b", "3", None),
            ("md5", b"\2" * 16, "4", None),
        ],
        key=str,
    )
    assert empty == 1


def test_broken_parquet_is_refused() -> None:
    whole = parquet(URL=pa.array(["secret"] * 1000), MD5=pa.array([1.5] * 1000))
    for data in (b"", b"secret", whole[:-1], whole[:200] + whole[-200:]):
        with pytest.raises(Refused) as caught:
            rows(data, "parquet", {"url": "URL"}, size=1000)
        assert caught.value.reason == "parse"
        assert "secret" not in str(caught.value)
    for column, text in (("SHA", "column SHA is missing"), ("MD5", "column MD5 holds")):
        with pytest.raises(Refused, match=text):
            rows(whole, "parquet", {"url": "URL", "md5": column}, size=1000)


def test_batches_are_bounded() -> None:
    data = b"".join(b"%d\n" % n for n in range(3 * module.BATCH_ROWS + 1))
    sizes = [len(batch["url"].values) for batch, _ in parse([data], form="text", columns={}, signal="url")]
    assert sizes == [module.BATCH_ROWS] * 3 + [1]
