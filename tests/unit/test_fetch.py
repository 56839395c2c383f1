"""Sources over real HTTP on loopback and from real files."""

import gzip
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import zstandard

from crawlsieve.refresh.checkpoint import Checkpoint
from crawlsieve.refresh.fetch import connect, open_source
from crawlsieve.refresh.refusal import Refused, Unavailable

BODY = b"".join(b"https://example.com/%d\n" % n for n in range(20_000))
ZSTD = zstandard.ZstdCompressor().compress(BODY)
GZIP = gzip.compress(BODY)


@dataclass
class Settings:
    source: str
    credentials_file: Path | None = None


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    declared: int | None = None
    """Content-Length, if it is to be wrong."""


class Server:
    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], Reply]) -> None:
        self.requests: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append({name.lower(): value for name, value in self.headers.items()})
                reply = answer(self)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body) if reply.declared is None else reply.declared))
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], Reply] | Reply) -> Server:
        servers.append(Server(answer if callable(answer) else lambda _: answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with connect(timeout=10) as made:
        yield made


def read(
    client: httpx.Client, source: str, known: Checkpoint | None = None, credentials: Path | None = None
) -> tuple[bytes | None, Checkpoint | None]:
    with open_source(Settings(source, credentials), client, "shape", known) as opened:
        if opened is None:
            return None, None
        return b"".join(opened.chunks), opened.checkpoint


@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("/list", Reply(body=BODY)),
        ("/list.gz", Reply(body=GZIP)),
        ("/list", Reply(body=GZIP)),
        ("/list.zst", Reply(body=ZSTD)),
        ("/list", Reply(body=GZIP, headers={"Content-Encoding": "gzip"})),
        ("/list", Reply(body=ZSTD, headers={"Content-Encoding": "zstd"})),
        ("/list.gz", Reply(body=GZIP, headers={"Content-Encoding": "x-gzip"})),
        ("/list.gz", Reply(body=zstandard.compress(GZIP), headers={"Content-Encoding": "zstd"})),
        ("/list", Reply(body=gzip.compress(BODY[:999]) + gzip.compress(BODY[999:]) + bytes(512))),
        ("/list", Reply(body=zstandard.compress(BODY[:999]) + zstandard.compress(BODY[999:]))),
    ],
)
def test_every_coding_gives_the_list(
    serve: Callable[..., Server], client: httpx.Client, path: str, reply: Reply
) -> None:
    assert read(client, serve(reply).url + path)[0] == BODY


