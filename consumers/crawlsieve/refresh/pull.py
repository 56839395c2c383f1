"""One pull: from the source through parser, checks of single entries and sealer into a file of keyed entries."""

import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
)
from tenacity.wait import wait_base

from crawlsieve import _native
from crawlsieve.refresh import checks
from crawlsieve.refresh.checkpoint import Checkpoint
from crawlsieve.refresh.feed import Feed
from crawlsieve.refresh.fetch import open_source
from crawlsieve.refresh.ledger import SIGNALS
from crawlsieve.refresh.parse import Batch, Listed, parse
from crawlsieve.refresh.refusal import Refused, Unavailable
from crawlsieve.refresh.spool import PulledFile

TEST_CATEGORY = "test"
MAX_CATEGORIES = 32
_MAX_CATEGORY_LENGTH = 24
_VALUE_PREFIX = 26
"""Bytes of an entry's Kafka key that name feed, signal and value, but not the partner's record."""


@dataclass(frozen=True)
class Pulled:
    """A complete pull that waits to be checked and written."""

    path: Path
    denylist_id: bytes
    checkpoint: Checkpoint
    pulled_at: int
    """When it began, ms since 1970."""
    judged: checks.Judged
    canary: bytes | None
    """Kafka key of the feed's test entry."""


class Cancelled(Exception):
    """The process is to stop, or no longer leads."""


@dataclass(frozen=True)
class Patience:
    """How often an unavailable source is asked again within one pull, and for how long (seconds)."""

    attempts: int = 5
    first_wait: float = 1.0
    longest_wait: float = 60.0


class _Wait(wait_base):
    """Exponential with full jitter, and never shorter than the server asks for."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def __call__(self, retry_state: RetryCallState) -> float:
        bound = self._patience.first_wait * 2 ** (retry_state.attempt_number - 1)
        wait = random.uniform(0, min(bound, self._patience.longest_wait))  # noqa: S311 -- no secret
        failure = retry_state.outcome.exception() if retry_state.outcome else None
        asked = failure.retry_after if isinstance(failure, Unavailable) else None
        return max(wait, asked or 0.0)


def pull(
    feed: Feed,
    keys: _native.Keys,
    denylist_id: bytes,
    client: httpx.Client,
    known: Checkpoint | None,
    path: Path,
    cancelled: threading.Event,
    patience: Patience,
) -> Pulled | None:
    """The feed's entries in a new file at `path`, or None if the source is as at the checkpoint `known`.

    Raises Refused, Cancelled, sqlite3.Error or OSError (the spool's disk).
    """
    retrying = Retrying(
        retry=retry_if_exception_type(Unavailable),
        wait=_Wait(patience),
        stop=stop_any(stop_after_attempt(patience.attempts), stop_when_event_set(cancelled)),
        sleep=sleep_using_event(cancelled),
        reraise=True,
    )
    if known is not None and known.shape != feed.shape():
        known = None
    return retrying(_attempt, feed, keys, denylist_id, client, known, path, cancelled)


def _attempt(
    feed: Feed,
    keys: _native.Keys,
    denylist_id: bytes,
    client: httpx.Client,
    known: Checkpoint | None,
    path: Path,
    cancelled: threading.Event,
) -> Pulled | None:
    began = time.time_ns() // 1_000_000
    with open_source(feed.settings, client, feed.shape(), known) as source:
        if source is None:
            return None
        file = PulledFile(path)
        try:
            sealing = _Sealing(feed, feed.sealer(keys, denylist_id), file)
            settings = feed.settings
            batches = parse(source.chunks, form=settings.format, columns=settings.columns, signal=settings.signal)
            sealing.take_all(batches, cancelled)
            canary = sealing.canary_key()
            counts = {SIGNALS[code]: count for code, count in file.counts().items()}
        except BaseException:
            file.close()
            path.unlink(missing_ok=True)
            raise
        file.close()
    judged = checks.Judged(sealing.values, counts, dict(sealing.set_aside), canary is not None)
    checkpoint = replace(source.checkpoint, counts=counts)
    return Pulled(path, denylist_id, checkpoint, began, judged, canary)


class _Sealing:
    """Values in, keyed entries out, with what was set aside counted."""

    def __init__(self, feed: Feed, sealer: _native.Sealer, file: PulledFile) -> None:
        self._feed = feed
        self._sealer = sealer
        self._file = file
        self._categories: dict[str | None, str] = {None: feed.settings.category}
        self._canaries = self._canary_prefixes()
        self.values = 0
        self.set_aside: Counter[str] = Counter()

    def take_all(self, batches: Iterable[tuple[Batch, int]], cancelled: threading.Event) -> None:
        """Raises Refused from the batches, and Cancelled."""
        for batch, empty_rows in batches:
            if cancelled.is_set():
                raise Cancelled
            if empty_rows:
                self.values += empty_rows
                self.set_aside[checks.NO_VALUE] += empty_rows
            for signal, listed in batch.items():
                self._take(signal, listed)

    def _take(self, signal: str, listed: Listed) -> None:
        width = self._feed.width(signal)
        self.values += len(listed.values)
        known = self._categories
        categories = [known[name] if name in known else self._category(name) for name in listed.categories]
        sealed = self._sealer.seal(
            signal, listed.values, width=width, categories=categories, record_ids=listed.record_ids
        )
        entries = []
        for at, result in enumerate(sealed):
            if isinstance(result, str):
                self.set_aside[result] += 1
            elif checks.matches_everything(width, listed.values[at]):
                self.set_aside[checks.PUBLIC_SUFFIX] += 1
            elif result[0][:_VALUE_PREFIX] in self._canaries:
                entries.append(self._test_entry(signal, listed, at))
            else:
                entries.append(result)
        self._file.put(entries)

    def canary_key(self) -> bytes | None:
        """The Kafka key of the test entry, if it was in the list: of several records' the smallest."""
        found = (self._file.first_with(prefix) for prefix in sorted(self._canaries))
        return next((key for key in found if key is not None), None)

    def _canary_prefixes(self) -> set[bytes]:
        canary = self._feed.settings.canary
        if canary is None:
            return set()
        prefixes = set()
        for signal in self._feed.signals:
            width = self._feed.width(signal)
            (sealed,) = self._sealer.seal(signal, [canary], width=width, categories=TEST_CATEGORY)
            if not isinstance(sealed, str):
                prefixes.add(sealed[0][:_VALUE_PREFIX])
        if not prefixes:
            raise Refused("canary-missing", "the feed's canary is no value that its list could have: set canary anew")
        return prefixes

    def _test_entry(self, signal: str, listed: Listed, at: int) -> tuple[bytes, bytes]:
        (sealed,) = self._sealer.seal(
            signal,
            [listed.values[at]],
            width=self._feed.width(signal),
            categories=TEST_CATEGORY,
            record_ids=[listed.record_ids[at]],
        )
        assert not isinstance(sealed, str)
        return sealed

    def _category(self, listed: str | None) -> str:
        """The row's category, or the feed's. A category becomes a label: a column of something else must not."""
        name = (listed or "").strip().lower()
        plain = name.replace("-", "").replace("_", "")
        if not (plain.isascii() and plain.isalnum() and len(name) <= _MAX_CATEGORY_LENGTH):
            return self._feed.settings.category
        if name not in self._categories:
            if len(self._categories) > MAX_CATEGORIES:  # with the entry for rows without one
                return self._feed.settings.category
            self._categories[name] = name
        return name


DISK_ERRORS = (sqlite3.Error, OSError)
"""What a full or broken disk under the spool raises."""
