"""A batch of messages, taken apart once: the accessors of a message cost as much as the rest of the loop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Message

Headers = list[tuple[str, str | bytes | None]]

# A schema id in a header (Confluent's newer framing) is refused by name: read as if it had none, the value would be
# taken apart by the wrong schema.
_SCHEMA_ID_HEADER = "__value_schema_id"
# What confluent-kafka raises where a header's name is not UTF-8. Asked a second time, such a message crashes.
_HEADER_FAULTS = (SystemError, UnicodeDecodeError)


@dataclass(frozen=True)
class Batch:
    """Messages without errors, in the order in which they were consumed, and their parts: lists of equal length."""

    messages: list[Message]
    partitions: list[int]
    headers: list[Headers | None]
    values: list[bytes | None]
    """What is screened: None for a null value, and for one whose schema id stands in a header."""
    unreadable: frozenset[int] = frozenset()
    """Positions of messages whose headers can't be read: a header's name is not UTF-8."""

    @classmethod
    def of(cls, messages: list[Message]) -> "Batch":
        """Takes the messages apart."""
        # A message without an error has a partition, and consumed headers are a list.
        partitions = cast("list[int]", [message.partition() for message in messages])
        headers: list[Headers | None] = []
        unreadable = set()
        rest = iter(messages)
        while len(headers) < len(messages):
            try:
                for message in rest:
                    headers.append(cast("Headers | None", message.headers()))  # noqa: PERF401 - goes on after a fault
            except _HEADER_FAULTS:
                unreadable.add(len(headers))
                headers.append(None)
        values = [
            message.value() if not carried or all(name != _SCHEMA_ID_HEADER for name, _ in carried) else None
            for message, carried in zip(messages, headers, strict=True)
        ]
        return cls(messages, partitions, headers, values, frozenset(unreadable))

    def __len__(self) -> int:
        return len(self.messages)

    def without(self, partitions: Iterable[int]) -> "Batch":
        """The same without the messages of some partitions."""
        left = set(partitions)
        return self._at([position for position, number in enumerate(self.partitions) if number not in left])

    def halves(self) -> tuple["Batch", "Batch"]:
        """The first and the second half."""
        middle = len(self) // 2
        return self._at(range(middle)), self._at(range(middle, len(self)))

    def _at(self, positions: Sequence[int]) -> "Batch":
        return Batch(
            [self.messages[p] for p in positions],
            [self.partitions[p] for p in positions],
            [self.headers[p] for p in positions],
            [self.values[p] for p in positions],
            frozenset(new for new, old in enumerate(positions) if old in self.unreadable),
        )

    def first(self) -> dict[int, Message]:
        """The first message of each partition."""
        return dict(zip(reversed(self.partitions), reversed(self.messages), strict=True))

    def last(self) -> dict[int, Message]:
        """The last message of each partition."""
        return dict(zip(self.partitions, self.messages, strict=True))
