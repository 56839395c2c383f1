"""The native verdicts against their twin, on small worlds in which everything collides."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawlsieve import _native
from crawlsieve.kafka import wire
from tests.twins import urls
from tests.twins.screening import Entry, Twin, TwinFeed

KEYS = _native.Keys(bytes(range(32)))
ID = bytes(16)
EVENT = """{"type": "record", "name": "E", "fields": [{"name": "id", "type": "string"}, %s]}"""
SIGNALS = ("url", "md5", "pdq", "phash")

HOSTS = ["a.example", "b.a.example", "c.b.a.example", "example", "1.2.3.4", "x1.2.3.4.example"]
PATHS = ["/", "/p", "/p/", "/p/q", "/p/q/", "/pq", "/p/q/r"]
QUERIES = ["", "?k", "?k=1"]
URLS = st.builds("http://{}{}{}".format, st.sampled_from(HOSTS), st.sampled_from(PATHS), st.sampled_from(QUERIES))
MD5S = st.sampled_from([f"{n:032x}" for n in range(1, 5)])
MASKS = {
    "pdq": [(1 << n) - 1 for n in (0, 1, 5, 30, 31, 32, 60)],
    "phash": [(1 << n) - 1 for n in (0, 1, 4, 5, 10, 11)],
}
BASES = {"pdq": 0x35 * (2**256 // 255), "phash": 0x35 * (2**64 // 255)}
CATEGORIES = st.sampled_from(["csam", "test", "other"])


def perceptual(signal: str) -> st.SearchStrategy[str]:
    digits = 64 if signal == "pdq" else 16
    return st.sampled_from([f"{BASES[signal] ^ mask:0{digits}x}" for mask in MASKS[signal]])


def value(signal: str) -> st.SearchStrategy[str]:
    return URLS if signal == "url" else MD5S if signal == "md5" else perceptual(signal)


VALUES = st.sampled_from(SIGNALS).flatmap(lambda signal: value(signal).map(lambda text: (signal, text)))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    signal = draw(st.sampled_from([*SIGNALS, "url", "url_md5", "url_sha256"]))
    category = draw(CATEGORIES)
    if signal.startswith("url_"):
        return signal, None, urls.hashed(signal, draw(URLS).encode()).hex(), category
    if signal != "url":
        return signal, None, draw(value(signal)), category
    width = draw(st.sampled_from(["exact", "page", "prefix", "host"]))
    text = draw(URLS)
    if width == "prefix":
        text = text.split("?", maxsplit=1)[0]
    if width == "host":
        text = "/".join(text.split("/")[:3])
    return signal, width, text, category


@st.composite
def feeds(draw: st.DrawFn) -> list[TwinFeed]:
    names = ["one", "two", "ours", "theirs"]
    return [
        TwinFeed(
            name,
            draw(st.sampled_from(["quarantine", "quarantine", "allow", "observe"])),
            draw(st.lists(entries(), max_size=6)),
            draw(st.lists(st.sampled_from(names), unique=True, max_size=3)),
            draw(st.fixed_dictionaries({}, optional={"pdq": st.integers(0, 31), "phash": st.integers(0, 10)})),
        )
        for name in draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    ]


def seal(feed: str, entry: Entry, record_id: str | None = None) -> tuple[bytes, bytes]:
    signal, width, listed, category = entry
    sealer = _native.Sealer(KEYS, ID, feed, wire.own("denylist-entry").id)
    (record,) = sealer.seal(signal, [listed], width=width, categories=category, record_ids=[record_id])
    assert not isinstance(record, str), record
    return record


def apply(denylist: _native.Denylist, feed: TwinFeed) -> tuple[dict[str, int], int]:
    return denylist.apply(
        feed.name, action=feed.action, max_distance=feed.max_distance, overruled_by=list(feed.overruled_by)
    )


def blob(data: bytes) -> bytes:
    length, out = len(data) << 1, b""
    while length >= 0x80:
        out, length = out + bytes([length & 0x7F | 0x80]), length >> 7
    return out + bytes([length]) + data


def event(values: Sequence[tuple[str, str]]) -> bytes:
    """One array a signal; Avro by hand."""
    out = b"\0\0\0\0\7" + blob(b"event")
    for signal in SIGNALS:
        of_signal = [text for name, text in values if name == signal]
        out += bytes([len(of_signal) << 1]) if of_signal else b""
        out += b"".join(blob(text.encode()) for text in of_signal) + b"\0"
    return out


def reader() -> _native.Reader:
    arrays = ", ".join(f'{{"name": "{s}", "type": {{"type": "array", "items": "string"}}}}' for s in SIGNALS)
    made = _native.Reader(id_path="id", fields=[(s, s, "auto", True, "dead") for s in SIGNALS], unchecked="clean")
    made.add_schema(7, EVENT % arrays)
    return made


def check(snapshot: _native.Snapshot, twin: Twin, events: list[list[tuple[str, str]]]) -> None:
    screened = snapshot.screen(reader(), [event(values) for values in events])
    expected = [twin.judge(values) for values in events]
    assert [bool(code) for code in screened.codes] == [bool(judgement.reasons) for judgement in expected]
    assert not screened.dead
    found = {
        at: {(r.feed, r.signal, r.category): r.distance for r in reasons} for at, _, reasons in screened.quarantined
    }
    assert found == {at: judgement.reasons for at, judgement in enumerate(expected) if judgement.reasons}
    assert all(len(found[at]) == len(reasons) for at, _, reasons in screened.quarantined)
    assert all(event_id == "event" for _, event_id, _ in screened.quarantined)
    assert screened.matched == Counter(key for judgement in expected for key in judgement.reasons)
    assert screened.cancelled == Counter(key for judgement in expected for key in judgement.cancelled)
    assert screened.observed == Counter(key for judgement in expected for key in judgement.observed)
    assert screened.checked == Counter(signal for values in events for signal, _ in values)


EVENTS = st.lists(st.lists(VALUES, max_size=5), max_size=8)


@settings(max_examples=400, deadline=None)
@given(feeds(), EVENTS)
def test_verdicts(listed: list[TwinFeed], events: list[list[tuple[str, str]]]) -> None:
    denylist = _native.Denylist(KEYS, ID)
    for feed in listed:
        denylist.stage([seal(feed.name, entry) for entry in feed.entries])
        # Of entries with one key, the later category holds.
        feed.entries = list({seal(feed.name, entry)[0]: entry for entry in feed.entries}.values())
        apply(denylist, feed)
    twin = Twin(listed)
    check(denylist.snapshot(), twin, events)
    for signal, text in itertools.chain.from_iterable(events):
        found = {(r.feed, r.signal, r.category): r.distance for r in denylist.snapshot().find(signal, text)}
        expected: dict[tuple[str, str, str], int] = {}
        for match in sorted(twin.matches(signal, text), key=lambda match: -match.distance):
            expected[match.feed, match.signal, match.category] = match.distance
        assert found == expected


@dataclass(frozen=True)
class Step:
    feed: str
    entry: Entry
    record_id: str | None
    put: bool


STEPS = st.builds(
    Step,
    st.sampled_from(["one", "two"]),
    entries(),
    st.sampled_from([None, "r", "s"]),
    st.sampled_from([True] * 2 + [False]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.lists(STEPS, max_size=12), st.booleans()), min_size=1, max_size=4), EVENTS)
def test_a_denylist_that_changes(parts: list[tuple[list[Step], bool]], events: list[list[tuple[str, str]]]) -> None:
    denylist = _native.Denylist(KEYS, ID)
    records: dict[bytes, tuple[str, Entry, bytes]] = {}
    sealer = _native.Sealer(KEYS, ID, "one", 4)
    kept: list[tuple[_native.Snapshot, Twin]] = []
    for steps, drop in parts:
        for step in steps:
            key, sealed = seal(step.feed, step.entry, step.record_id)
            denylist.stage([(key, sealed if step.put else None)])
            records.pop(key, None)
            if step.put:
                records[key] = (step.feed, step.entry, sealed)
        if drop:
            denylist.drop("two")
            records = {key: record for key, record in records.items() if record[0] != "two"}
        twin = Twin(TwinFeed(feed, entries=[e for f, e, _ in records.values() if f == feed]) for feed in ("one", "two"))
        for feed in twin.feeds.values():
            counts, checksum = apply(denylist, feed)
            assert counts == Counter(entry[0] for entry in feed.entries)
            terms = (sealer.term(key, sealed) for key, (of, _, sealed) in records.items() if of == feed.name)
            assert checksum == sum(terms) % 2**128
        kept.append((denylist.snapshot(), Twin([replace(feed) for feed in twin.feeds.values()])))
    for snapshot, twin in kept:
        check(snapshot, twin, events)


def test_what_is_staged_waits_and_what_is_unknown_matches_nothing() -> None:
    denylist = _native.Denylist(KEYS, ID)
    feed = TwinFeed("one", entries=[("md5", None, "00" * 15 + "01", "csam")])
    before = denylist.snapshot()
    denylist.stage([seal("one", feed.entries[0])])
    assert not denylist.snapshot().find("md5", "00" * 15 + "01")
    apply(denylist, TwinFeed("two"))
    assert not denylist.snapshot().find("md5", "00" * 15 + "01")
    assert apply(denylist, feed)[0] == {"md5": 1}
    (reason,) = denylist.snapshot().find("md5", "00" * 15 + "01")
    assert reason.tag == denylist.snapshot().entry_tag(seal("one", feed.entries[0])[0])
    assert not before.find("md5", "00" * 15 + "01")


def test_damaged_records_stage_nothing() -> None:
    denylist = _native.Denylist(KEYS, ID)
    feed = TwinFeed("one", entries=[("pdq", None, f"{BASES['pdq']:064x}", "csam")])
    key, sealed = seal("one", feed.entries[0])
    other = seal("two", feed.entries[0])
    damaged: list[tuple[bytes, bytes | None]] = [
        (key, sealed[:-1]),
        (key, sealed + b"\0"),
        (key, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (key, b""),
        (key[:-1], sealed),
        (key[:-1], None),
        (b"\2" + key[1:], None),
        (key[:1] + b"\x0e" + key[2:], None),
        (key, other[1]),
        (other[0], sealed),
    ]
    for record in damaged:
        with pytest.raises(_native.DamagedRecord) as raised:
            denylist.stage([(key, sealed), record])
        assert str(feed.entries[0][2]) not in str(raised.value)
    assert apply(denylist, feed) == ({}, 0)
    for secret, denylist_id in [(b"x" * 32, ID), (bytes(range(32)), b"x" * 16)]:
        with pytest.raises(_native.DamagedRecord):
            _native.Denylist(_native.Keys(secret), denylist_id).stage([(key, sealed)])


def test_set_aside() -> None:
    sealer = _native.Sealer(KEYS, ID, "one", 4)

    def reasons(signal: str, values: list[str | bytes], width: str | None = None) -> list[str | None]:
        results = sealer.seal(signal, values, width=width, categories="c")
        return [result if isinstance(result, str) else None for result in results]

    assert reasons("md5", ["00" * 16, "d41d8cd98f00b204e9800998ecf8427e", "0g" * 16, "", b"\1" * 16]) == [
        "zero",
        "empty-file",
        "invalid-hex",
        "invalid-length",
        None,
    ]
    assert reasons("pdq", [b"\0" * 32, b"\xff" * 32, b"\x55" * 32]) == ["flat", "flat", None]
    hosts: list[str | bytes] = ["a.example", "a.example/p", "a.example?q", "*.example", "", b"\xff", "\ud800"]
    assert reasons("url", hosts, "host") == [
        None,
        "wider-than-width",
        "wider-than-width",
        "invalid-url",
        "invalid-url",
        "not-utf8",
        "not-utf8",
    ]
    assert reasons("url", ["a.example/p", "a.example/p?q"], "prefix") == [None, "wider-than-width"]


def test_two_spellings_have_one_key() -> None:
    pairs: list[tuple[str, str | None, str | bytes, str | bytes]] = [
        ("url", "page", "HTTP://u@A.example:80/%70?#f", "a.example/p"),
        ("url", "host", "https://a.example./", "A.EXAMPLE"),
        ("md5", None, bytes(15) + b"\1", "00" * 15 + "01"),
        ("pdq", None, b"\x35" * 32, ("35" * 32).upper()),
    ]
    sealer = _native.Sealer(KEYS, ID, "one", 4)
    for signal, width, one, other in pairs:
        first, second = sealer.seal(signal, [one, other], width=width, categories=["c", "c"])
        assert first == second
    keys = {str(sealer.seal("url", ["a.example"], width=w, categories="c")[0][0]) for w in ("exact", "page", "host")}
    assert len(keys) == 3


def test_mistaken_calls() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        _native.Keys(b"short")
    sealer = _native.Sealer(KEYS, ID, "one", 4)
    for signal, width in [("url", None), ("url", "none"), ("md5", "page"), ("crc32", None)]:
        with pytest.raises(ValueError, match=r"width|unknown"):
            sealer.seal(signal, ["a.example"], width=width, categories="c")
    with pytest.raises(ValueError, match="as many"):
        sealer.seal("md5", ["a"], categories=["c", "c"])
    denylist = _native.Denylist(KEYS, ID)
    for action, distance in [("block", {}), ("allow", {"pdq": 32}), ("allow", {"phash": 11}), ("allow", {"md5": 1})]:
        with pytest.raises(ValueError, match=r"unknown|within"):
            denylist.apply("one", action=action, max_distance=distance, overruled_by=[])
    with pytest.raises(ValueError, match="invalid-url"):
        denylist.snapshot().find("url", "nothing")
    with pytest.raises(KeyError):
        denylist.snapshot().screen(reader(), [b"\0\0\0\0\x09"])
    assert reader().missing([None, b"", b"\0\0\0\0\x09", b"\0\0\0\0\x08", b"\0\0\0\0\x09", b"\0\0\0\0\x07"]) == [9, 8]
