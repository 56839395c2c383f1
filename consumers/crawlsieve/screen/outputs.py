"""What one screened event becomes: pure functions from a message and its verdict to the records that are sent."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Message

from crawlsieve import __version__
from crawlsieve._native import Reason
from crawlsieve.denylist.replica import View
from crawlsieve.kafka import wire
from crawlsieve.screen.batch import Headers

# Longer ids than this are no names; the event is named by where it stands instead.
MAX_ID_LENGTH = 512


@dataclass(frozen=True)
class Place:
    """Where an event stood."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.offset}"


def place_of(message: Message) -> Place:
    """Where a message stood; only messages without error have a place."""
    return Place(str(message.topic()), _number(message.partition()), _number(message.offset()))


def _number(value: int | None) -> int:
    if value is None:
        raise ValueError("the message has no place")
    return value


def _bucket(signal: str, distance: int) -> str:
    """A distance is told in steps: the exact one would help to measure out an entry by guesses."""
    if distance == 0:
        return "exact"
    step = 8 if signal == "pdq" else 4
    low = (distance - 1) // step * step + 1
    return f"{low}-{low + step - 1}"


def quarantine(place: Place, event_id: str | None, reasons: Sequence[Reason], view: View) -> tuple[bytes, bytes]:
    """Key and value of the quarantine record of an event."""
    name = event_id if event_id and len(event_id) <= MAX_ID_LENGTH else str(place)
    record = {
        "action": "quarantined",
        "event_id": name,
        "topic": place.topic,
        "partition": place.partition,
        "offset": place.offset,
        "denylist_id": view.denylist_id.hex(),
        "version": view.version,
        "time": time.time_ns() // 1_000_000,
        "reasons": [
            {
                "feed": reason.feed,
                "signal": reason.signal,
                "category": reason.category,
                "distance": _bucket(reason.signal, reason.distance),
                "tag": reason.tag,
            }
            for reason in reasons
        ],
    }
    return name.encode(), wire.encode(wire.own("quarantine"), record)


def dead_letter_headers(
    place: Place, timestamp: int, reason: str, mapped_field: str | None, original: Headers | None
) -> Headers:
    """The headers as they came and, behind them, what is wrong and where it stood. timestamp: ms since 1970, UTC."""
    said: Headers = [
        ("crawlsieve.reason", reason),
        ("crawlsieve.topic", place.topic),
        ("crawlsieve.partition", str(place.partition)),
        ("crawlsieve.offset", str(place.offset)),
        ("crawlsieve.timestamp", str(timestamp)),
    ]
    if mapped_field is not None:
        said.append(("crawlsieve.field", mapped_field))
    return [*(original or []), *said]


@dataclass
class Tally:
    """What one transaction does with the events of one partition. Offsets are Kafka's; `to` is the next to read."""

    came_from: int
    to: int = 0
    read: int = 0
    clean: int = 0
    quarantined: int = 0
    dead: int = 0
    gap: bool = False


@dataclass(frozen=True)
class Origin:
    """The input and the screener, as receipts name them."""

    cluster_id: str
    topic: str
    topic_id: str
    group: str
    member: str
    mapping: str


def receipt(
    origin: Origin,
    tallies: dict[int, Tally],
    view: View,
    cancelled: dict[tuple[str, str], int],
    observed: dict[tuple[str, str], int],
    stale_accepted: Sequence[str],
) -> tuple[bytes, bytes]:
    """Key and value of the receipt of one transaction."""

    def counts(found: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
        return [{"feed": feed, "signal": signal, "count": n} for (feed, signal), n in sorted(found.items())]

    record = {
        "group": origin.group,
        "member": origin.member,
        "time": time.time_ns() // 1_000_000,
        "software": __version__,
        "mapping": origin.mapping,
        "denylist_id": view.denylist_id.hex(),
        "version": view.version,
        "partitions": [
            {
                "cluster_id": origin.cluster_id,
                "topic": origin.topic,
                "topic_id": origin.topic_id,
                "partition": partition,
                "from": tally.came_from,
                "to": tally.to,
                "read": tally.read,
                "clean": tally.clean,
                "quarantined": tally.quarantined,
                "dead": tally.dead,
                "gap": tally.gap,
            }
            for partition, tally in sorted(tallies.items())
        ],
        "cancelled": counts(cancelled),
        "observed": counts(observed),
        "stale_accepted": list(stale_accepted),
    }
    return origin.member.encode(), wire.encode(wire.own("receipt"), record)
