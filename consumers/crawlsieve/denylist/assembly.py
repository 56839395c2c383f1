"""Puts a denylist together from its topic's records, in the log's order. Knows no Kafka and no time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from crawlsieve import _native
from crawlsieve.denylist import status as statuses
from crawlsieve.denylist.distrust import CHECKSUM, DAMAGED, RECREATED, Distrust, distrust_of
from crawlsieve.denylist.policy import PolicyUnreadable
from crawlsieve.denylist.status import ENTRY_PREFIX, KEY_PREFIX, Status, StatusRefused

NO_DENYLIST = bytes(16)
"""The denylist id of a topic that holds no status record yet."""


class Record(NamedTuple):
    """One record of the denylist topic; value None is a tombstone."""

    offset: int
    key: bytes
    value: bytes | None


@dataclass(frozen=True)
class View:
    """The denylist as of one version; immutable, so that a batch may keep it.

    version: offset of the newest status record in force, -1 before the first. loaded_at: seconds since 1970.
    """

    snapshot: _native.Snapshot
    version: int
    denylist_id: bytes
    statuses: Mapping[str, Status]
    loaded_at: float
    memory: int
    """Bytes that the snapshot's structures hold."""


@dataclass(frozen=True)
class _Applied:
    """A feed's newest status record, and what its entries amounted to when it was applied."""

    status: Status
    offset: int
    counts: Mapping[str, int]
    entries_sum: int


class Assembly:
    """One denylist under construction, then kept up to date. For one thread; its views are for all."""

    def __init__(self, keys: _native.Keys, denylist_id: bytes) -> None:
        self._keys = keys
        self._id = denylist_id
        self._denylist = _native.Denylist(keys, denylist_id)
        self._applied: dict[str, _Applied] = {}
        self._tombstones: dict[str, int] = {}
        self._version = -1

    @property
    def denylist_id(self) -> bytes:
        """16 bytes."""
        return self._id

    @property
    def version(self) -> int:
        """Offset of the newest status record that was applied, -1 before the first."""
        return self._version

    def add(self, records: Iterable[Record], *, judged: bool) -> bool:
        """Stages entries and applies each feed's at its status records. Returns whether there was one.

        judged: at each status record. Not while loading, for compaction may have dropped what older ones counted; then
        `judge` is due at the end. Raises Distrust.
        """
        staged: list[Record] = []
        changed = False
        for record in records:
            if record.key.startswith(ENTRY_PREFIX):
                staged.append(record)
            elif record.key.startswith(KEY_PREFIX):
                self._stage(staged)
                staged.clear()
                feed = self._status(record)
                changed = True
                if judged:
                    self.judge([feed])
            else:
                raise Distrust(DAMAGED, f"a record of no known kind at offset {record.offset}: check who may write")
        self._stage(staged)
        return changed

    def judge(self, feeds: Iterable[str] | None = None) -> None:
        """Compares counts and checksums with the newest status records, of all feeds if None. Raises Distrust.

        Whoever may write can write a tombstone, so it proves nothing: no feed leaves without a status record.
        """
        for feed in {**self._applied, **self._tombstones} if feeds is None else feeds:
            if (offset := self._tombstones.get(feed)) is not None:
                detail = (
                    f"feed {feed}: its status record was deleted at offset {offset} by someone without the secret: "
                    "check who may write to the topic; the refresher writes the feed anew at its next turn"
                )
                raise Distrust(DAMAGED, detail)
            self._judge(self._applied[feed])

    def view(self, loaded_at: float) -> View:
        """The denylist as it stands."""
        feeds = {feed: applied.status for feed, applied in self._applied.items()}
        snapshot = self._denylist.snapshot()
        return View(snapshot, self._version, self._id, MappingProxyType(feeds), loaded_at, self._denylist.memory)

    def _stage(self, records: list[Record]) -> None:
        if not records:
            return
        try:
            self._denylist.stage([(record.key, record.value) for record in records])
        except _native.DamagedRecord as fault:
            first, last = records[0].offset, records[-1].offset
            detail = f"{fault}, between offsets {first} and {last}: check who may write to the topic, then refresh anew"
            raise Distrust(DAMAGED, detail) from None

    def _status(self, record: Record) -> str:
        try:
            feed = statuses.feed_of(record.key)
            if record.value is None:
                # Its entries stay: they are what the log says, and what the refresher's next status record counts.
                self._tombstones[feed] = record.offset
            else:
                self._apply(statuses.decode(self._keys, record.key, record.value), record.offset)
        except (StatusRefused, PolicyUnreadable) as fault:
            raise distrust_of(fault, record.offset) from None
        return feed

    def _apply(self, status: Status, offset: int) -> None:
        if status.denylist_id != self._id:
            raise Distrust(RECREATED, f"another denylist's status record at offset {offset}: loading anew")
        policy = status.parsed_policy
        counts, entries_sum = self._denylist.apply(
            status.feed, action=policy.action, max_distance=policy.max_distance, overruled_by=policy.overruled_by
        )
        self._applied[status.feed] = _Applied(status, offset, counts, entries_sum)
        self._tombstones.pop(status.feed, None)
        self._version = offset

    def _judge(self, applied: _Applied) -> None:
        status, offset = applied.status, applied.offset
        try:
            statuses.require_canonical_form(status)
        except StatusRefused as fault:
            raise distrust_of(fault, offset) from None
        if _nonzero(applied.counts) != _nonzero(status.counts):
            raise Distrust(CHECKSUM, f"feed {status.feed}: entry counts differ from its status at offset {offset}")
        if statuses.checksum(self._keys, applied.entries_sum, status.policy) != status.checksum:
            raise Distrust(CHECKSUM, f"feed {status.feed}: checksum differs from its status at offset {offset}")


def _nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    return {signal: count for signal, count in counts.items() if count}
