"""Rows of metadata files as crawl events."""

import gzip
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from crawlsieve.errors import OperatorError
from crawlsieve.events import metadata
from crawlsieve.kafka import wire

LAION = Path(metadata.__file__).parents[1] / "demo" / "laion.parquet"


def events(file: Path) -> list[dict[str, Any]]:
    return [metadata.event(row, 7) for row in metadata.rows(file)]


def bad(file: Path) -> list[str]:
    reasons = []
    for row in metadata.rows(file):
        if isinstance(row, metadata.Unreadable):
            reasons.append("unreadable-line")
            continue
        try:
            metadata.event(row, 7)
        except metadata.BadRow as reason:
            reasons.append(str(reason))
    return reasons


def test_laion_metadata_as_it_is() -> None:
    found = events(LAION)
    table = pa_parquet.read_table(LAION).to_pylist()
    assert [(e["url"], e["caption"]) for e in found] == [(row["URL"], row["TEXT"]) for row in table]
    assert len({e["id"] for e in found}) == len(table) == metadata.count(LAION)
    assert all(fastavro.validate(e, wire.own("crawl-event").parsed) for e in found[:50])


def test_a_second_run_gives_the_same_ids(tmp_path: Path) -> None:
    copy = tmp_path / LAION.name
    copy.write_bytes(LAION.read_bytes())
    assert [e["id"] for e in events(copy)] == [e["id"] for e in events(LAION)]


def test_img2dataset_output_as_it_is(tmp_path: Path) -> None:
    md5, sha256 = "ab" * 16, "cd" * 32
    rows = [
        {"url": "https://a.example/1", "caption": "one", "key": "000000000", "status": "success", "sha256": sha256,
         "md5": md5, "width": 3, "exif": "{}"},
        {"url": "https://a.example/2", "caption": None, "key": "000000001", "status": "failed_to_download",
         "sha256": None, "md5": None, "width": None, "exif": None},
    ]  # fmt: skip
    file = tmp_path / "00000.parquet"
    pa_parquet.write_table(pa.Table.from_pylist(rows), file)
    first, second = events(file)
    assert (first["id"], first["image_md5"], first["image_sha256"]) == ("000000000", md5, bytes.fromhex(sha256))
    assert (second["url"], second["image_md5"], second["image_sha256"]) == ("https://a.example/2", None, None)


@pytest.mark.parametrize(("name", "open_"), [("m.csv", open), ("m.tsv", open), ("m.csv.gz", gzip.open)])
def test_csv(tmp_path: Path, name: str, open_: Any) -> None:
    mark = "\t" if ".tsv" in name else ","
    file = tmp_path / name
    lines = [("URL", "TEXT", "uid", "pdq"), ("https://a.example/", '"two\nlines"', "007", "0" * 62 + "ff")]
    with open_(file, "wt") as out:
        out.writelines(mark.join(line) + "\n" for line in lines)
    (found,) = events(file)
    assert found["id"] == "007"
    assert found["caption"] == "two\nlines"
    assert found["hashes"] == {"pdq": "0" * 62 + "ff"}


def test_bad_rows_are_told_by_reason_and_leave_the_others(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    good = f"https://a.example/,{'00' * 16}\n"
    file.write_text(f"url,md5\n{good},{'00' * 16}\nhttps://a.example/,zz\nhttps://a.example/,00\na,b,c\n{good}")
    assert sorted(bad(file)) == ["bad-md5", "bad-md5", "no-url", "unreadable-line"]
    assert sum(isinstance(row, metadata.Row) for row in metadata.rows(file)) == 5


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.parquet", b"no parquet https://secret.example/"),
        ("m.csv", b"link,text\nhttps://secret.example/,x\n"),
        ("m.csv", b"url\nhttps://secret.example/\xff\n"),
        ("m.csv", b""),
    ],
)
def test_a_file_that_can_not_be_read_is_named_and_not_quoted(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(OperatorError) as caught:
        list(metadata.rows(file))
    assert str(file) in str(caught.value)
    assert "secret" not in str(caught.value)


def test_folders_are_searched_in_order(tmp_path: Path) -> None:
    for name in ("b/1.parquet", "a/2.csv", "a/2_stats.json", "c.tsv.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [str(f.relative_to(tmp_path)) for f in metadata.files([tmp_path])] == ["a/2.csv", "b/1.parquet", "c.tsv.gz"]


@pytest.mark.parametrize("wrong", ["gone.csv", "notes.txt", "empty"])
def test_paths_without_metadata_are_refused(tmp_path: Path, wrong: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(OperatorError, match=wrong):
        metadata.files([tmp_path / wrong])
