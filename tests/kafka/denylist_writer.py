"""Writes a denylist as plainly as can be: the records of one part, then its status, in one transaction."""

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confluent_kafka import Producer

from crawlsieve import _native
from crawlsieve.denylist.policy import Policy
from crawlsieve.denylist.status import Status, status_key
from crawlsieve.kafka import wire
from tests.kafka.fixtures import MadeConfig

Raw = tuple[bytes, bytes | None]


@dataclass(frozen=True)
class Listed:
    """One value of one record of a feed."""

    value: str
    signal: str = "md5"
    width: str | None = None
    record_id: str | None = None
    category: str = "test"


class DenylistWriter:
    """One denylist under one id; knows what it has written, and so what counts and checksums should be."""

    def __init__(self, config: MadeConfig, *, secret: bytes | None = None, denylist_id: bytes | None = None) -> None:
        self.keys = _native.Keys(secret or config.secret)
        self.denylist_id = denylist_id or secrets.token_bytes(16)
        self._topic = config.denylist
        self._entries: dict[str, dict[bytes, tuple[str, bytes]]] = {}
        self._producer = Producer(
            {"bootstrap.servers": config.broker.bootstrap, "transactional.id": f"writer-{secrets.token_hex(8)}"}
        )
        self._producer.init_transactions(30)

    def seal(self, feed: str, listed: Listed) -> tuple[bytes, bytes]:
        """Kafka key and value of one entry."""
        sealer = _native.Sealer(self.keys, self.denylist_id, feed, wire.own("denylist-entry").id)
        [sealed] = sealer.seal(
            listed.signal,
            [listed.value],
            width=listed.width,
            categories=listed.category,
            record_ids=[listed.record_id],
        )
        assert not isinstance(sealed, str), sealed
        return sealed

    def part(
        self,
        feed: str,
        add: Sequence[Listed] = (),
        remove: Sequence[Listed] = (),
        policy: Policy | str | None = None,
        **changes: Any,
    ) -> list[Raw]:
        """The records of one part, its status last. changes: what the status says in place of the truth.

        policy: a text for one that Policy would not write.
        """
        entries = self._entries.setdefault(feed, {})
        records: list[Raw] = []
        for listed in add:
            key, value = self.seal(feed, listed)
            entries[key] = (listed.signal, value)
            records.append((key, value))
        for listed in remove:
            key, _ = self.seal(feed, listed)
            del entries[key]
            records.append((key, None))
        return [*records, self.status(feed, policy, **changes)]

    def status(self, feed: str, policy: Policy | str | None = None, **changes: Any) -> tuple[bytes, bytes]:
        """The feed's status record as of now."""
        text = policy if isinstance(policy, str) else (policy or Policy(category="test")).to_json()
        entries = self._entries.get(feed, {})
        sealer = _native.Sealer(self.keys, self.denylist_id, feed, wire.own("denylist-entry").id)
        total = sum(sealer.term(key, value) for key, (_, value) in entries.items())
        counts: dict[str, int] = {}
        for signal, _ in entries.values():
            counts[signal] = counts.get(signal, 0) + 1
        now = round(time.time() * 1000)
        status = Status(
            denylist_id=self.denylist_id,
            feed=feed,
            key_id=self.keys.id,
            policy=text,
            checksum=(total + self.keys.checksum(text.encode())) % 2**128,
            counts=counts,
            complete=True,
            pulled_at=now,
            written_at=now,
        )
        return replace(status, **changes).encode(self.keys)

    def write(self, feed: str, *args: Any, **kwargs: Any) -> int:
        """Commits one part; the offset of its status record. Takes what `part` takes."""
        return self.send(self.part(feed, *args, **kwargs))

    def drop(self, feed: str) -> int:
        """What an attacker without the secret can do: tombstones for a feed's entries and its status record."""
        gone = self._entries.pop(feed, {})
        return self.send([*((key, None) for key in gone), (status_key(feed), None)])

    def send(self, records: Iterable[Raw], *, commit: bool = True) -> int:
        """One transaction of any records; the offset of the last. Left open without `commit`."""
        offsets: list[int] = []
        self._producer.begin_transaction()
        for key, value in records:
            self._producer.produce(
                self._topic, value, key, 0, on_delivery=lambda _, message: offsets.append(message.offset())
            )
        assert self._producer.flush(30) == 0
        if commit:
            self._producer.commit_transaction(30)
        return offsets[-1]

    def finish(self, *, commit: bool) -> None:
        """Ends a transaction that was left open."""
        if commit:
            self._producer.commit_transaction(30)
        else:
            self._producer.abort_transaction(30)
