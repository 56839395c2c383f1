"""Pulls in threads of their own: a slow partner must not hold up the others, or the group."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from crawlsieve.refresh.feed import Feed
from crawlsieve.refresh.pull import Pulled

MAX_AT_ONCE = 4
_LEAVE_SECONDS = 2.0


@dataclass(frozen=True)
class Ended:
    """How a pull ended: `pulled` (None: unchanged), or the exception that ended it."""

    feed: Feed
    began: int
    """ms since 1970."""
    began_monotonic: float
    pulled: Pulled | None = None
    failure: Exception | None = None


class Pulling:
    """The pulls under way. The threads are daemons, for a read from a silent server can't be interrupted."""

    def __init__(self) -> None:
        self._under_way: dict[str, threading.Thread] = {}
        self._ended: SimpleQueue[Ended] = SimpleQueue()
        self.cancelled = threading.Event()

    @property
    def feeds(self) -> set[str]:
        """Names of the feeds that are being pulled."""
        return set(self._under_way)

    @property
    def has_room(self) -> bool:
        """Whether another pull may start."""
        return len(self._under_way) < MAX_AT_ONCE

    def start(self, feed: Feed, work: Callable[[], Pulled | None]) -> None:
        """Runs work in a thread."""
        thread = threading.Thread(target=self._run, args=(feed, work), name=f"pull-{feed.name}", daemon=True)
        self._under_way[feed.name] = thread
        thread.start()

    def ended(self) -> list[Ended]:
        """The pulls that ended since the last call."""
        found: list[Ended] = []
        while True:
            try:
                ended = self._ended.get_nowait()
            except Empty:
                return found
            self._under_way.pop(ended.feed.name).join()
            found.append(ended)

    def close(self) -> None:
        """Cancels all and waits a moment."""
        self.cancelled.set()
        deadline = time.monotonic() + _LEAVE_SECONDS
        for thread in self._under_way.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self, feed: Feed, work: Callable[[], Pulled | None]) -> None:
        began, began_monotonic = time.time_ns() // 1_000_000, time.monotonic()
        try:
            ended = Ended(feed, began, began_monotonic, pulled=work())
        except Exception as failure:
            ended = Ended(feed, began, began_monotonic, failure=failure)
        self._ended.put(ended)
