"""What a refresh tells operators: log lines and metrics. Feeds, reasons and counts; never a value or an address."""

from collections.abc import Collection, Mapping

import structlog

from crawlsieve.refresh.refusal import Refused
from crawlsieve.telemetry.metrics import FEED_ORPHANED, REFRESH_SECONDS, REFRESHES, SET_ASIDE

_log = structlog.get_logger("crawlsieve.refresh")

_reasons: dict[str, set[str]] = {}
_orphans: set[str] = set()


def ended(feed: str, outcome: str, seconds: float, **counts: int) -> None:
    """A refresh that was good: `ok` or `unchanged`."""
    REFRESHES.inc(feed=feed, outcome=outcome)
    REFRESH_SECONDS.observe(seconds, feed=feed)
    _log.info("refreshed", feed=feed, outcome=outcome, seconds=round(seconds, 3), **counts)


def refused(feed: str, refusal: Refused, seconds: float, in_force: int) -> None:
    """A pull that is not used."""
    REFRESHES.inc(feed=feed, outcome=refusal.reason)
    REFRESH_SECONDS.observe(seconds, feed=feed)
    _log.error(
        "refresh-refused",
        feed=feed,
        reason=refusal.reason,
        advice=refusal.advice,
        doing=f"keeps the {in_force} entries in force, and pulls again at the next turn",
    )


def set_aside(feed: str, counts: Mapping[str, int], before: int) -> None:
    """Values of a complete pull that are not in force. before: how many there were in the pull before."""
    for reason in _reasons.get(feed, set()) - set(counts):
        SET_ASIDE.remove(feed=feed, reason=reason)
    _reasons[feed] = set(counts)
    for reason, count in counts.items():
        SET_ASIDE.set(count, feed=feed, reason=reason)
    if sum(counts.values()) > before:
        _log.warning(
            "set-aside-grows",
            feed=feed,
            before=before,
            reasons=dict(counts),
            doing="leaves these values out of the denylist",
            advice="docs/feeds.md says what each reason means; report them to the partner",
        )


def orphans(in_force: Collection[str], configured: Collection[str]) -> None:
    """Feeds that are in force and in no configuration."""
    found = set(in_force) - set(configured)
    for feed in _orphans - found:
        FEED_ORPHANED.remove(feed=feed)
    for feed in sorted(found - _orphans):
        _log.warning(
            "feed-orphaned",
            feed=feed,
            doing="keeps its entries in force, without pulling it",
            advice=f"bring [feeds.{feed}] back, or take the feed out of the denylist on purpose",
        )
    for feed in found:
        FEED_ORPHANED.set(1, feed=feed)
    _orphans.clear()
    _orphans.update(found)
