"""Keyed records on disk: what is in force, and what was pulled. Differences are joins, so memory stays small.

Only Kafka keys and values of the denylist are written here, never a listed value. The files are a cache: they belong to
one process, and losing them costs a new read of the topic.
"""

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from crawlsieve.errors import OperatorError

_PREFIX = "crawlsieve-refresh-"
_LOCK = "lock"
_TAG = slice(2, 10)
"""Where an entry's Kafka key has the tag of its feed."""

Entry = tuple[bytes, bytes]
"""Kafka key and value."""


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    # A spool that a crash damages is thrown away, so nothing is gained by writing it safely.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY", "cache_size = -32768"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def spool_directory(parent: Path | None) -> Iterator[Path]:
    """A new directory that only we may enter, removed at the end. Those of processes that were killed are removed too.

    parent: None is the system's directory for temporary files. Raises OperatorError.
    """
    try:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))  # mode 0700
    except OSError as e:
        raise OperatorError(
            f"no spool can be made ({(e.strerror or 'error').lower()}): set refresh.spool_dir to a directory that this "
            "user may write to"
        ) from None
    lock = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_abandoned(directory)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(own: Path) -> None:
    for other in own.parent.glob(f"{_PREFIX}*"):
        if other == own:
            continue
        try:
            lock = os.open(other / _LOCK, os.O_RDWR)
        except OSError:
            continue  # another user's, or only just being made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(other, ignore_errors=True)
        except BlockingIOError:
            pass  # its process lives
        finally:
            os.close(lock)


class PulledFile:
    """The entries of one pull, written by the thread that made it. A later entry of the same key wins."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error, as every method."""
        path.unlink(missing_ok=True)
        self.path = path
        self._connection = _connect(path)
        self._connection.execute("CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        self._connection.execute("BEGIN")

    def put(self, entries: Iterable[Entry]) -> None:
        """Adds entries. Sorted batches touch fewer pages."""
        self._connection.executemany("REPLACE INTO entries VALUES (?, ?)", sorted(dict(entries).items()))

    def first_with(self, prefix: bytes) -> bytes | None:
        """The smallest key that begins with prefix."""
        query = "SELECT min(key) FROM entries WHERE key >= ? AND key < ?"
        found = self._connection.execute(query, (prefix, prefix + b"\xff" * 32)).fetchone()[0]
        return bytes(found) if found is not None else None

    def counts(self) -> dict[int, int]:
        """Distinct entries by signal code."""
        rows = self._connection.execute("SELECT substr(key, 2, 1), count(*) FROM entries GROUP BY 1")
        return {code[0]: count for code, count in rows}

    def close(self) -> None:
        """Ends the writing; the file stays for Spool to join with."""
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        self._connection.close()


class Spool:
    """The entries in force of all feeds, for one thread."""

    def __init__(self, directory: Path, beat: Callable[[], None]) -> None:
        """beat: called every now and then during long queries. Raises sqlite3.Error, as every method."""
        self.directory = directory
        self._beat = beat
        self._connection = self._new()

    def clear(self) -> None:
        """Forgets everything, even if the file is damaged."""
        self._connection.close()
        self._connection = self._new()

    def _new(self) -> sqlite3.Connection:
        path = self.directory / "in-force.sqlite"
        path.unlink(missing_ok=True)
        connection = _connect(path)
        connection.set_progress_handler(self._beat, 1_000_000)
        connection.execute(
            "CREATE TABLE in_force (tag BLOB, key BLOB, value BLOB NOT NULL, PRIMARY KEY (tag, key)) WITHOUT ROWID"
        )
        return connection

    def apply(self, records: Mapping[bytes, bytes | None]) -> set[bytes]:
        """Brings entries (None: a tombstone) into force. Returns the tags of the feeds concerned."""
        upserts = sorted((key[_TAG], key, value) for key, value in records.items() if value is not None)
        removals = sorted((key[_TAG], key) for key, value in records.items() if value is None)
        self._connection.execute("BEGIN")
        self._connection.executemany("REPLACE INTO in_force VALUES (?, ?, ?)", upserts)
        self._connection.executemany("DELETE FROM in_force WHERE tag = ? AND key = ?", removals)
        self._connection.execute("COMMIT")
        return {row[0] for row in upserts} | {row[0] for row in removals}

    def in_force(self, tag: bytes) -> Iterator[Entry]:
        """All entries of one feed."""
        query = "SELECT key, value FROM in_force WHERE tag = ?"
        with closing(self._connection.execute(query, (tag,))) as rows:
            yield from rows

    def additions(self, tag: bytes, pulled: Path, after: bytes) -> Iterator[tuple[bytes, bytes, bytes | None]]:
        """(key, value, value in force or None) of entries beyond the key `after` that are to be written, by key."""
        query = """SELECT p.key, p.value, f.value
                   FROM pulled.entries p LEFT JOIN in_force f ON f.tag = ? AND f.key = p.key
                   WHERE p.key > ? AND f.value IS NOT p.value ORDER BY p.key"""
        return self._joined(query, (tag, after), pulled)

    def removals(self, tag: bytes, pulled: Path, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(key, value in force) of entries beyond the key `after` that are to be removed, by key."""
        query = """SELECT f.key, f.value FROM in_force f
                   WHERE f.tag = ? AND f.key > ? AND NOT EXISTS (SELECT 1 FROM pulled.entries p WHERE p.key = f.key)
                   ORDER BY f.key"""
        return self._joined(query, (tag, after), pulled)

    def any_entry(self) -> bool:
        """Whether any feed has any entry."""
        return self._connection.execute("SELECT 1 FROM in_force LIMIT 1").fetchone() is not None

    def entry(self, tag: bytes, key: bytes) -> bytes | None:
        """The value in force of one key."""
        query = "SELECT value FROM in_force WHERE tag = ? AND key = ?"
        row = self._connection.execute(query, (tag, key)).fetchone()
        return bytes(row[0]) if row else None

    def pulled_entry(self, pulled: Path, key: bytes) -> bytes | None:
        """The pulled value of one key."""
        rows = list(self._joined("SELECT value FROM pulled.entries WHERE key = ?", (key,), pulled))
        return bytes(rows[0][0]) if rows else None

    def close(self) -> None:
        """The directory's owner removes the file."""
        self._connection.close()

    def _joined(self, query: str, parameters: tuple[bytes, ...], pulled: Path) -> Iterator[Any]:
        self._connection.execute("ATTACH ? AS pulled", (str(pulled),))
        try:
            with closing(self._connection.execute(query, parameters)) as rows:
                yield from rows
        finally:
            self._connection.execute("DETACH pulled")
