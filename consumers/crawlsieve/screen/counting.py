"""Metrics of a committed batch. Nothing is counted before its transaction is known to be committed."""

import time
from collections.abc import Mapping, Sequence

from confluent_kafka import Message

from crawlsieve._native import Screened
from crawlsieve.screen.lag import Lag
from crawlsieve.screen.outputs import Tally
from crawlsieve.telemetry import metrics

# One event of so many is timed from its timestamp to the commit of its verdict.
_TIMED_SHARE = 64


def count(batch: Sequence[Message], screened: Screened, tallies: Mapping[int, Tally], lag: Lag) -> None:
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
    for message in batch[::_TIMED_SHARE]:
        metrics.EVENT_DELAY_SECONDS.observe(max(now - message.timestamp()[1] / 1000, 0.0))
    waiting = set(tallies)
    for message in reversed(batch):
        if message.partition() in waiting:
            waiting.discard(message.partition())
            lag.screened(message.partition(), message.timestamp()[1])
        if not waiting:
            break
