"""Status records: the state of one feed at the end of one part of a refresh, authenticated by the denylist's keys."""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from crawlsieve import _native
from crawlsieve.denylist.policy import Policy
from crawlsieve.kafka import wire

KEY_PREFIX = b"\x02"
ENTRY_PREFIX = b"\x01"
MODULUS = 1 << 128
_MAC_BYTES = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StatusRefused(Exception):
    """A status record that can't be believed. The message names the fault and the feed."""


class StatusUnreadable(StatusRefused):
    """Not a status record, or a damaged one."""


class ForeignKey(StatusRefused):
    """Written under another secret than ours: its entries would match nothing here."""


class StatusForged(StatusRefused):
    """Its authentication fails: it was not written, or not as it stands, by a refresher that has the secret."""


class CanonicalFormUnknown(StatusRefused):
    """Its feed's URLs are in a canonical form that this build does not compute."""


@dataclass(frozen=True)
class Status:
    """The state of one feed; the fields of `schemas/5-denylist-status.avsc` but for the mac. Times in ms since 1970."""

    denylist_id: bytes
    feed: str
    key_id: bytes
    policy: str
    checksum: int
    counts: Mapping[str, int]
    complete: bool
    pulled_at: int
    written_at: int
    canonical_form: int = _native.CANONICAL_FORM
    checkpoint: str = ""
    set_aside: Mapping[str, int] = field(default_factory=dict)
    outcome: str = "ok"

    @cached_property
    def parsed_policy(self) -> Policy:
        """Raises PolicyUnreadable."""
        return Policy.from_json(self.policy)

    @property
    def ever_complete(self) -> bool:
        """Whether a complete pull of the feed has ever been written: later parts of a refresh keep it in force."""
        return self.complete or self.pulled_at > 0

    def encode(self, keys: _native.Keys) -> tuple[bytes, bytes]:
        """The record's Kafka key and value. The mac covers the key and every byte of the value before the mac."""
        key = status_key(self.feed)
        record: dict[str, Any] = asdict(self) | {
            "checksum": self.checksum.to_bytes(16, "big"),
            "mac": bytes(_MAC_BYTES),
        }
        body = wire.encode(wire.own("denylist-status"), record)[:-_MAC_BYTES]  # the mac is the datum's last field
        return key, body + keys.mac(_mac_message(key, body))


def status_key(feed: str) -> bytes:
    """The Kafka key of a feed's status records."""
    return KEY_PREFIX + feed.encode()


def feed_of(key: bytes) -> str:
    """The feed whose status record has this Kafka key. Raises StatusUnreadable."""
    try:
        return key.removeprefix(KEY_PREFIX).decode()
    except UnicodeDecodeError:
        raise StatusUnreadable("a status record whose key is not UTF-8") from None


def decode(keys: _native.Keys, key: bytes, value: bytes) -> Status:
    """The authentic status in a record. Raises StatusUnreadable, ForeignKey or StatusForged.

    The canonical form is not judged here, for an outdated record may name another: see require_canonical_form.
    """
    feed = feed_of(key)
    try:
        record = wire.decode(wire.own("denylist-status"), value)
    except wire.WireError as error:
        raise StatusUnreadable(f"feed {feed}: {error}") from None
    record.pop("mac")
    # Before the mac, which another secret's can't pass either: the two faults have different cures.
    if record["key_id"] != keys.id:
        raise ForeignKey(f"feed {feed} is keyed by secret {record['key_id'].hex()}, ours is {keys.id.hex()}")
    if not hmac.compare_digest(keys.mac(_mac_message(key, value[:-_MAC_BYTES])), value[-_MAC_BYTES:]):
        raise StatusForged(f"feed {feed}: the status record's authentication fails")
    if record["feed"] != feed or len(record["denylist_id"]) != 16 or len(record["checksum"]) != 16:
        raise StatusUnreadable(f"feed {feed}: the status record's parts contradict each other")
    for time in ("pulled_at", "written_at"):
        record[time] = (record[time] - _EPOCH) // timedelta(milliseconds=1)
    return Status(**record | {"checksum": int.from_bytes(record["checksum"], "big")})


def require_canonical_form(status: Status) -> None:
    """Raises CanonicalFormUnknown if this build can't bring URLs to the form that the feed's entries are in."""
    if status.canonical_form != _native.CANONICAL_FORM:
        raise CanonicalFormUnknown(
            f"feed {status.feed} is in canonical form {status.canonical_form}, this build computes "
            f"{_native.CANONICAL_FORM}"
        )


def checksum(keys: _native.Keys, entries_sum: int, policy: str) -> int:
    """The feed's checksum: the keyed sum modulo 2**128 over its entries' terms and its policy's."""
    return (entries_sum + keys.checksum(policy.encode())) % MODULUS


def _mac_message(key: bytes, body: bytes) -> bytes:
    return len(key).to_bytes(4, "big") + key + body
