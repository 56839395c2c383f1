"""What a screened batch becomes, beside its clean events: which records go where, and what the receipt will say."""

from collections import Counter
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from crawlsieve._native import Screened
from crawlsieve.config.sections import ScreenSettings
from crawlsieve.denylist.replica import View
from crawlsieve.screen import outputs
from crawlsieve.screen.assignment import Owned
from crawlsieve.screen.batch import Batch, Headers
from crawlsieve.screen.outputs import Tally


class Attempt(IntEnum):
    """How a record that the broker refuses is tried."""

    AS_JUDGED = 0
    WITH_PAYLOAD = 1
    """As a dead letter."""
    WITHOUT_PAYLOAD = 2
    """As a dead letter that only says what it was."""


class Refusal(NamedTuple):
    """An event that the broker has refused, why, and how to try it now."""

    cause: str
    attempt: Attempt


class Other(NamedTuple):
    """One record that is not a clean event."""

    verdict: str
    topic: str
    value: bytes | str | None
    key: bytes | str | None
    headers: Headers | None


def others(
    batch: Batch,
    screened: Screened,
    view: View,
    refused: Mapping[tuple[int, int], Refusal],
    topics: ScreenSettings,
) -> dict[int, Other]:
    """The events that are not clean, by position in the batch. refused: by partition and offset."""
    found: dict[int, Other] = {}
    for position, event_id, reasons in screened.quarantined:
        key, value = outputs.quarantine(outputs.place_of(batch.messages[position]), event_id, reasons, view)
        found[position] = Other("quarantined", topics.quarantine, value, key, None)
    for position, reason, mapped in screened.dead:
        in_header = reason == "null-value" and batch.messages[position].value() is not None
        found[position] = _dead(batch, position, "schema-id-in-header" if in_header else reason, mapped, topics)
    for position in batch.unreadable:
        if position not in found or found[position].verdict != "quarantined":
            found[position] = _dead(batch, position, "headers-unreadable", None, topics)
    if refused:
        for position, message in enumerate(batch.messages):
            if refusal := refused.get((batch.partitions[position], message.offset() or 0)):
                bare = refusal.attempt is Attempt.WITHOUT_PAYLOAD
                found[position] = _dead(batch, position, refusal.cause, None, topics, bare=bare)
    return found


def _dead(
    batch: Batch, position: int, reason: str, mapped: str | None, topics: ScreenSettings, *, bare: bool = False
) -> Other:
    message = batch.messages[position]
    said = outputs.dead_letter_headers(
        outputs.place_of(message), message.timestamp()[1], reason, mapped, None if bare else batch.headers[position]
    )
    key, value = (None, None) if bare else (message.key(), message.value())
    return Other("dead", topics.dead_letter, value, key, said)


def tallies(batch: Batch, found: Mapping[int, Other], owned: Mapping[int, Owned]) -> dict[int, Tally]:
    """What the batch's transaction does with the events of each partition."""
    read = Counter(batch.partitions)
    told = Counter((batch.partitions[position], other.verdict) for position, other in found.items())
    result = {}
    for partition, last in batch.last().items():
        quarantined, dead = told[partition, "quarantined"], told[partition, "dead"]
        result[partition] = Tally(
            came_from=owned[partition].came_from,
            to=(last.offset() or 0) + 1,
            read=read[partition],
            clean=read[partition] - quarantined - dead,
            quarantined=quarantined,
            dead=dead,
            gap=owned[partition].gap,
        )
    return result
