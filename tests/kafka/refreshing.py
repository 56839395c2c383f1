"""What a denylist topic says, told by plain dictionaries, and refreshes in this process."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crawlsieve import _native
from crawlsieve.config import load
from crawlsieve.denylist import status as statuses
from crawlsieve.denylist.assembly import Assembly, Record
from crawlsieve.denylist.status import Status
from crawlsieve.kafka import wire
from crawlsieve.refresh.pull import Patience
from crawlsieve.refresh.service import run
from crawlsieve.telemetry.health import Health
from tests.kafka.fixtures import MadeConfig

SIGNALS = {1: "url", 2: "md5", 3: "sha1", 4: "sha256", 9: "pdq"}
IMPATIENT = Patience(attempts=2, first_wait=0.01, longest_wait=0.01)


@dataclass
class Topic:
    """All committed records of a denylist topic."""

    records: list[tuple[int, bytes, bytes | None]]
    keys: _native.Keys

    @property
    def entries(self) -> dict[bytes, bytes]:
        """In force, by Kafka key."""
        newest = {key: value for _, key, value in self.records if key[0] == 1}
        return {key: value for key, value in newest.items() if value is not None}

    def of(self, feed: str) -> dict[bytes, bytes]:
        """The entries of one feed."""
        tag = self.keys.feed_tag(feed)
        return {key: value for key, value in self.entries.items() if key[2:10] == tag}

    def history(self, feed: str) -> list[Status]:
        """All status records of a feed, oldest first."""
        found = [
            statuses.decode(self.keys, key, value)
            for _, key, value in self.records
            if key[0] == 2 and value is not None
        ]
        return [status for status in found if status.feed == feed]

    def status(self, feed: str) -> Status:
        """The newest one."""
        return self.history(feed)[-1]

    def agrees(self) -> None:
        """Fails unless every status record, at its place in the log, tells the truth about the entries before it."""
        sealers: dict[str, _native.Sealer] = {}
        in_force: dict[bytes, bytes] = {}
        assembly = None
        for offset, key, value in self.records:
            if key[0] == 1:
                in_force.pop(key, None)
                if value is not None:
                    in_force[key] = value
                continue
            assert value is not None
            status = statuses.decode(self.keys, key, value)
            sealer = sealers.setdefault(
                status.feed,
                _native.Sealer(self.keys, status.denylist_id, status.feed, wire.own("denylist-entry").id),
            )
            tag = self.keys.feed_tag(status.feed)
            mine = {k: v for k, v in in_force.items() if k[2:10] == tag}
            assert dict(status.counts) == dict(Counter(SIGNALS[k[1]] for k in mine)), offset
            total = sum(sealer.term(k, v) for k, v in mine.items()) + self.keys.checksum(status.policy.encode())
            assert status.checksum == total % 2**128, offset
            policy = status.parsed_policy
            if policy.canary is not None:
                assert bytes.fromhex(policy.canary) in mine, offset
            assembly = assembly or Assembly(self.keys, status.denylist_id)
        if assembly is not None:
            assembly.add((Record(*record) for record in self.records), judged=True)
            assembly.judge()


def topic(config: MadeConfig) -> Topic:
    """The denylist topic as it stands."""
    records = [(record.offset, record.key or b"", record.value) for record in config.read(config.denylist)]
    return Topic(records, _native.Keys(config.secret))


def refresh(config: MadeConfig, only: str | None = None, *, dry_run: bool = False) -> int:
    """`crawlsieve refresh --once` in this process."""
    return run(
        load(config.path, {}),
        Health(),
        threading.Event(),
        once=True,
        only=only,
        dry_run=dry_run,
        patience=IMPATIENT,
    )


@contextmanager
def refreshing(config: MadeConfig) -> Iterator[Health]:
    """`crawlsieve refresh` in a thread, stopped at the end."""
    health, stop = Health(), threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            run(load(config.path, {}), health, stop, patience=IMPATIENT)
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield health
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert not failures, failures


def feed(source: Path | str, **settings: object) -> dict[str, object]:
    """A section of [feeds]."""
    return {"kind": "list", "source": str(source), "format": "text", "every": "1h", "category": "csam", **settings}
