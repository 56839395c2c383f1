"""Whole pulls into a spool: what is sealed, counted, set aside, retried and cancelled; and what no file ever holds."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from crawlsieve import _native
from crawlsieve.denylist.policy import Policy
from crawlsieve.refresh.checkpoint import Checkpoint, CheckpointSeal
from crawlsieve.refresh.feed import Feed, interim
from crawlsieve.refresh.fetch import connect
from crawlsieve.refresh.ledger import SIGNALS
from crawlsieve.refresh.pull import Cancelled, Patience, Pulled, pull
from crawlsieve.refresh.refusal import Refused, Unavailable
from crawlsieve.refresh.spool import Spool

SECRET = bytes(range(32))
KEYS = _native.Keys(SECRET)
ID = bytes(16)
PROBE = hashlib.sha512(b"probe").hexdigest()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with connect() as made:
        yield made


def make(source: Path, **settings: Any) -> Feed:
    base = {
        "source": str(source),
        "format": "text",
        "columns": {},
        "signal": "url",
        "match": "page",
        "max_distance": {},
        "category": "csam",
        "every": timedelta(hours=1),
        "max_age": None,
        "required": False,
        "max_shrink": 0.2,
        "canary": None,
        "overruled_by": [],
        "action": "quarantine",
        "credentials_file": None,
    }
    return Feed("f", SimpleNamespace(**{**base, **settings}))  # type: ignore[arg-type]


def do(
    feed: Feed, client: httpx.Client, spool: Path, known: Checkpoint | None = None, cancelled: bool = False
) -> Pulled | None:
    event = threading.Event()
    if cancelled:
        event.set()
    return pull(feed, KEYS, ID, client, known, spool / "pulled", event, Patience(3, 0.001, 0.001))


def entries(pulled: Pulled | None, directory: Path) -> dict[bytes, bytes]:
    assert pulled is not None
    spool = Spool(directory, lambda: None)
    return {key: value for key, value, _ in spool.additions(KEYS.feed_tag("f"), pulled.path, b"")}


def test_signal_codes_are_those_of_the_native_core() -> None:
    digits = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128, "pdq": 64}
    sealer = _native.Sealer(KEYS, ID, "f", 4)
    for code, signal in SIGNALS.items():
        kind = signal.removeprefix("url_")
        value = "https://example.com/" if signal == "url" else PROBE[: digits.get(kind, 16)]
        width = "exact" if signal == "url" else None
        (sealed,) = sealer.seal(signal, [value], width=width, categories="c")
        assert not isinstance(sealed, str)
        assert sealed[0][1] == code


def test_a_pull(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    md5 = PROBE[:32]
    path.write_text(
        f"u,m,r,k\nhttp://a.example/,{md5},1,Kind_A\nhttp://a.example/,,1,\nno url,00,2,\n,,3,\nhttp://a.example/,,2,\n"
    )
    columns = {"url": "u", "md5": "m", "record_id": "r", "category": "k"}
    pulled = do(make(path, format="csv", columns=columns), client, tmp_path)
    assert pulled is not None
    assert pulled.judged.counts == {"url": 2, "md5": 1}
    assert pulled.judged.set_aside == {"invalid-url": 1, "invalid-length": 1, "no-value": 1}
    assert pulled.judged.values == 7
    sealer = make(path).sealer(KEYS, ID)
    expected = sealer.seal(
        "url", ["http://a.example/"] * 2, width="page", categories="csam", record_ids=["1", "2"]
    ) + sealer.seal("md5", [md5], categories="kind_a", record_ids=["1"])
    assert entries(pulled, tmp_path) == dict(e for e in expected if not isinstance(e, str))


def test_nothing_plain_reaches_the_disk(client: httpx.Client, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    path = tmp_path / "list"
    path.write_text("".join(f"https://listed{n}.example.com/\n" for n in range(3000)))
    assert len(entries(do(make(path), client, spool), spool)) == 3000
    files = [file for file in spool.iterdir() if file.is_file()]
    assert files
    for file in files:
        assert b"listed" not in file.read_bytes()


def test_odd_categories_become_the_feeds(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    odd = ["x" * 25, "a b", "http://e/", "ü", *[f"kind{n}" for n in range(40)]]
    path.write_text("u,k\n" + "".join(f"http://e.example/{n},{k}\n" for n, k in enumerate(odd)))
    feed = make(path, format="csv", columns={"url": "u", "category": "k"})
    found = entries(do(feed, client, tmp_path), tmp_path)
    urls = [f"http://e.example/{n}" for n in range(len(odd))]
    wanted = ["csam"] * 4 + [f"kind{n}" for n in range(32)] + ["csam"] * 8
    assert found == dict(feed.sealer(KEYS, ID).seal("url", urls, width="page", categories=wanted))  # type: ignore[arg-type]


def test_an_unchanged_source_and_another_shape(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text("http://a.example/\n")
    first = do(make(path), client, tmp_path)
    assert first is not None
    assert do(make(path), client, tmp_path, first.checkpoint) is None
    for change in ({"match": "host"}, {"category": "other"}, {"signal": "url", "canary": "http://a.example/"}):
        assert do(make(path, **change), client, tmp_path, first.checkpoint) is not None
    assert do(make(path, action="allow", required=True), client, tmp_path, first.checkpoint) is None


def test_an_unavailable_source_is_tried_again(client: httpx.Client, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        do(make(tmp_path / "missing"), client, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_list_leaves_no_file(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"http://a.example/\n\xff\n")
    with pytest.raises(Refused):
        do(make(path), client, tmp_path)
    path.write_bytes(b"http://a.example/\n")
    with pytest.raises(Cancelled):
        do(make(path), client, tmp_path, cancelled=True)
    assert [file.name for file in tmp_path.iterdir()] == ["list"]


def test_a_canary_that_no_list_could_have(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"http://a.example/\n")
    with pytest.raises(Refused) as caught:
        do(make(path, signal="md5", canary="hush"), client, tmp_path)
    assert caught.value.reason == "canary-missing"
    assert "hush" not in str(caught.value)


def test_checkpoints_tell_nothing_without_the_secret() -> None:
    seal, checkpoint = CheckpointSeal(SECRET), Checkpoint("shape", etag="hush", file=(1, 2, 3), counts={"url": 7})
    text = seal.seal("f", checkpoint)
    assert "hush" not in text
    opened = seal.open("f", text)
    assert opened == checkpoint
    assert opened.counts == {"url": 7}
    assert seal.open("g", text) is None
    assert CheckpointSeal(SECRET[::-1]).open("f", text) is None
    for text in ("", "{}", "[]", "nonsense", '{"sealed": "AA=="}', '{"sealed": 3}'):
        assert seal.open("f", text) is None


def test_between_two_pulls_the_stricter_policy_holds() -> None:
    canary = "00" * 42
    old = Policy(action="quarantine", max_distance={"pdq": 31}, overruled_by=("a", "b"), canary=canary, required=True)
    new = Policy(action="allow", max_distance={"pdq": 10, "phash": 4}, overruled_by=("b", "c"))
    for one, other in ((old, new), (new, old)):
        between = interim(one, other)
        assert between.action == "quarantine"
        assert between.max_distance == {"pdq": 31, "phash": 4}
        assert between.overruled_by == ("b",)
        assert between.canary == one.canary
