"""When each feed is pulled next. Times are of time.monotonic(), in seconds."""

import random
from collections.abc import Mapping
from datetime import timedelta

_JITTER = 0.1
"""Of a feed's interval, taken off at random: many refreshers must not meet at a partner, and none may come too late."""

_FIRST_RETRY_SECONDS = 60.0


class Schedule:
    """Feeds and the times at which they are due."""

    def __init__(self, every: Mapping[str, timedelta]) -> None:
        self._every = {feed: interval.total_seconds() for feed, interval in every.items()}
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def set_due(self, feed: str, at: float) -> None:
        """Sets the time directly."""
        self._due[feed] = at

    def due(self, now: float) -> list[str]:
        """The feeds to be pulled, the longest overdue first."""
        return sorted((feed for feed, at in self._due.items() if at <= now), key=lambda feed: self._due[feed])

    def started(self, feed: str) -> None:
        """Its pull is under way: not due until it ends."""
        self._due.pop(feed, None)

    def succeeded(self, feed: str, now: float) -> None:
        """Due after its interval."""
        self._failures.pop(feed, None)
        self._due[feed] = now + self._jittered(self._every[feed])

    def refused(self, feed: str, now: float, *, soon: bool) -> None:
        """Due after its interval; or soon, after a minute, then after twice as long each time."""
        wait = self._every[feed]
        if soon:
            failures = self._failures.get(feed, 0)
            self._failures[feed] = failures + 1
            wait = min(wait, _FIRST_RETRY_SECONDS * 2 ** min(failures, 20))
        self._due[feed] = now + self._jittered(wait)

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 - _JITTER * random.random())  # noqa: S311 -- no secret
