"""Streaming decompression that notices a truncated stream. gzip: RFC 1952; zstd: RFC 8878."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Protocol

import zstandard

from crawlsieve.refresh.refusal import Refused

MAX_LAYERS = 2
"""A .gz file that a server sends with Content-Encoding: zstd is two."""

_MAGIC = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
# Input per call bounds the output per call: one KiB of zstd is at most 32 MiB, 64 KiB of gzip at most 66 MB.
_SLICE = {"gzip": 1 << 16, "zstd": 1 << 10}


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gzip() -> _Decompressor:
    return zlib.decompressobj(wbits=31)


def _zstd() -> _Decompressor:
    return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {"gzip": _gzip, "zstd": _zstd}
CODINGS = frozenset(_DECOMPRESSORS)


def unpack(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """The stream without its `gzip` or `zstd` coding, members or frames joined.

    Raises Refused (`truncated`, `damaged`).
    """
    current: _Decompressor | None = None
    size = _SLICE[coding]
    for chunk in chunks:
        for at in range(0, len(chunk), size):
            data = chunk[at : at + size]
            while data:
                if current is None:
                    # gzip files may be padded with zeros (tapes; RFC 1952 leaves it to the reader).
                    if coding == "gzip" and not (data := data.lstrip(b"\0")):
                        break
                    current = _DECOMPRESSORS[coding]()
                try:
                    out = current.decompress(data)
                except (zlib.error, zstandard.ZstdError):
                    raise Refused("damaged", f"the {coding} stream is damaged: ask the partner to renew it") from None
                data = b""
                if current.eof:
                    data, current = current.unused_data, None
                if out:
                    yield out
    if current is not None:
        raise Refused("truncated", f"the {coding} stream ends too early: it is pulled again at the next turn")


def unpack_by_magic(chunks: Iterable[bytes], *, expected: str | None) -> Iterator[bytes]:
    """The stream without any gzip or zstd coding that its first bytes show.

    No list in UTF-8 and no Parquet file begins with these bytes. expected: the coding that the source's name promises.
    Raises Refused.
    """
    for _ in range(MAX_LAYERS):
        iterator = iter(chunks)
        head = b""
        while len(head) < 4 and (more := next(iterator, None)) is not None:
            head += more
        chunks = chain([head] if head else [], iterator)
        coding = next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)
        if coding is None:
            break
        chunks, expected = unpack(chunks, coding), None
    if expected is not None:
        raise Refused("not-a-list", f"the source's name promises {expected}, and its content is not: check the source")
    yield from chunks
