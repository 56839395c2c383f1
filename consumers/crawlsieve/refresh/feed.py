"""One configured feed: its policy, and the settings that decide which entries its source gives."""

import json
from dataclasses import dataclass

from crawlsieve import _native
from crawlsieve.config import FeedSettings
from crawlsieve.denylist.policy import Policy
from crawlsieve.kafka import wire
from crawlsieve.refresh.parse import NOT_SIGNALS

_STRICTNESS = ("allow", "observe", "quarantine")


@dataclass(frozen=True)
class Feed:
    """A section of [feeds]."""

    name: str
    settings: FeedSettings

    @property
    def signals(self) -> list[str]:
        """The signals that the list has."""
        if self.settings.format == "text":
            return [self.settings.signal]
        return [name for name in self.settings.columns if name not in NOT_SIGNALS]

    def width(self, signal: str) -> str | None:
        """What Sealer.seal wants as width of this signal's values."""
        return self.settings.match if signal == "url" else None

    def sealer(self, keys: _native.Keys, denylist_id: bytes) -> _native.Sealer:
        """Makes the feed's entries for one denylist."""
        return _native.Sealer(keys, denylist_id, self.name, wire.own("denylist-entry").id)

    def policy(self, canary: bytes | None) -> Policy:
        """The policy that the configuration asks for. canary: the Kafka key of the test entry that is in force."""
        settings = self.settings
        return Policy(
            action=settings.action,
            category=settings.category,
            match=settings.match,
            max_distance=dict(settings.max_distance),
            required=settings.required,
            max_age_seconds=None if settings.max_age is None else round(settings.max_age.total_seconds()),
            canary=None if canary is None else canary.hex(),
            overruled_by=tuple(settings.overruled_by),
        )

    def shape(self) -> str:
        """Equal shapes give equal entries from an equal source. Holds the source: never to be stored in plain."""
        settings = self.settings
        return json.dumps(
            [
                _native.CANONICAL_FORM,
                settings.source,
                settings.format,
                sorted(settings.columns.items()),
                settings.signal,
                settings.match,
                settings.category,
                settings.canary,
            ]
        )


def interim(old: Policy, new: Policy) -> Policy:
    """The policy while a feed's entries pass from one pull to the next: the stricter of both in every part.

    The canary is the old one, which is removed last.
    """
    strict = max(old.action, new.action, key=_STRICTNESS.index)
    signals = {*old.max_distance, *new.max_distance}
    distance = {s: max(p.max_distance[s] for p in (old, new) if s in p.max_distance) for s in signals}
    return Policy(
        action=strict,
        category=old.category,
        match=old.match,
        max_distance=distance,
        required=old.required,
        max_age_seconds=old.max_age_seconds,
        canary=old.canary,
        overruled_by=tuple(name for name in old.overruled_by if name in new.overruled_by),
    )