def test_an_unchanged_list_is_not_sent_again(serve: Callable[..., Server], client: httpx.Client) -> None:
    def answer(request: BaseHTTPRequestHandler) -> Reply:
        if request.headers.get("If-None-Match") == '"v1"':
            return Reply(304)
        return Reply(body=BODY, headers={"ETag": '"v1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})

    server = serve(answer)
    body, checkpoint = read(client, server.url)
    assert body == BODY
    assert checkpoint == Checkpoint("shape", etag='"v1"', last_modified="Mon, 01 Jan 2024 00:00:00 GMT")
    assert read(client, server.url, checkpoint) == (None, None)
    assert server.requests[1]["if-modified-since"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert read(client, server.url, Checkpoint("shape", etag='"v0"'))[0] == BODY


def test_not_modified_without_a_condition_is_no_answer(serve: Callable[..., Server], client: httpx.Client) -> None:
    with pytest.raises(Refused, match="304"):
        read(client, serve(Reply(304)).url)


@pytest.mark.parametrize(
    ("path", "reply", "kind", "reason"),
    [
        ("/", Reply(401), Refused, "credentials"),
        ("/", Reply(403), Refused, "credentials"),
        ("/", Reply(404), Refused, "not-found"),
        ("/", Reply(204), Refused, "unexpected-answer"),
        ("/", Reply(500), Unavailable, "unreachable"),
        ("/", Reply(503), Unavailable, "unreachable"),
        ("/", Reply(body=BODY, declared=len(BODY) + 1), Unavailable, "truncated"),
        ("/", Reply(body=GZIP[:-1]), Refused, "truncated"),
        ("/", Reply(body=ZSTD[:-1]), Refused, "truncated"),
        ("/", Reply(body=GZIP[:-1], headers={"Content-Encoding": "gzip"}), Refused, "truncated"),
        ("/", Reply(body=GZIP[:5000] + b"\0" + GZIP[5001:]), Refused, "damaged"),
        ("/", Reply(body=GZIP + b"rest"), Refused, "damaged"),
        ("/list.gz", Reply(body=BODY), Refused, "not-a-list"),
        ("/list.gz", Reply(body=b""), Refused, "not-a-list"),
        ("/", Reply(body=b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), Refused, "not-a-list"),
        ("/", Reply(body=BODY, headers={"Content-Encoding": "br"}), Refused, "unexpected-answer"),
    ],
)
def test_bad_answers_are_refused_without_a_word_of_the_address(
    serve: Callable[..., Server], client: httpx.Client, path: str, reply: Reply, kind: type[Refused], reason: str
) -> None:
    server = serve(reply)
    with pytest.raises(kind) as caught:
        read(client, server.url + path + "?token=hush")
    assert caught.value.reason == reason
    assert isinstance(caught.value, Unavailable) == (kind is Unavailable)
    for word in ("hush", "127.0.0.1", "example"):
        assert word not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_retry_after_is_read_in_both_forms(serve: Callable[..., Server], client: httpx.Client) -> None:
    for value, expected in (("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("nonsense", None), ("99999", 3600.0)):
        with pytest.raises(Unavailable) as caught:
            read(client, serve(Reply(429, headers={"Retry-After": value})).url)
        assert caught.value.retry_after == expected


def test_nobody_there(client: httpx.Client) -> None:
    server = Server(lambda _: Reply())
    server.close()
    with pytest.raises(Unavailable) as caught:
        read(client, server.url)
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize(
    ("content", "header"),
    [
        ("user:pass:word\n", "Basic dXNlcjpwYXNzOndvcmQ="),
        ("Bearer abc.def\n", "Bearer abc.def"),
        ("bearer x", "Bearer x"),
    ],
)
def test_credentials(
    serve: Callable[..., Server], client: httpx.Client, tmp_path: Path, content: str, header: str
) -> None:
    file = tmp_path / "credentials"
    file.write_text(content)
    server = serve(Reply(body=BODY))
    read(client, server.url, credentials=file)
    assert server.requests[0]["authorization"] == header


@pytest.mark.parametrize("content", ["", "hush", "a:b\nc:d", "Bearer ", None])
def test_unusable_credentials_are_refused(client: httpx.Client, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "credentials"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Refused) as caught:
        read(client, "http://127.0.0.1:1/", credentials=file)
    assert caught.value.reason == "credentials"
    assert "hush" not in str(caught.value)


def test_redirects_are_followed_but_not_with_credentials_to_others(
    serve: Callable[..., Server], client: httpx.Client, tmp_path: Path
) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("user:password")
    end = serve(Reply(body=BODY))
    away = serve(Reply(302, headers={"Location": end.url}))
    assert read(client, away.url)[0] == BODY
    with pytest.raises(Refused) as caught:
        read(client, away.url, credentials=credentials)
    assert caught.value.reason == "redirects"
    assert len(end.requests) == 1
    near = serve(lambda request: Reply(body=BODY) if request.path == "/b" else Reply(302, headers={"Location": "/b"}))
    assert read(client, near.url + "/a", credentials=credentials)[0] == BODY
    assert all("authorization" in request for request in near.requests)
    for location in ("file:///etc/hostname", "/round"):
        with pytest.raises(Refused) as caught:
            read(client, serve(Reply(302, headers={"Location": location})).url)
        assert caught.value.reason == "redirects"


def test_no_log_line_has_the_address(
    serve: Callable[..., Server], client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        read(client, serve(Reply(body=BODY)).url + "/?token=hush")
    assert "hush" not in caplog.text
    assert "127.0.0.1" not in caplog.text


@pytest.mark.parametrize(("name", "content"), [("a.txt", BODY), ("a.gz", GZIP), ("a.zst", ZSTD), ("a b%20c", BODY)])
def test_files(client: httpx.Client, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    body, checkpoint = read(client, str(path))
    assert body == BODY
    assert read(client, str(path), checkpoint) == (None, None)
    assert read(client, path.as_uri(), checkpoint) == (None, None)
    os.utime(path, ns=(1, 1))
    assert read(client, str(path), checkpoint)[0] == BODY


def test_files_that_are_none(client: httpx.Client, tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        read(client, str(tmp_path / "missing"))
    assert caught.value.reason == "unreachable"
    with pytest.raises(Refused):
        read(client, str(tmp_path))


def test_a_file_that_changes_while_it_is_read_is_refused(client: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(BODY * 10)
    with open_source(Settings(str(path)), client, "shape", None) as opened:
        assert opened is not None
        next(opened.chunks)
        path.open("ab").write(b"more\n")
        with pytest.raises(Unavailable) as caught:
            list(opened.chunks)
    assert caught.value.reason == "changed"
