"""The twin of the native digest reader: hex and base64 from the standard library."""

import base64
import re

LENGTHS = {
    "md5": 16,
    "sha1": 20,
    "sha256": 32,
    "sha512": 64,
    "url_md5": 16,
    "url_sha1": 20,
    "url_sha256": 32,
    "pdq": 32,
    "phash": 8,
    "dhash": 8,
    "ahash": 8,
    "whash": 8,
}
"""In bytes."""


def normal(signal: str, value: str | bytes, encoding: str = "auto") -> bytes | str:
    """The digest's bytes, or the reason why it is none."""
    length = LENGTHS[signal]
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    if encoding == "bytes" or (encoding == "auto" and isinstance(value, bytes) and len(raw) == length):
        found: bytes | str = raw
    else:
        text = raw.strip(b" \t\n\r\f").decode("latin-1")
        if encoding == "auto":
            encoding = by_length(len(text), length)
        found = {"hex": from_hex, "base64": from_base64}.get(encoding, lambda _: b"")(text)
    return "invalid-length" if isinstance(found, bytes) and len(found) != length else found


def by_length(characters: int, length: int) -> str:
    if characters == 2 * length:
        return "hex"
    encoded = base64.b64encode(bytes(length))
    return "base64" if characters in (len(encoded), len(encoded.rstrip(b"="))) else "none"


def from_hex(text: str) -> bytes | str:
    return bytes.fromhex(text) if re.fullmatch("([0-9a-fA-F]{2})*", text) else "invalid-hex"


def from_base64(text: str) -> bytes | str:
    """Only what an encoder would have written: one of two alphabets, all of the padding or none.

    What is longer than any digest is just too long.
    """
    if len(text) > 88 and re.fullmatch("[A-Za-z0-9+/_=-]*", text):
        return "invalid-length"
    standard = text.replace("-", "+").replace("_", "/")
    padded = standard if standard.endswith("=") else standard + "=" * (-len(standard) % 4)
    try:
        data = base64.b64decode(padded, validate=True)
    except ValueError:
        return "invalid-base64"
    return data if base64.b64encode(data).decode() == padded else "invalid-base64"
