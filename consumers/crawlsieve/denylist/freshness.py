"""Whether the lists are fit to judge by: the holds that would be the same in every screener."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from crawlsieve.denylist.assembly import View
from crawlsieve.denylist.policy import Policy
from crawlsieve.denylist.status import Status

# A pull from further in the future says that the clocks differ, and so nothing about the feed's age.
_CLOCKS_MAY_DIFFER = timedelta(minutes=5)


def list_holds(view: View, now: datetime, accepted: Collection[str]) -> dict[str, str]:
    """Cause and detail of each hold that the lists give reason for; none if they are fit.

    now: with its time zone. accepted: feeds whose staleness an operator accepts at this time.
    """
    found: dict[str, list[str]] = {}
    for feed, status in sorted(view.statuses.items()):
        policy = status.parsed_policy
        if policy.required and not status.ever_complete:
            found.setdefault("feed-incomplete", []).append(feed)
        elif policy.required and feed not in accepted and (age := _too_old(status, policy, now)):
            found.setdefault("feed-stale", []).append(f"{feed} ({age})")
        if policy.canary and status.ever_complete and not view.snapshot.contains(bytes.fromhex(policy.canary)):
            found.setdefault("canary-missing", []).append(feed)
    if not found and not any(status.ever_complete or any(status.counts.values()) for status in view.statuses.values()):
        return {"no-feed": "the denylist has no feed yet"}
    return {cause: ", ".join(feeds) for cause, feeds in found.items()}


def _too_old(status: Status, policy: Policy, now: datetime) -> str | None:
    """How old the feed is, in words, if that is older than it may be."""
    if policy.max_age_seconds is None:
        return None
    age = now - datetime.fromtimestamp(status.pulled_at / 1000, UTC)
    if age < -_CLOCKS_MAY_DIFFER:
        return "pulled in the future: set the clocks"
    if age > timedelta(seconds=policy.max_age_seconds):
        return f"pulled {age - age % timedelta(seconds=1)} ago"
    return None
