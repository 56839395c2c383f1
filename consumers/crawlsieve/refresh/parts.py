"""Writes a feed's difference in parts: additions, then removals, each part ending with a status record.

A part is worked out from what is in force at that time, so nothing need be remembered between parts, or after a crash.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from crawlsieve import _native
from crawlsieve.denylist.policy import Policy
from crawlsieve.denylist.status import Status
from crawlsieve.refresh.checkpoint import Checkpoint, CheckpointSeal
from crawlsieve.refresh.feed import Feed, interim
from crawlsieve.refresh.ledger import Ledger
from crawlsieve.refresh.publisher import Part, PartLost, Publisher
from crawlsieve.refresh.pull import Pulled
from crawlsieve.refresh.spool import Spool
from crawlsieve.refresh.topic_state import TopicState


@dataclass(frozen=True)
class Limits:
    """Of one part."""

    records: int
    """With the status record."""
    time: timedelta


@dataclass(frozen=True)
class Desk:
    """What is needed to write status records."""

    keys: _native.Keys
    seal: CheckpointSeal
    spool: Spool
    state: TopicState
    publisher: Publisher
    limits: Limits
    stop: threading.Event
    """Once set, the part under way ends early; it is committed as it is."""


class Difference:
    """What stands between a feed's pull and what is in force."""

    def __init__(self, feed: Feed, pulled: Pulled, keys: _native.Keys, state: TopicState) -> None:
        self.feed = feed
        self.pulled = pulled
        self.added = self.removed = 0
        self._tag = keys.feed_tag(feed.name)
        old = state.statuses.get(feed.name)
        self._old_policy = old.parsed_policy if old and old.ever_complete else None
        self._new_policy = feed.policy(pulled.canary)
        # Keys up to which additions and removals are in force: hints that save a search, void once a part is lost.
        self._added_to: bytes | None = b""
        self._removed_to = b""

    def write_part(self, desk: Desk) -> bool:
        """One transaction, committed and read back. Returns whether it was the last.

        Raises Fenced or PartLost (then go on with a new Difference), OperatorError, KafkaException, TopicReplaced,
        sqlite3.Error.
        """
        ledger = desk.state.ledger(self.feed.name).copy()
        with desk.publisher.part() as part:
            writing = _Writing(part, ledger, desk)
            done = self._put_additions(writing) and self._put_removals(writing)
            part.put_last(*self._status(desk, ledger, done=done).encode(desk.keys))
        _read_back(desk, part, self.feed.name, ledger)
        self.added += writing.added
        self.removed += writing.removed
        return done

    def _put_additions(self, writing: "_Writing") -> bool:
        """Returns whether all are in this part or in earlier ones."""
        if self._added_to is None:
            return True
        spool, path, canary = writing.desk.spool, self.pulled.path, self.pulled.canary
        # The test entry comes first: the policy of the very first part names it.
        if canary is not None and (value := spool.pulled_entry(path, canary)) is not None:
            old = spool.entry(self._tag, canary)
            if old != value:
                writing.add(canary, value, old)
        for key, value, old in spool.additions(self._tag, path, self._added_to):
            if writing.full:
                return False
            if key != canary:
                writing.add(key, value, old)
            self._added_to = key
        self._added_to = None
        return True

    def _put_removals(self, writing: "_Writing") -> bool:
        # The old policy's test entry goes last: the policy of every part before names it.
        spool, path = writing.desk.spool, self.pulled.path
        old_canary = bytes.fromhex(self._old_policy.canary) if self._old_policy and self._old_policy.canary else b""
        for key, value in spool.removals(self._tag, path, self._removed_to):
            if writing.full:
                return False
            if key != old_canary:
                writing.remove(key, value)
            self._removed_to = key
        in_force = spool.entry(self._tag, old_canary)
        if in_force is not None and spool.pulled_entry(path, old_canary) is None:
            writing.remove(old_canary, in_force)
        return True

    def _status(self, desk: Desk, ledger: Ledger, *, done: bool) -> Status:
        name, seal = self.feed.name, desk.seal
        if done:
            said = _Said(
                complete=True,
                pulled_at=self.pulled.pulled_at,
                checkpoint=seal.seal(name, self.pulled.checkpoint),
                set_aside=self.pulled.judged.set_aside,
                outcome="ok",
            )
            return _status(desk, name, ledger, self._new_policy, said)
        policy = interim(self._old_policy, self._new_policy) if self._old_policy else self._new_policy
        old = desk.state.statuses.get(name)
        # What is in force is now of two pulls, so no source may call it unchanged.
        mixed = Checkpoint(shape="", counts=complete_counts(seal, old))
        said = replace(_said(old), outcome="part", checkpoint=seal.seal(name, mixed))
        return _status(desk, name, ledger, policy, said)


