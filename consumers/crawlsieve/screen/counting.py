"""Metrics of a committed batch. Nothing is counted before its transaction is known to be committed."""

import time
from collections.abc import Mapping

from crawlsieve._native import Screened
from crawlsieve.screen.batch import Batch
from crawlsieve.screen.lag import Lag
from crawlsieve.screen.outputs import Tally
from crawlsieve.telemetry import metrics

# One event of so many is timed from its timestamp to the commit of its verdict.
_TIMED_SHARE = 64


def count(batch: Batch, screened: Screened, tallies: Mapping[int, Tally], lag: Lag) -> None:
    """Counts the batch's verdicts, matches and delays."""
    for verdict in ("clean", "quarantined", "dead"):
        metrics.EVENTS.inc(sum(getattr(tally, verdict) for tally in tallies.values()), verdict=verdict)
    for signal, n in screened.checked.items():
        metrics.CHECKED.inc(n, signal=signal)
    for (feed, signal, category), n in screened.matched.items():
        metrics.MATCHES.inc(n, feed=feed, signal=signal, category=category)
    for (feed, signal), n in screened.cancelled.items():
        metrics.CANCELLED.inc(n, feed=feed, signal=signal)
    for (feed, signal), n in screened.observed.items():
        metrics.OBSERVED.inc(n, feed=feed, signal=signal)
    for _, reason, _ in screened.dead:
        metrics.DEAD_LETTERS.inc(1, reason=reason)
    now = time.time()
    for message in batch.messages[::_TIMED_SHARE]:
        metrics.EVENT_DELAY_SECONDS.observe(max(now - message.timestamp()[1] / 1000, 0.0))
    for partition, message in batch.last().items():
        lag.screened(partition, message.timestamp()[1])
