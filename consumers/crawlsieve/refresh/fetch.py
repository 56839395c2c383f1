"""A feed's source as a stream of bytes. Nothing of it is ever written to a file: the raw list passes through memory."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx

from crawlsieve.refresh import web
from crawlsieve.refresh.checkpoint import Checkpoint
from crawlsieve.refresh.refusal import Refused, Unavailable
from crawlsieve.refresh.unpack import unpack_by_magic

MAX_BYTES = 64 << 30
"""Of a list without compression. A source beyond it is an endless one."""

_CHUNK = 1 << 18
_CODING_OF_SUFFIX = {".gz": "gzip", ".zst": "zstd"}


class SourceSettings(Protocol):
    """The settings of a feed that say where its list is."""

    @property
    def source(self) -> str:
        """A path, or a URL of scheme file, http or https."""

    @property
    def credentials_file(self) -> Path | None:
        """See web.read_credentials."""


@dataclass
class Source:
    """An open source."""

    chunks: Iterator[bytes]
    """The list without compression. Raises Refused or Unavailable when it can't be read to its end."""
    checkpoint: Checkpoint
    """Valid once `chunks` is exhausted."""


def connect(timeout: float = 60.0) -> httpx.Client:
    """The HTTP client of a refresher. timeout: seconds without a byte."""
    return web.connect(timeout)


@contextmanager
def open_source(
    settings: SourceSettings, client: httpx.Client, shape: str, known: Checkpoint | None
) -> Iterator[Source | None]:
    """The source, or None if it is as `known` (the checkpoint of the last complete pull, of the same shape) says.

    Raises Refused, or Unavailable where another attempt may succeed.
    """
    if _scheme(settings.source) in ("http", "https"):
        with web.get(client, settings.source, settings.credentials_file, known) as answer:
            if answer is None:
                yield None
                return
            suffix = Path(urlsplit(settings.source).path).suffix
            coding = None if answer.coded else _CODING_OF_SUFFIX.get(suffix)
            chunks = _bounded(unpack_by_magic(answer.chunks, expected=coding))
            yield Source(chunks, Checkpoint(shape, etag=answer.etag, last_modified=answer.last_modified))
        return
    path = _local(settings.source)
    try:
        file = path.open("rb", buffering=0)
    except OSError as e:
        reason = (e.strerror or "error").lower()
        raise Unavailable("unreachable", f"the source can't be opened ({reason}): check path and rights") from None
    with file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise Refused("not-a-list", "the source is not a regular file: check source")
        checkpoint = Checkpoint(shape, file=(found.st_ino, found.st_size, found.st_mtime_ns))
        if known == checkpoint:
            yield None
            return
        raw = _read(file.fileno(), found)
        yield Source(
            _bounded(unpack_by_magic(raw, expected=_CODING_OF_SUFFIX.get(path.suffix))),
            checkpoint,
        )


def _scheme(source: str) -> str:
    scheme, mark, _ = source.partition("://")
    return scheme.lower() if mark else ""


def _local(source: str) -> Path:
    return Path(unquote(urlsplit(source).path)) if _scheme(source) == "file" else Path(source)


def _read(descriptor: int, before: os.stat_result) -> Iterator[bytes]:
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk
    after = os.fstat(descriptor)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Unavailable("changed", "the source changed while it was read: write it aside and rename it into place")


def _bounded(chunks: Iterator[bytes]) -> Iterator[bytes]:
    left = MAX_BYTES
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise Refused("too-large", f"the list has more than {MAX_BYTES >> 30} GiB: split it into several feeds")
        yield chunk
