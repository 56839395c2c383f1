"""The demo's crawl and its account: what is whole reconciles, and whatever is lost, doubled or misjudged does not."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from crawlsieve.audit.chain import Link, Source
from crawlsieve.demo import crawl, readback
from crawlsieve.demo.readback import Topics
from crawlsieve.kafka import wire

CHANGED_AT = 9
FIRST = 3


def test_the_crawl_is_the_same_in_every_run_and_has_every_kind() -> None:
    one, other = crawl.make(), crawl.make()
    assert one.events == other.events
    assert len(one.events) >= 2000
    found = Counter(feed for event in one.events for feed in event.expected)
    assert found.keys() == {"pages", "hosts", "md5-list", "sha256-list", "pdq-list", "dead"}
    assert found["dead"] == 9
    assert all(n >= 20 for feed, n in found.items() if feed != "dead")


def test_events_are_ours_but_for_the_malformed() -> None:
    good = [e for e in crawl.make().events if "dead" not in e.expected]
    assert all(wire.decode(wire.own("crawl-event"), e.value or b"")["id"].encode() == e.key for e in good)


def judged() -> tuple[Topics, list[crawl.Event]]:
    """All events in one partition, judged as the lists say; the list of pages changes at the middle."""
    published, topics = crawl.make().events, Topics()
    middle = len(published) // 2
    for offset, event in enumerate(published):
        version = FIRST if offset < middle else CHANGED_AT
        topics.events[0, offset] = (event.key, event.value)
        listed = {"withdrawn": offset < middle, "added": offset >= middle}.get(event.changing or "", False)
        feeds = event.expected | ({"pages"} if listed else set())
        if feeds == {"dead"}:
            topics.dead.append(((0, offset), "truncated"))
        elif feeds:
            topics.quarantined.append(((0, offset), version, frozenset((feed, "url") for feed in feeds)))
        else:
            topics.clean.append((0, event.key, event.value))
    source = Source("crawl.events", 0, "", "")
    bounds = ((-1, middle, FIRST), (middle, len(published), CHANGED_AT))
    topics.links = [Link(source, start, end, 0, 0, 0, 0, False, "d", version) for start, end, version in bounds]
    return topics, published


def test_what_is_whole_reconciles() -> None:
    topics, published = judged()
    ledger = readback.reconcile(topics, published)
    assert ledger.faults == []
    assert ledger.read == ledger.clean + ledger.quarantined + ledger.dead == len(published)
    assert ledger.changed_at == CHANGED_AT
    gone, new = ledger.effects["withdrawn"], ledger.effects["added"]
    assert gone.before[0] == gone.before[1] > 0 == gone.after[1] < gone.after[0]
    assert new.after[0] == new.after[1] > 0 == new.before[1] < new.before[0]


def _lose_clean(t: Topics) -> None:
    t.clean.pop(70)


def _double_clean(t: Topics) -> None:
    t.clean.insert(70, t.clean[70])


def _disorder_clean(t: Topics) -> None:
    t.clean[70], t.clean[71] = t.clean[71], t.clean[70]


def _change_clean(t: Topics) -> None:
    partition, key, value = t.clean[70]
    t.clean[70] = (partition, key, (value or b"") + b"\0")


def _lose_quarantined(t: Topics) -> None:
    t.quarantined.pop()


def _double_dead(t: Topics) -> None:
    t.dead.append(t.dead[0])


def _stray_dead(t: Topics) -> None:
    t.dead.append(((0, 10**6), "truncated"))


def _lose_event(t: Topics) -> None:
    t.events.popitem()


def _blame_another_feed(t: Topics) -> None:
    offset, version, _ = t.quarantined[-1]
    t.quarantined[-1] = (offset, version, frozenset({("hosts", "url"), ("md5-list", "md5")}))


def _let_a_listed_event_through(t: Topics) -> None:
    offset = next(o for o, _, reasons in t.quarantined if ("md5-list", "url") in reasons)
    at = sum(o < offset for o in t.events if o not in {x for x, _, _ in t.quarantined} | {x for x, _ in t.dead})
    t.quarantined = [one for one in t.quarantined if one[0] != offset]
    t.clean.insert(at, (0, *t.events[offset]))


def _apply_the_change_late(t: Topics) -> None:
    first, second = t.links
    t.links = [dataclasses.replace(first, end=first.end - 200), dataclasses.replace(second, start=first.end - 200)]


@pytest.mark.parametrize(
    "damage",
    [
        _lose_clean,
        _double_clean,
        _disorder_clean,
        _change_clean,
        _lose_quarantined,
        _double_dead,
        _stray_dead,
        _lose_event,
        _blame_another_feed,
        _let_a_listed_event_through,
        _apply_the_change_late,
    ],
)
def test_whatever_is_wrong_does_not_reconcile(damage: Callable[[Any], None]) -> None:
    topics, published = judged()
    damage(topics)
    assert readback.reconcile(topics, published).faults
