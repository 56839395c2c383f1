"""What a feed needs to ask its source for changes only. Kept in the feed's status record, encrypted.

A server's ETag can be a plain hash of the list, and a plain hash of a short list can be guessed.
"""

import base64
import json
from dataclasses import asdict, dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


@dataclass(frozen=True)
class Checkpoint:
    """How the source looked when it was last pulled completely, and by which settings it was read."""

    shape: str
    """The settings that decide which entries a source gives: with others, the source is read anew."""
    etag: str | None = None
    last_modified: str | None = None
    file: tuple[int, int, int] | None = None
    """Of a path: inode, size in bytes, time of change in ns."""
    counts: dict[str, int] = field(default_factory=dict, compare=False)
    """Entries by signal. Those in force may be more: between two parts, they are of two pulls."""


class CheckpointSeal:
    """Encrypts checkpoints with AES-256-SIV (RFC 5297) under a key of their own, with the feed as associated data."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESSIV(HKDF(SHA256(), 64, salt=None, info=b"crawlsieve refresh checkpoint").derive(secret))

    def seal(self, feed: str, checkpoint: Checkpoint) -> str:
        """The checkpoint as the JSON text of a status record."""
        plain = json.dumps(asdict(checkpoint), sort_keys=True).encode()
        return json.dumps({"sealed": base64.b64encode(self._cipher.encrypt(plain, [feed.encode()])).decode()})

    def open(self, feed: str, text: str) -> Checkpoint | None:
        """The checkpoint in a status record; None if there is none that this build can read: then all is pulled."""
        try:
            sealed = base64.b64decode(json.loads(text)["sealed"], validate=True)
            fields = json.loads(self._cipher.decrypt(sealed, [feed.encode()]))
            file = fields.pop("file")
            return Checkpoint(**fields, file=tuple(file) if file else None)
        except (ValueError, KeyError, TypeError, AttributeError, InvalidTag):
            return None
