"""Lists over HTTP(S): conditional requests (RFC 9110, 13), Content-Encoding, credentials, redirects.

No message here names the address: its query may be a key, and its host may be nobody's business.
"""

import base64
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from crawlsieve.refresh.checkpoint import Checkpoint
from crawlsieve.refresh.refusal import Refused, Unavailable
from crawlsieve.refresh.unpack import CODINGS, MAX_LAYERS, unpack

# httpx logs each request with its whole address at level INFO.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

MAX_REDIRECTS = 5
_PAGES = ("text/html", "application/xhtml+xml")
MAX_RETRY_AFTER_SECONDS = 3600.0


@dataclass
class Answer:
    """The body of a 200."""

    chunks: Iterator[bytes]
    coded: bool
    """Whether the server declared a Content-Encoding, which is undone in `chunks`."""
    etag: str | None
    last_modified: str | None


def connect(timeout: float) -> httpx.Client:
    """timeout: seconds without a byte."""
    return httpx.Client(
        timeout=httpx.Timeout(timeout, connect=min(timeout, 15.0)),
        headers={"Accept-Encoding": "gzip, zstd", "User-Agent": "crawlsieve"},
        follow_redirects=False,
    )


@contextmanager
def get(client: httpx.Client, url: str, credentials: Path | None, known: Checkpoint | None) -> Iterator[Answer | None]:
    """The answer, or None for 304. Raises Refused or Unavailable, also from the body."""
    authorization = read_credentials(credentials) if credentials else None
    headers = {}
    if authorization is not None:
        headers["Authorization"] = authorization
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    if known and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    conditional = "If-None-Match" in headers or "If-Modified-Since" in headers
    try:
        address = httpx.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            with client.stream("GET", address, headers=headers) as response:
                if response.has_redirect_location:
                    address = _redirected(address, response, carries_credentials=authorization is not None)
                    continue
                if response.status_code == httpx.codes.NOT_MODIFIED and conditional:
                    yield None
                    return
                _judge(response)
                chunks, coded = _decoded(response)
                yield Answer(chunks, coded, response.headers.get("ETag"), response.headers.get("Last-Modified"))
                return
    except httpx.RemoteProtocolError:
        raise Unavailable("truncated", "the server broke off: it is asked again at the next turn") from None
    except httpx.TimeoutException:
        raise Unavailable("unreachable", "the server does not answer in time") from None
    except httpx.TransportError as e:
        raise Unavailable("unreachable", f"no connection to the server ({type(e).__name__})") from None
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        raise Unavailable("unreachable", f"the request fails ({type(e).__name__})") from None
    raise Refused("redirects", f"more than {MAX_REDIRECTS} redirects: set source to the final address")


def read_credentials(path: Path) -> str:
    """The Authorization header from a file that holds `user:password` or `Bearer TOKEN`. Raises Refused."""
    try:
        text = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise Refused("credentials", "credentials_file can't be read: check its path and rights") from None
    if len(text.splitlines()) == 1 and text.isprintable():
        scheme, _, token = text.partition(" ")
        if scheme.lower() == "bearer" and token.strip() and token.isascii():
            return f"Bearer {token.strip()}"
        if ":" in text:
            return "Basic " + base64.b64encode(text.encode()).decode()
    raise Refused("credentials", "credentials_file must hold one line, `user:password` or `Bearer TOKEN`")


def _redirected(address: httpx.URL, response: httpx.Response, *, carries_credentials: bool) -> httpx.URL:
    target = address.join(response.headers["Location"])
    if target.scheme not in ("http", "https") or (address.scheme == "https" and target.scheme != "https"):
        raise Refused("redirects", "the server redirects to another scheme: set source to the final address")
    if carries_credentials and (target.scheme, target.host, target.port) != (
        address.scheme,
        address.host,
        address.port,
    ):
        raise Refused("redirects", "the server redirects credentials to another host: set source to the final address")
    return target


def _judge(response: httpx.Response) -> None:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= 500 or status == httpx.codes.REQUEST_TIMEOUT:
        raise Unavailable("unreachable", f"the server answers {status}", _retry_after(response))
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise Refused("credentials", f"the server answers {status}: renew credentials_file")
    if status in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
        raise Refused("not-found", f"the server answers {status}: ask the partner for the list's address")
    if status != httpx.codes.OK:
        raise Refused("unexpected-answer", f"the server answers {status}: check source")
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() in _PAGES:
        raise Refused("not-a-list", "the server sends a web page, perhaps a login: check source and credentials_file")


def _decoded(response: httpx.Response) -> tuple[Iterator[bytes], bool]:
    codings = [c.strip().lower() for c in response.headers.get("Content-Encoding", "").split(",")]
    codings = ["gzip" if c == "x-gzip" else c for c in codings if c not in ("", "identity")]
    if len(codings) > MAX_LAYERS or not CODINGS.issuperset(codings):
        raise Refused("unexpected-answer", "the server uses a Content-Encoding other than gzip and zstd")
    chunks = response.iter_raw()
    for coding in reversed(codings):
        chunks = unpack(chunks, coding)
    return chunks, bool(codings)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, from either form of Retry-After (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        seconds = float(text)
    else:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