class _Writing:
    """The open part, with the figures of what is in force after it."""

    def __init__(self, part: Part, ledger: Ledger, desk: Desk) -> None:
        self.desk = desk
        self.added = self.removed = 0
        self._part = part
        self._ledger = ledger

    @property
    def full(self) -> bool:
        """Whether only the status record may follow. Room is kept for it and for an old test entry's removal."""
        limits, records = self.desk.limits, self._part.records
        # However small the limits are, each part must get on.
        return records > 0 and (
            records >= limits.records - 2
            or time.monotonic() - self._part.began >= limits.time.total_seconds()
            or self.desk.stop.is_set()
        )

    def add(self, key: bytes, value: bytes, old: bytes | None) -> None:
        """old: the value that is replaced."""
        self._part.put(key, value)
        if old is not None:
            self._ledger.remove(key, old)
        self._ledger.add(key, value)
        self.added += 1

    def remove(self, key: bytes, value: bytes) -> None:
        """value: the one in force."""
        self._part.put(key, None)
        self._ledger.remove(key, value)
        self.removed += 1


def complete_counts(seal: CheckpointSeal, status: Status | None) -> dict[str, int]:
    """Entries by signal as of the feed's last complete pull; empty if there was none."""
    if status is None or not status.ever_complete:
        return {}
    checkpoint = seal.open(status.feed, status.checkpoint)
    return dict(checkpoint.counts if checkpoint else status.counts)


def write_pending(desk: Desk, feeds: Sequence[Feed]) -> None:
    """Announces feeds that were never pulled completely, in one part and the required ones first.

    No screener can know that it has to wait for a feed before the topic says so.
    """
    *others, last = sorted(feeds, key=lambda feed: not feed.settings.required)
    with desk.publisher.part() as part:
        for feed in others:
            part.put(*_pending(desk, feed).encode(desk.keys))
        part.put_last(*_pending(desk, last).encode(desk.keys))
    _read_back(desk, part, last.name, desk.state.ledger(last.name))


def _pending(desk: Desk, feed: Feed) -> Status:
    old = desk.state.statuses.get(feed.name)
    policy = _policy_now(feed, old) if old else feed.policy(None)
    said = _said(old) if old else _Said(outcome="pending")
    return _status(desk, feed.name, desk.state.ledger(feed.name), policy, said)


def write_unchanged(desk: Desk, feed: Feed, pulled_at: int) -> None:
    """The source is as it was at pulled_at (ms since 1970): only the feed's age, and perhaps its policy, change."""
    old = desk.state.statuses[feed.name]
    _write(desk, feed.name, _policy_now(feed, old), replace(_said(old), pulled_at=pulled_at, outcome="unchanged"))


def write_refused(desk: Desk, feed: Feed, reason: str) -> None:
    """The pull was refused: what is in force stays, with its policy and its age."""
    old = desk.state.statuses.get(feed.name)
    policy = old.parsed_policy if old else feed.policy(None)
    _write(desk, feed.name, policy, replace(_said(old), outcome=reason))


def write_policy(desk: Desk, feed: Feed) -> None:
    """The configuration asks for another policy of the same entries."""
    old = desk.state.statuses[feed.name]
    _write(desk, feed.name, _policy_now(feed, old), _said(old))


def policy_differs(feed: Feed, status: Status) -> bool:
    """Whether the configuration asks for another policy than the feed's status has."""
    return _policy_now(feed, status) != status.parsed_policy


def _policy_now(feed: Feed, status: Status) -> Policy:
    canary = status.parsed_policy.canary
    return feed.policy(None if canary is None else bytes.fromhex(canary))


@dataclass(frozen=True)
class _Said:
    """What a status record says of the feed's pulls; as of none by default."""

    complete: bool = False
    pulled_at: int = 0
    checkpoint: str = ""
    set_aside: Mapping[str, int] = field(default_factory=dict)
    outcome: str = ""


def _said(status: Status | None) -> _Said:
    if status is None:
        return _Said()
    return _Said(status.complete, status.pulled_at, status.checkpoint, dict(status.set_aside), status.outcome)


def _status(desk: Desk, feed: str, ledger: Ledger, policy: Policy, said: _Said) -> Status:
    text = policy.to_json()
    return Status(
        denylist_id=desk.state.denylist_id,
        feed=feed,
        key_id=desk.keys.id,
        policy=text,
        checksum=ledger.checksum(desk.keys, text),
        counts=ledger.counts,
        complete=said.complete,
        pulled_at=said.pulled_at,
        written_at=time.time_ns() // 1_000_000,
        checkpoint=said.checkpoint,
        set_aside=said.set_aside,
        outcome=said.outcome,
    )


def _write(desk: Desk, feed: str, policy: Policy, said: _Said) -> None:
    """A part that has nothing but its status record."""
    ledger = desk.state.ledger(feed)
    with desk.publisher.part() as part:
        part.put_last(*_status(desk, feed, ledger, policy, said).encode(desk.keys))
    _read_back(desk, part, feed, ledger)


def _read_back(desk: Desk, part: Part, feed: str, ledger: Ledger) -> None:
    """Brings the state to the end of the part. Its markers may reach the topic a little after the commit."""
    if part.last_offset is None:
        raise PartLost("no-offset")
    desk.state.follow(part.last_offset)
    desk.state.settle(feed, ledger)
