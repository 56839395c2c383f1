"""Shows a view of the denylist in the metrics."""

import time

from crawlsieve.denylist.assembly import View
from crawlsieve.telemetry import metrics

_EVERY = 2.0


class Gauges:
    """The denylist's gauges, without the series of feeds that are no more."""

    def __init__(self) -> None:
        self._entries: set[tuple[str, str]] = set()
        self._feeds: set[str] = set()
        self._due = 0.0

    def show(self, view: View) -> None:
        """Sets all of them."""
        metrics.DENYLIST_VERSION.set(view.version)
        metrics.DENYLIST_BYTES.set(view.memory)
        entries = {(f, signal): n for f, status in view.statuses.items() for signal, n in status.counts.items()}
        for (feed, signal), count in entries.items():
            metrics.DENYLIST_ENTRIES.set(count, feed=feed, signal=signal)
        for feed, signal in self._entries - entries.keys():
            metrics.DENYLIST_ENTRIES.remove(feed=feed, signal=signal)
        for feed, status in view.statuses.items():
            metrics.DENYLIST_COMPLETE.set(status.complete, feed=feed)
        for feed in self._feeds - view.statuses.keys():
            metrics.DENYLIST_COMPLETE.remove(feed=feed)
            metrics.DENYLIST_AGE_SECONDS.remove(feed=feed)
        self._entries, self._feeds = set(entries), set(view.statuses)
        self._due = 0.0
        self.tick(view)

    def tick(self, view: View | None) -> None:
        """Keeps the feeds' ages up to date; cheap enough to be called often."""
        now = time.monotonic()
        if view is None or now < self._due:
            return
        self._due = now + _EVERY
        for feed, status in view.statuses.items():
            if status.pulled_at:
                metrics.DENYLIST_AGE_SECONDS.set(max(time.time() - status.pulled_at / 1000, 0.0), feed=feed)
