"""The twin of the native canonical form: another WHATWG parser (ada), and Safe Browsing's rules one after the other."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import can_ada

WEB = ("http:", "https:", "ws:", "wss:", "ftp:")


@dataclass(frozen=True)
class Url:
    """A URL in canonical form."""

    host: str
    path: str
    query: str

    @property
    def text(self) -> str:
        return self.host + self.path + ("?" + self.query if self.query else "")

    @property
    def is_address(self) -> bool:
        return self.host.startswith("[") or re.fullmatch(r"\d+\.\d+\.\d+\.\d+", self.host) is not None


def canonical(url: str | bytes) -> Url | None:
    """None if the URL can't be vouched for."""
    try:
        text = url.decode() if isinstance(url, bytes) else url
        length = len(text.encode())
    except UnicodeError:
        return None
    if length > 8192:
        return None
    try:
        parsed = can_ada.parse(text)
    except ValueError:
        return None
    if parsed.protocol == "file:":
        return None
    host = canonical_host(parsed.hostname, parsed.protocol)
    path = canonical_path(unescape(parsed.pathname or "/"))
    if not host or host.count(".") >= 128 or path.count("/") > 128:
        return None
    return Url(host, path, escape(unescape(parsed.search.removeprefix("?")), b"#%"))


def listed(text: str) -> Url | None:
    """A list may write a host, with a port perhaps, without a scheme; None if it can't be a URL even then."""
    found = canonical(text)
    if found is not None:
        return found
    host = r"(?:\[[^\]/?#\\@\0-\x20]*\]|[^:/?#\\@\0-\x20]+)"
    rest = re.fullmatch(rf"(?://)?({host}(?::[0-9]+)?(?:[/?#\\].*)?)", text.strip(" \t\n\f\r"), re.DOTALL)
    return canonical("http://" + rest[1]) if rest else None


def canonical_host(host: str, protocol: str) -> str | None:
    if protocol not in WEB:
        host = parse_host(host) or ""
    tidy = re.sub(r"\.+", ".", host).strip(".")
    if tidy != host:
        tidy = parse_host(tidy) or ""
    if tidy.startswith("["):
        address = ipaddress.IPv6Address(tidy[1:-1])
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        if address in ipaddress.IPv6Network("64:ff9b::/96"):
            return str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tidy or None


def parse_host(host: str) -> str | None:
    try:
        return str(can_ada.parse(f"http://{host}/").hostname)
    except ValueError:
        return None


def unescape(text: str) -> bytes:
    data, before = text.encode(), None
    while data != before:
        before, data = data, unquote_to_bytes(data)
    return data


def escape(data: bytes, more: bytes) -> str:
    return "".join(f"%{c:02X}" if c <= 0x20 or c >= 0x7F or c in more else chr(c) for c in data)


def canonical_path(path: bytes) -> str:
    kept: list[bytes] = []
    parts = path.removeprefix(b"/").split(b"/")
    for n, part in enumerate(parts):
        if part == b".." and kept:
            kept.pop()
        if part not in (b".", b".."):
            kept.append(part)
        elif n == len(parts) - 1:
            kept.append(b"")
    resolved = b"/" + b"/".join(kept)
    return escape(re.sub(rb"/+", b"/", resolved), b"#%?\\")


def covers(width: str, entry: Url, event: Url) -> bool:
    """Whether a listed URL of this width matches an event's."""
    if width == "host":
        return event.host == entry.host or (not event.is_address and event.host.endswith("." + entry.host))
    if event.host != entry.host:
        return False
    if width == "prefix":
        folder = entry.path if entry.path.endswith("/") else entry.path + "/"
        return event.path == entry.path or event.path.startswith(folder)
    if width == "page" and not entry.query:
        return event.path == entry.path
    return (event.path, event.query) == (entry.path, entry.query)


def breadth(width: str, entry: Url) -> tuple[int, int]:
    """Of two entries that match the same URL, the greater covers the lesser."""
    if width == "exact":
        return (0, 0)
    if width == "page":
        return (1, 0 if entry.query else 1)
    if width == "prefix":
        return (2, -len(entry.path))
    return (3, -entry.host.count("."))


def hashed_forms(url: str) -> set[bytes]:
    """Every spelling under which others may have hashed the URL."""
    form = canonical(url)
    assert form is not None
    whole = can_ada.parse(url)
    plain = whole.href.split("#")[0]
    found = {url, whole.href, plain, form.text, "http://" + form.text, "https://" + form.text}
    if whole.protocol in ("http:", "https:"):
        rest = plain.split("://", 1)[1]
        user, at, after = rest.rpartition("@") if "@" in rest.split("/")[0] else ("", "", rest)
        names = {after}
        if after.startswith("www.") and whole.hostname != "www.":
            names.add(after.removeprefix("www."))
        elif canonical(f"http://{whole.hostname}/") and not Url(whole.hostname, "", "").is_address:
            names.add("www." + after)
        if whole.pathname == "/" and not plain.count("?"):
            names |= {name.removesuffix("/") for name in names}
        found |= {f"{scheme}://{user}{at}{name}" for scheme in ("http", "https") for name in names}
    return {text.encode() for text in found}


def hashed(signal: str, form: bytes) -> bytes:
    """The digest of one spelling for `url_md5`, `url_sha1` or `url_sha256`."""
    return hashlib.new(signal.removeprefix("url_"), form, usedforsecurity=False).digest()
