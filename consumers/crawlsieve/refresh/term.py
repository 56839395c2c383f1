"""One term of leadership: which feeds are due, their pulls, and their parts, feeds taking turns."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import httpx
import structlog

from crawlsieve import _native
from crawlsieve.denylist.status import Status
from crawlsieve.refresh import checks, parts, report
from crawlsieve.refresh.checkpoint import Checkpoint, CheckpointSeal
from crawlsieve.refresh.feed import Feed
from crawlsieve.refresh.parts import Desk, Difference, Limits
from crawlsieve.refresh.publisher import Publisher
from crawlsieve.refresh.pull import DISK_ERRORS, Cancelled, Patience, Pulled, pull
from crawlsieve.refresh.pulling import Ended, Pulling
from crawlsieve.refresh.refusal import Refused, Unavailable
from crawlsieve.refresh.schedule import Schedule
from crawlsieve.refresh.spool import Spool
from crawlsieve.refresh.topic_state import TopicState

_log = structlog.get_logger("crawlsieve.refresh")


@dataclass(frozen=True)
class Tools:
    """What outlives a term."""

    keys: _native.Keys
    seal: CheckpointSeal
    spool: Spool
    client: httpx.Client
    limits: Limits
    patience: Patience
    stop: threading.Event


@dataclass
class _Writing:
    difference: Difference
    began: float
    set_aside_before: int


class Term:
    """Used only while this process leads. All methods but the pulls themselves run on the caller's thread."""

    def __init__(
        self, feeds: Mapping[str, Feed], configured: Mapping[str, Feed], tools: Tools, state: TopicState, *, once: bool
    ) -> None:
        """feeds: those of the configured ones to be refreshed. once: every feed is due at once, and only once."""
        self._feeds = feeds
        self._configured = configured
        self._tools = tools
        self._state = state
        self._once = once
        self._schedule = Schedule({name: feed.settings.every for name, feed in feeds.items()})
        self._pulling = Pulling()
        self._ended: deque[Ended] = deque()
        self._writing: deque[_Writing] = deque()
        self._desk: Desk | None = None
        self._planned = False
        self._number = 0
        self.outcomes: dict[str, bool] = {}
        """Of the feeds whose refresh has ended: whether it was good."""

    @property
    def connected(self) -> bool:
        """Whether parts can be written: see connect."""
        return self._desk is not None

    @property
    def busy(self) -> bool:
        """Whether parts wait to be written, and can be."""
        return bool(self._writing) and self.connected

    def connect(self, publisher: Callable[[], Publisher]) -> None:
        """Makes the producer, which ends what an earlier leader left open, and reads what is in force.

        Raises what Publisher and TopicState.load raise.
        """
        tools = self._tools
        made = publisher()
        self._state.load()
        self._desk = Desk(tools.keys, tools.seal, tools.spool, self._state, made, tools.limits, tools.stop)
        self._announce()
        for _ in range(len(self._writing)):  # pulled, and not written before the connection was lost
            writing = self._writing[0]
            self._enqueue(writing.difference.feed, writing.difference.pulled, writing.began)
            self._writing.popleft()
        report.orphans(self._state.statuses, self._configured)
        if not self._planned:
            self._plan()

    def disconnect(self) -> None:
        """The producer must not be used again."""
        self._desk = None

    def step(self) -> bool:
        """Does one thing, at most one part. Returns whether there is more to be done at once.

        Raises what Difference.write_part raises; then disconnect, and connect again.
        """
        assert self._desk is not None
        self._ended.extend(self._pulling.ended())
        while self._ended:
            self._end_pull(self._desk, self._ended[0])
            self._ended.popleft()  # not before: what it writes may be lost, and is then written again
        self._start_pulls()
        if not self._writing:
            self._state.follow()
            return False
        writing = self._writing[0]
        if writing.difference.write_part(self._desk):
            self._writing.popleft()
            self._end(writing)
        else:
            self._writing.rotate(-1)
        return True

    def close(self) -> None:
        """Cancels the pulls. What was pulled is forgotten."""
        self._pulling.close()

    def _announce(self) -> None:
        """Says which feeds there are to be, and their policies, before an entry of any of them comes into force."""
        assert self._desk is not None
        statuses = self._state.statuses
        unsaid = [
            feed
            for name, feed in self._configured.items()
            if (status := statuses.get(name)) is None
            or (not status.ever_complete and parts.policy_differs(feed, status))
        ]
        if unsaid:
            parts.write_pending(self._desk, unsaid)
            _log.info("feeds-announced", feeds=sorted(feed.name for feed in unsaid))

    def _plan(self) -> None:
        """Decides when each feed is due first, and applies policies that need no pull."""
        assert self._desk is not None
        now, wall = time.monotonic(), time.time()
        for name, feed in self._feeds.items():
            status = self._state.statuses.get(name)
            known = self._known(feed, status)
            if status is not None:
                report.set_aside(name, status.set_aside, sum(status.set_aside.values()))
            if status is None or known is None or self._once:
                self._schedule.set_due(name, now)
            else:
                age = wall - status.pulled_at / 1000
                self._schedule.set_due(name, now + max(0.0, feed.settings.every.total_seconds() - age))
            if status is not None and known is not None and parts.policy_differs(feed, status):
                parts.write_policy(self._desk, feed)
                _log.info("policy-changed", feed=name)
        self._planned = True

    def _known(self, feed: Feed, status: Status | None) -> Checkpoint | None:
        """The checkpoint by which the source may say that nothing has changed."""
        if status is None or not status.complete or feed.name in self._state.suspect:
            return None
        known = self._tools.seal.open(feed.name, status.checkpoint)
        return known if known is not None and known.shape == feed.shape() else None

    def _start_pulls(self) -> None:
        waiting = {writing.difference.feed.name for writing in self._writing}
        for name in self._schedule.due(time.monotonic()):
            if not self._pulling.has_room:
                return
            if name in waiting or name in self._pulling.feeds:
                continue
            feed, tools = self._feeds[name], self._tools
            self._schedule.started(name)
            self._number += 1
            work = partial(
                pull,
                feed,
                tools.keys,
                self._state.denylist_id,
                tools.client,
                self._known(feed, self._state.statuses.get(name)),
                tools.spool.directory / f"pulled-{self._number}.sqlite",
                self._pulling.cancelled,
                tools.patience,
            )
            self._pulling.start(feed, work)

    def _end_pull(self, desk: Desk, ended: Ended) -> None:
        match ended.failure:
            case None if ended.pulled is None:
                self._end_unchanged(desk, ended)
            case None:
                self._enqueue(ended.feed, ended.pulled, ended.began_monotonic)
            case Refused() as refused:
                self._refuse(desk, ended.feed, refused, ended.began_monotonic)
            case Cancelled():
                pass
            case failure if isinstance(failure, DISK_ERRORS):
                self._ended.popleft()
                self._schedule.set_due(ended.feed.name, time.monotonic())
                raise failure
            case failure:
                advice = f"the pull fails with {type(failure).__name__}: report this as a defect"
                self._refuse(desk, ended.feed, Refused("defect", advice), ended.began_monotonic)

    def _enqueue(self, feed: Feed, pulled: Pulled | None, began: float) -> None:
        """Checks a pull and puts it in line."""
        assert pulled is not None
        assert self._desk is not None
        if pulled.denylist_id != self._state.denylist_id:  # sealed for a denylist that is gone
            pulled.path.unlink(missing_ok=True)
            self._schedule.set_due(feed.name, time.monotonic())
            return
        settings = feed.settings
        status = self._state.statuses.get(feed.name)
        before = parts.complete_counts(self._tools.seal, status)
        try:
            checks.check(
                pulled.judged,
                {signal: count for signal, count in before.items() if signal in feed.signals},
                action=settings.action,
                max_shrink=settings.max_shrink,
                canary=settings.canary is not None,
            )
        except Refused as refused:
            pulled.path.unlink(missing_ok=True)
            self._refuse(self._desk, feed, refused, began)
            return
        difference = Difference(feed, pulled, self._tools.keys, self._state)
        self._writing.append(_Writing(difference, began, sum(status.set_aside.values()) if status else 0))

    def _end_unchanged(self, desk: Desk, ended: Ended) -> None:
        name = ended.feed.name
        if self._known(ended.feed, self._state.statuses.get(name)) is None:  # it was dropped meanwhile
            self._schedule.set_due(name, time.monotonic())
            return
        parts.write_unchanged(desk, ended.feed, ended.began)
        report.ended(name, "unchanged", time.monotonic() - ended.began_monotonic)
        self._schedule.succeeded(name, time.monotonic())
        self.outcomes[name] = True

    def _end(self, writing: _Writing) -> None:
        difference = writing.difference
        name = difference.feed.name
        difference.pulled.path.unlink(missing_ok=True)
        self._state.suspect.discard(name)
        report.ended(
            name,
            "ok",
            time.monotonic() - writing.began,
            added=difference.added,
            removed=difference.removed,
            entries=sum(self._state.ledger(name).counts.values()),
        )
        report.set_aside(name, difference.pulled.judged.set_aside, writing.set_aside_before)
        self._schedule.succeeded(name, time.monotonic())
        self.outcomes[name] = True

    def _refuse(self, desk: Desk, feed: Feed, refused: Refused, began: float) -> None:
        parts.write_refused(desk, feed, refused.reason)
        in_force = sum(self._state.ledger(feed.name).counts.values())
        report.refused(feed.name, refused, time.monotonic() - began, in_force)
        self._schedule.refused(feed.name, time.monotonic(), soon=isinstance(refused, Unavailable))
        self.outcomes[feed.name] = False
