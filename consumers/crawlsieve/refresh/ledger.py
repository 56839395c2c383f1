"""Counts and checksum of one feed's entries, kept up while entries come and go."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

from crawlsieve import _native
from crawlsieve.denylist import status as statuses
from crawlsieve.errors import OperatorError

# One harmless value a signal, to learn by which code its entries' Kafka keys name it.
_PROBE = hashlib.sha512(b"crawlsieve").hexdigest()
_DIGITS = {
    "md5": 32,
    "sha1": 40,
    "sha256": 64,
    "sha512": 128,
    "url_md5": 32,
    "url_sha1": 40,
    "url_sha256": 64,
    "pdq": 64,
    "phash": 16,
    "dhash": 16,
    "ahash": 16,
    "whash": 16,
}


def signal_codes(keys: _native.Keys) -> dict[int, str]:
    """Signals by the code that stands in the Kafka keys of their entries."""
    sealer = _native.Sealer(keys, bytes(16), "probe", 0)
    probes = {signal: _PROBE[:digits] for signal, digits in _DIGITS.items()} | {"url": "https://example.com/"}
    codes = {}
    for signal, probe in probes.items():
        width = "exact" if signal == "url" else None
        (sealed,) = sealer.seal(signal, [probe], width=width, categories="probe")
        assert not isinstance(sealed, str)
        codes[sealed[0][1]] = signal
    return codes


class Ledger:
    """Of one feed. Entries that are damaged count for nothing, as no replica takes them."""

    def __init__(self, sealer: _native.Sealer, signals: Mapping[int, str]) -> None:
        """signals: by code."""
        self._sealer = sealer
        self._signals = signals
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
        twin = Ledger(self._sealer, self._signals)
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
        signal = self._signals.get(key[1])
        if signal is None:
            raise OperatorError("the denylist has a signal that this release does not know: run the newer release")
        try:
            term = self._sealer.term(key, value)
        except ValueError:
            return
        self._counts[signal] += by
        self._sum = (self._sum + by * term) % statuses.MODULUS
