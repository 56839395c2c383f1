"""A batch of messages, taken apart once: the accessors of a message cost as much as the rest of the loop."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Message

Headers = list[tuple[str, str | bytes | None]]

# A schema id in a header (Confluent's newer framing) is refused by name: read as if it had none, the value would be
# taken apart by the wrong schema.
_SCHEMA_ID_HEADER = "__value_schema_id"


@dataclass(frozen=True)
class Batch:
    """Messages without errors, in the order in which they were consumed, and their parts: lists of equal length."""

    messages: list[Message]
    partitions: list[int]
    headers: list[Headers | None]
    values: list[bytes | None]
    """What is screened: None for a null value, and for one whose schema id stands in a header."""

    @classmethod
    def of(cls, messages: list[Message]) -> "Batch":
        """Takes the messages apart."""
        # A message without an error has a partition, and consumed headers are a list.
        partitions = cast("list[int]", [message.partition() for message in messages])
        headers = cast("list[Headers | None]", [message.headers() for message in messages])
        values = [
            message.value() if not carried or all(name != _SCHEMA_ID_HEADER for name, _ in carried) else None
            for message, carried in zip(messages, headers, strict=True)
        ]
        return cls(messages, partitions, headers, values)

    def __len__(self) -> int:
        return len(self.messages)

    def without(self, partitions: Iterable[int]) -> "Batch":
        """The same without the messages of some partitions."""
        left = set(partitions)
        return Batch.of([m for m, number in zip(self.messages, self.partitions, strict=True) if number not in left])

    def halves(self) -> tuple["Batch", "Batch"]:
        """The first and the second half."""
        middle = len(self) // 2
        return self._slice(slice(middle)), self._slice(slice(middle, None))

    def _slice(self, part: slice) -> "Batch":
        return Batch(self.messages[part], self.partitions[part], self.headers[part], self.values[part])

    def first(self) -> dict[int, Message]:
        """The first message of each partition."""
        return dict(zip(reversed(self.partitions), reversed(self.messages), strict=True))

    def last(self) -> dict[int, Message]:
        """The last message of each partition."""
        return dict(zip(self.partitions, self.messages, strict=True))
