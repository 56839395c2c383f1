"""The twin of the native verdicts: plain lists of listed values, every entry compared with every value.

    twin = Twin([TwinFeed("iwf", entries=[("url", "page", "http://example.com/a", "csam")], overruled_by=("ours",)),
                 TwinFeed("ours", action="allow", entries=[...])])
    twin.verdict([("url", "http://example.com/a?b"), ("md5", "00ff...")])  ->  {("iwf", "url", "csam")} or an empty set

Values are given as lists and events write them; all must be valid. Events without values are for the caller to judge.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.twins import digests, urls

Entry = tuple[str, str | None, str | bytes, str]
"""Signal, width (None but for `url`), value, category."""
Found = tuple[str, str, str]
"""Feed, signal, category."""
DEFAULT_DISTANCE = {"pdq": 31, "phash": 4, "dhash": 4, "ahash": 4, "whash": 4}
HASHED = ("url_md5", "url_sha1", "url_sha256")


@dataclass
class TwinFeed:
    """One feed: its policy and its entries."""

    name: str
    action: str = "quarantine"
    entries: Sequence[Entry] = ()
    overruled_by: Sequence[str] = ()
    max_distance: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Match:
    feed: str
    signal: str
    category: str
    distance: int
    breadth: tuple[int, int]


@dataclass
class Judgement:
    """What becomes of one event."""

    reasons: dict[Found, int] = field(default_factory=dict)
    """The smallest distance, by feed, signal and category."""
    cancelled: set[tuple[str, str]] = field(default_factory=set)
    observed: set[tuple[str, str]] = field(default_factory=set)


class Twin:
    """A denylist."""

    def __init__(self, feeds: Iterable[TwinFeed]) -> None:
        self.feeds = {feed.name: feed for feed in feeds}

    def verdict(self, values: Iterable[tuple[str, str | bytes]]) -> set[Found]:
        """Why an event with these values is quarantined; empty if it isn't."""
        return set(self.judge(values).reasons)

    def judge(self, values: Iterable[tuple[str, str | bytes]]) -> Judgement:
        judgement = Judgement()
        for signal, value in values:
            self._judge_value(self.matches(signal, value), judgement)
        return judgement

    def matches(self, signal: str, value: str | bytes) -> list[Match]:
        """All matches of one value, whatever their feeds' action."""
        return [
            Match(feed.name, listed, category, *found)
            for feed in self.feeds.values()
            for listed, width, entry, category in feed.entries
            if (found := compare(feed, listed, width, entry, signal, value)) is not None
        ]

    def _judge_value(self, matches: list[Match], judgement: Judgement) -> None:
        for match in matches:
            feed = self.feeds[match.feed]
            if feed.action == "observe":
                judgement.observed.add((match.feed, match.signal))
            elif feed.action == "quarantine" and any(self._cancels(allow, match) for allow in matches):
                judgement.cancelled.add((match.feed, match.signal))
            elif feed.action == "quarantine":
                found = (match.feed, match.signal, match.category)
                judgement.reasons[found] = min(match.distance, judgement.reasons.get(found, 256))

    def _cancels(self, allow: Match, match: Match) -> bool:
        return (
            self.feeds[allow.feed].action == "allow"
            and allow.feed in self.feeds[match.feed].overruled_by
            and allow.signal == match.signal
            and allow.distance == 0
            and match.breadth >= allow.breadth
        )


def compare(
    feed: TwinFeed, listed: str, width: str | None, entry: str | bytes, signal: str, value: str | bytes
) -> tuple[int, tuple[int, int]] | None:
    """Distance and breadth of a match; None if it is none."""
    if signal == "url" and listed == "url":
        assert width is not None
        ours, theirs = listed_url(entry), urls.canonical(value)
        assert theirs is not None
        return (0, urls.breadth(width, ours)) if urls.covers(width, ours, theirs) else None
    if signal == "url" and listed in HASHED:
        text = value if isinstance(value, str) else value.decode()
        wanted = digests.normal(listed, entry)
        return (0, (0, 0)) if any(urls.hashed(listed, form) == wanted for form in urls.hashed_forms(text)) else None
    if signal != listed:
        return None
    one, other = digests.normal(listed, entry), digests.normal(signal, value)
    assert isinstance(one, bytes)
    assert isinstance(other, bytes)
    distance = (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()
    limit = feed.max_distance.get(signal, DEFAULT_DISTANCE.get(signal, 0))
    return (distance, (0, 0)) if distance <= limit else None


def listed_url(entry: str | bytes) -> urls.Url:
    """A listed URL; lists may leave out the scheme."""
    text = entry if isinstance(entry, str) else entry.decode()
    found = urls.canonical(text) or urls.canonical("http://" + text.strip())
    assert found is not None, "the twin takes valid entries only"
    return found
