"""A feed's policy: what its matches mean. It travels in status records, so that every screener judges alike."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

ACTIONS = ("quarantine", "allow", "observe")
WIDTHS = ("exact", "page", "prefix", "host")
_CANARY_BYTES = 42


class PolicyUnreadable(ValueError):
    """A policy that this version can't judge by. The message names the fault and no value."""


@dataclass(frozen=True)
class Policy:
    """What a feed's matches mean.

    action: quarantine, allow (cancels matches of feeds that name this one) or observe (count only).
    match: the width of the feed's URL entries: exact, page, prefix or host.
    max_distance: Hamming distance in bits, by perceptual signal.
    max_age_seconds: a required feed whose newest complete pull is older holds every screener.
    canary: Kafka key of the partner's test entry in hexadecimal (42 bytes): it must be in force.
    overruled_by: the allow feeds that may cancel this feed's matches.
    """

    action: str = "quarantine"
    category: str = ""
    match: str = "page"
    max_distance: Mapping[str, int] = field(default_factory=dict)
    required: bool = False
    max_age_seconds: int | None = None
    canary: str | None = None
    overruled_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises PolicyUnreadable if a part is not what it should be."""
        for wrong, part in (
            (self.action not in ACTIONS, "action"),
            (not isinstance(self.category, str), "category"),
            (self.match not in WIDTHS, "match"),
            (not _distances(self.max_distance), "max_distance"),
            (not isinstance(self.required, bool), "required"),
            (self.max_age_seconds is not None and not _whole(self.max_age_seconds), "max_age_seconds"),
            (self.canary is not None and not _kafka_key(self.canary), "canary"),
            (not all(isinstance(feed, str) for feed in self.overruled_by), "overruled_by"),
        ):
            if wrong:
                raise PolicyUnreadable(f"a policy whose {part} this version does not know")

    def to_json(self) -> str:
        """The policy with sorted keys and no spaces: equal policies give equal text, which checksums cover."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Policy":
        """The policy in a status record. Raises PolicyUnreadable, on parts of a newer version as well."""
        try:
            parts = json.loads(text)
        except ValueError:
            raise PolicyUnreadable("a policy that is not JSON") from None
        known = {part.name for part in fields(cls)}
        # A part that is missing or unknown would be judged by a default that the refresher did not mean.
        if not isinstance(parts, dict) or set(parts) != known or not isinstance(parts["overruled_by"], list):
            raise PolicyUnreadable("a policy whose parts are not those that this version knows")
        return cls(**{**parts, "overruled_by": tuple(parts["overruled_by"])})


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _distances(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(s, str) and _whole(bits) for s, bits in value.items())


def _kafka_key(value: object) -> bool:
    try:
        return isinstance(value, str) and len(bytes.fromhex(value)) == _CANARY_BYTES
    except ValueError:
        return False
