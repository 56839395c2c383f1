"""The native core. Batches of values in, verdicts out; no input or output, and no Kafka.

Every function that takes a batch releases the interpreter lock while it works. No exception text ever contains a value.
"""

from collections.abc import Mapping, Sequence

CANONICAL_FORM: int
"""Number of the canonical form of URLs that this build computes."""

class Keys:
    """The keys of one denylist, derived from its secret by HKDF-SHA-256, one a purpose (RFC 5869)."""

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError if the secret has fewer than 32 bytes."""
    @property
    def id(self) -> bytes:
        """16 bytes that name the secret and tell nothing of it."""
    def mac(self, message: bytes) -> bytes:
        """16 bytes: authenticates a status record (SipHash-2-4-128)."""
    def checksum(self, message: bytes) -> int:
        """One term of a feed's checksum, for its policy; below 2**128."""
    def feed_tag(self, feed: str) -> bytes:
        """8 bytes: stands for the feed in the Kafka keys of its entries."""

class Sealer:
    """Turns one feed's listed values into denylist records."""

    def __init__(self, keys: Keys, denylist_id: bytes, feed: str, schema_id: int) -> None: ...
    def seal(
        self,
        signal: str,
        values: Sequence[str | bytes],
        *,
        width: str | None = None,
        categories: str | Sequence[str],
        record_ids: Sequence[str | None] | None = None,
    ) -> list[tuple[bytes, bytes] | str]:
        """One result a value, in order: (Kafka key, Kafka value) or the reason why the value is set aside.

        width (exact, page, prefix, host) is needed for `url` and refused for others. Reasons: `invalid-url`,
        `invalid-hex`, `invalid-base64`, `invalid-length`, `not-utf8`, `wider-than-width` (an entry that its width would
        stretch: a host entry with a path, a prefix entry with a query), `zero`, `empty-file`, `flat`.
        Two spellings of the same value have the same key. Raises ValueError on unknown signal or width.
        """
    def term(self, key: bytes, value: bytes) -> int:
        """The record's term of the feed's checksum; below 2**128. Raises ValueError on a damaged record."""

class DamagedRecord(ValueError):
    """A denylist record that is malformed, or whose authentication fails. The message names the fault only."""

class Denylist:
    """All entries of all feeds. One writer thread; snapshots are for any number of readers, which never wait."""

    def __init__(self, keys: Keys, denylist_id: bytes) -> None: ...
    def stage(self, records: Sequence[tuple[bytes, bytes | None]]) -> None:
        """Keeps entry records (42-byte key; value with its five-byte wire header, None a tombstone) for apply.

        A later record of the same key wins. Raises DamagedRecord; nothing of the call is then staged.
        """
    def apply(
        self,
        feed: str,
        *,
        action: str,
        max_distance: Mapping[str, int],
        overruled_by: Sequence[str],
    ) -> tuple[dict[str, int], int]:
        """Brings what is staged for the feed, and the feed's policy, into force at the next snapshot.

        Returns the feed's counts of entries by signal and the sum of its entries' checksum terms modulo 2**128.
        Entries of a feed that has never been applied match nothing.
        """
    def drop(self, feed: str) -> None: ...
    def snapshot(self) -> Snapshot: ...
    @property
    def memory(self) -> int:
        """Bytes held by the newest snapshot's structures."""

class SchemaUnusable(ValueError):
    """A writer schema that can't be read, or that the mapping doesn't fit. The message names schema parts only."""

class Reader:
    """Reads the mapped fields of Avro datums in the Confluent wire format, by a plan compiled once a writer schema."""

    def __init__(
        self,
        *,
        id_path: str,
        fields: Sequence[tuple[str, str, str, bool, str]],
        unchecked: str,
    ) -> None:
        """fields: (dotted path, signal, encoding auto|hex|base64|bytes, optional, invalid dead|skip).

        unchecked: dead|clean, for an event without one checkable value.
        """
    def add_schema(self, schema_id: int, schema: str, references: Sequence[str] = ()) -> None:
        """Raises SchemaUnusable; then call reject_schema."""
    def reject_schema(self, schema_id: int, reason: str) -> None:
        """All events of this schema id are dead with this reason (unknown-schema, schema-unusable)."""
    def forget_schema(self, schema_id: int) -> None: ...
    def missing(self, values: Sequence[bytes | None]) -> list[int]:
        """Schema ids in the batch that were neither added nor rejected, distinct, in order of appearance."""

class Reason:
    feed: str
    signal: str
    category: str
    distance: int
    """0 for exact signals."""
    tag: bytes
    """16 bytes."""

class Screened:
    """Verdicts of one batch."""

    codes: bytes
    """One byte an event: 0 clean, 1 quarantined, 2 dead."""
    quarantined: list[tuple[int, str | None, list[Reason]]]
    """(position, event id or None if unreadable, reasons: at least one, the nearest per feed, signal and category)."""
    dead: list[tuple[int, str, str | None]]
    """(position, reason, mapped path or None)."""
    checked: dict[str, int]
    """Values checked, by signal."""
    matched: dict[tuple[str, str, str], int]
    """Events that a feed's entries quarantine, by (feed, signal, category); each event counts once."""
    cancelled: dict[tuple[str, str], int]
    """Events of which allow entries cancelled a match of the feed, by (feed, signal); each event counts once."""
    observed: dict[tuple[str, str], int]
    """Events that an observing feed's entries match, by (feed, signal); each event counts once."""

class Snapshot:
    """One immutable state of the denylist."""

    def screen(self, reader: Reader, values: Sequence[bytes | None]) -> Screened:
        """Every schema id in the batch must be known to the reader (see Reader.missing); raises KeyError otherwise."""
    def find(self, signal: str, value: str | bytes) -> list[Reason]:
        """All matches of one value, allow and observe feeds included, nothing cancelled. Raises ValueError."""
    def contains(self, key: bytes) -> bool:
        """Whether the entry with this 42-byte Kafka key is in force. Raises ValueError on a malformed key."""
    def entry_tag(self, key: bytes) -> bytes:
        """The opaque tag of the entry with this 42-byte Kafka key, as quarantine records carry it."""

def canonical_url(url: str | bytes) -> str | None:
    """Host, path and query in canonical form: host/path or host/path?query. None if the URL can't be vouched for."""

def url_expressions(url: str | bytes) -> list[tuple[str, str]] | None:
    """(width, expression) that an event with this URL is looked up by, every width and depth."""

def hashed_url_forms(url: str | bytes) -> list[bytes]:
    """The spellings of a URL under which partners may have hashed it."""

def normal_digest(signal: str, value: str | bytes, encoding: str = "auto") -> bytes | str:
    """The digest's bytes, or the reason why it is none."""
