"""The holds that the lists give reason for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from crawlsieve import _native
from crawlsieve.denylist.assembly import View
from crawlsieve.denylist.freshness import list_holds
from crawlsieve.denylist.policy import Policy
from crawlsieve.denylist.status import Status

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CANARY = b"\x01" + bytes(41)


@dataclass
class Holding:
    """A snapshot of which only the canary is asked."""

    keys: frozenset[bytes]

    def contains(self, key: bytes) -> bool:
        return key in self.keys


def status(pulled: timedelta | None = timedelta(0), complete: bool = True, **policy: Any) -> Status:
    """A feed that was pulled this long ago."""
    return Status(
        denylist_id=bytes(16),
        feed="partner",
        key_id=bytes(16),
        policy=Policy(**policy).to_json(),
        checksum=0,
        counts={},
        complete=complete,
        pulled_at=0 if pulled is None else round((NOW - pulled).timestamp() * 1000),
        written_at=0,
    )


def holds(feeds: Mapping[str, Status], *keys: bytes, accepted: frozenset[str] = frozenset()) -> dict[str, str]:
    snapshot = cast(_native.Snapshot, Holding(frozenset(keys)))
    return list_holds(View(snapshot, 0, bytes(16), feeds, 0.0, 0), NOW, accepted)


def test_without_a_feed_nothing_may_be_called_clean() -> None:
    assert set(holds({})) == {"no-feed"}
    announced = status(None, complete=False)
    assert set(holds({"one": announced, "two": announced})) == {"no-feed"}
    assert holds({"one": announced, "two": replace(announced, counts={"md5": 1})}) == {}
    assert holds({"one": announced, "two": status()}) == {}


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (status(timedelta(hours=1), required=True, max_age_seconds=7200), set()),
        (status(timedelta(hours=2), required=True, max_age_seconds=7200), set()),
        (status(timedelta(hours=2, seconds=1), required=True, max_age_seconds=7200), {"feed-stale"}),
        (status(timedelta(hours=3), required=False, max_age_seconds=7200), set()),
        (status(timedelta(days=900), required=True, max_age_seconds=None), set()),
        (status(timedelta(hours=-1), required=True, max_age_seconds=7200), {"feed-stale"}),
        (status(None, complete=False, required=True, max_age_seconds=7200), {"feed-incomplete"}),
        (status(None, complete=False, required=False), {"no-feed"}),  # announced, and nothing of it pulled yet
        # A later refresh is under way; its additions are in force, and nothing has been withdrawn yet.
        (status(timedelta(hours=1), complete=False, required=True, max_age_seconds=7200), set()),
    ],
)
def test_age_and_completeness_of_required_feeds(feed: Status, expected: set[str]) -> None:
    assert set(holds({"partner": feed})) == expected


def test_an_accepted_feed_may_be_stale_but_not_incomplete() -> None:
    feeds = {
        "old": status(timedelta(days=2), required=True, max_age_seconds=60),
        "older": status(timedelta(days=3), required=True, max_age_seconds=60),
        "partly": status(None, complete=False, required=True),
    }
    assert holds(feeds)["feed-stale"].startswith("old (pulled 2 days")
    found = holds(feeds, accepted=frozenset({"old", "partly"}))
    assert found["feed-stale"].startswith("older (")
    assert found["feed-incomplete"] == "partly"


def test_a_canary_must_be_in_force() -> None:
    feeds = {"partner": status(canary=CANARY.hex()), "other": status()}
    assert holds(feeds, CANARY) == {}
    assert holds(feeds) == {"canary-missing": "partner"}
    assert holds(feeds | {"partner": status(None, complete=False, canary=CANARY.hex())}) == {}


@pytest.mark.parametrize(
    ("signal", "value", "width"),
    [("md5", "0f" * 16, None), ("url", "http://test.example/", "page"), ("pdq", "0123456789abcdef" * 4, None)],
)
def test_only_the_record_itself_is_in_force(signal: str, value: str, width: str | None) -> None:
    keys = _native.Keys(bytes(range(32)))
    denylist = _native.Denylist(keys, bytes(16))

    def seal(feed: str, record_id: str | None) -> tuple[bytes, bytes]:
        sealer = _native.Sealer(keys, bytes(16), feed, 4)
        [sealed] = sealer.seal(signal, [value], width=width, categories="test", record_ids=[record_id])
        assert not isinstance(sealed, str)
        return sealed

    def in_force(feed: str, record_id: str | None) -> bool:
        return denylist.snapshot().contains(seal(feed, record_id)[0])

    def apply(feed: str) -> None:
        denylist.apply(feed, action="quarantine", max_distance={}, overruled_by=())

    denylist.stage([seal("partner", "r1"), seal("other", None)])
    assert not in_force("partner", "r1")  # staged only
    apply("partner")
    assert in_force("partner", "r1")
    assert not in_force("partner", "r2")
    assert not in_force("partner", None)
    assert not in_force("other", None)
    apply("other")
    denylist.stage([(seal("partner", "r1")[0], None)])
    apply("partner")
    assert not in_force("partner", "r1")
    assert in_force("other", None)
    denylist.drop("other")
    assert not in_force("other", None)
    with pytest.raises(ValueError, match=r"."):
        denylist.snapshot().contains(b"short")
