"""Counts and checksum of one feed's entries, kept up while entries come and go."""

from collections import Counter
from collections.abc import Iterable

from crawlsieve import _native
from crawlsieve.denylist import status as statuses
from crawlsieve.errors import OperatorError

SIGNALS = dict(
    enumerate(
        (
            "url",
            "md5",
            "sha1",
            "sha256",
            "sha512",
            "url_md5",
            "url_sha1",
            "url_sha256",
            "pdq",
            "phash",
            "dhash",
            "ahash",
            "whash",
        ),
        start=1,
    )
)
"""Signals by the code that stands in the Kafka keys of their entries, which never changes."""


class Ledger:
    """Of one feed. Entries that are damaged count for nothing, as no replica takes them."""

    def __init__(self, sealer: _native.Sealer) -> None:
        self._sealer = sealer
        self._counts: Counter[str] = Counter()
        self._sum = 0

    @property
    def counts(self) -> dict[str, int]:
        """Entries by signal, of those that have any."""
        return {signal: count for signal, count in sorted(self._counts.items()) if count}

    def checksum(self, keys: _native.Keys, policy: str) -> int:
        """As status records carry it."""
        return statuses.checksum(keys, self._sum, policy)

    def copy(self) -> "Ledger":
        """Another one that starts from the same figures."""
        twin = Ledger(self._sealer)
        twin._counts, twin._sum = self._counts.copy(), self._sum
        return twin

    def add(self, key: bytes, value: bytes) -> None:
        """An entry comes into force. Raises OperatorError for a signal of a newer release."""
        self._count(key, value, 1)

    def remove(self, key: bytes, value: bytes) -> None:
        """An entry is no longer in force."""
        self._count(key, value, -1)

    def add_all(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Entries come into force."""
        for key, value in entries:
            self._count(key, value, 1)

    def _count(self, key: bytes, value: bytes, by: int) -> None:
        signal = SIGNALS.get(key[1])
        if signal is None:
            raise OperatorError("the denylist has a signal that this release does not know: run the newer release")
        try:
            term = self._sealer.term(key, value)
        except ValueError:
            return
        self._counts[signal] += by
        self._sum = (self._sum + by * term) % statuses.MODULUS
