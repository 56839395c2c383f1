"""What the demo's crawlers publish, and what the demo's partners list: made from real rows, the same in every run."""

import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from crawlsieve.kafka import wire

ROWS = 2500
_RECRAWL_EVERY = 40
_LISTED_HOSTS = 3
_MOST_ON_A_HOST = 30
# Feeds of the demo, and how its rows fall on them: of every so many rows, the one at this place is listed.
PAGES, HOSTS, MD5, SHA256, PDQ, ALLOWED = ("pages", "hosts", "md5-list", "sha256-list", "pdq-list", "allowed")
FEEDS = (PAGES, HOSTS, MD5, SHA256, PDQ)
"""The feeds that quarantine."""
_LISTED = {PAGES: (50, 7), MD5: (100, 13), SHA256: (100, 27), PDQ: (100, 41)}


@dataclass(frozen=True)
class Event:
    """One Kafka message, and what becomes of it if all goes well."""

    key: bytes | None
    value: bytes | None
    expected: frozenset[str]
    """The feeds that it matches; `dead` if it can't be vouched for. Empty: clean."""
    changing: str | None = None
    """`withdrawn` or `added`: it carries the URL whose listing is changed while events flow."""


@dataclass
class Lists:
    """The partners' lists, by feed, as they are written into files."""

    pages: list[str]
    hosts: list[str]
    md5: list[str]
    sha256: list[str]
    pdq: list[str]
    allowed: list[str]
    withdrawn: str
    """A page that is listed at first, and then no longer."""
    added: str
    """A page that is listed only later."""


@dataclass
class Crawl:
    """Everything that is published, in order, and the lists beside it."""

    lists: Lists
    events: list[Event]
    _urls: dict[str, str] = field(repr=False)
    _again: int = 0

    def recrawl(self, changing: str) -> Event:
        """Another visit to the page whose listing changes, as an event with an id of its own."""
        self._again += 1
        name = f"again-{self._again:05}"
        return Event(name.encode(), _encode(_record(name, self._urls[changing], None)), frozenset(), changing)


def make() -> Crawl:
    """The demo's crawl, from the bundled rows."""
    table = pa_parquet.read_table(pa.BufferReader((resources.files("crawlsieve.demo") / "laion.parquet").read_bytes()))
    rows = table.to_pylist()[:ROWS]
    records = [_record(f"row-{number:05}", row["URL"], row["TEXT"]) for number, row in enumerate(rows)]
    lists = _lists(records)
    crawl = Crawl(lists, [], {"withdrawn": lists.withdrawn, "added": lists.added})
    malformed = _malformed(lists.md5[0])
    for number, record in enumerate(records):
        if record["url"] not in (lists.withdrawn, lists.added):
            crawl.events.append(Event(record["id"].encode(), _encode(record), _expected(record, lists)))
        if number % _RECRAWL_EVERY == 0:
            crawl.events += [crawl.recrawl("withdrawn"), crawl.recrawl("added")]
        if number % (ROWS // len(malformed)) == 100:
            crawl.events.append(malformed.pop())
    crawl.events += malformed
    return crawl


def _record(name: str, url: str, caption: str | None) -> dict[str, Any]:
    """An event with fingerprints that look like real ones and are derived from its id."""

    def digest(kind: str, size: int) -> bytes:
        return hashlib.shake_256(f"{kind} {name}".encode()).digest(size)

    return {
        "id": name,
        "url": url,
        "caption": caption,
        "crawled_at": 1_700_000_000_000,
        "image_md5": digest("md5", 16).hex(),
        "image_sha256": digest("sha256", 32),
        "hashes": {"pdq": digest("pdq", 32).hex()},
    }


def _encode(record: dict[str, Any]) -> bytes:
    return wire.encode(wire.own("crawl-event"), record)


def _lists(records: list[dict[str, Any]]) -> Lists:
    listed = {feed: records[at::every] for feed, (every, at) in _LISTED.items()}
    on_host = Counter(_host(record["url"]) for record in records)
    hosts = [host for host, n in on_host.most_common() if n <= _MOST_ON_A_HOST][:_LISTED_HOSTS]
    allowed = next(record["url"] for record in records if _host(record["url"]) == hosts[0])
    withdrawn, added = records[1]["url"], records[2]["url"]
    return Lists(
        pages=[record["url"] for record in listed[PAGES]],
        hosts=hosts,
        md5=[record["image_md5"].upper() for record in listed[MD5]],
        sha256=[record["image_sha256"].hex() for record in listed[SHA256]],
        pdq=[_near(record["hashes"]["pdq"], 1 + 5 * n % 31) for n, record in enumerate(listed[PDQ])],
        allowed=[allowed],
        withdrawn=withdrawn,
        added=added,
    )


def _near(pdq: str, distance: int) -> str:
    """The value with so many of its bits changed."""
    value = int(pdq, 16)
    for bit in random.Random(pdq).sample(range(256), distance):  # noqa: S311 - no secret
        value ^= 1 << bit
    return f"{value:064x}"


def _expected(record: dict[str, Any], lists: Lists) -> frozenset[str]:
    """The feeds that list this event, told by plain comparisons."""
    feeds = set()
    if record["url"] in lists.pages:
        feeds.add(PAGES)
    host = _host(record["url"])
    if any(host == listed or host.endswith(f".{listed}") for listed in lists.hosts):
        feeds.add(HOSTS)
    if record["url"] in lists.allowed:
        feeds.discard(HOSTS)  # the one feed that lets itself be overruled
    if record["image_md5"].upper() in lists.md5:
        feeds.add(MD5)
    if record["image_sha256"].hex() in lists.sha256:
        feeds.add(SHA256)
    own = int(record["hashes"]["pdq"], 16)
    if any((own ^ int(listed, 16)).bit_count() <= 31 for listed in lists.pdq):
        feeds.add(PDQ)
    return frozenset(feeds)


def _malformed(listed_md5: str) -> list[Event]:
    """Events that nobody can vouch for; and one of them is listed all the same."""
    whole = _record("malformed-0", "https://crawl.example/picture.jpg", None)

    def with_(name: str, **parts: object) -> bytes:
        return _encode({**whole, "id": name, **parts})

    values: list[bytes | None] = [
        _encode(whole)[:30],
        _encode(whole)[:-1],
        b'{"url": "https://crawl.example/json"}',
        None,
        with_("malformed-4", image_md5="no hexadecimal digits"),
        with_("malformed-5", image_md5="abcd"),
        with_("malformed-6", image_sha256=b"too short"),
        with_("malformed-7", url=""),
        with_("malformed-8", url="https://"),
    ]
    dead = [Event(f"malformed-{n}".encode(), value, frozenset({"dead"})) for n, value in enumerate(values)]
    return [*dead, Event(b"malformed-9", with_("malformed-9", url="", image_md5=listed_md5), frozenset({MD5}))]


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
