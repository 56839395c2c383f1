"""Refreshes over HTTP, in a process of their own: conditions, patience, leaving at once, and silence about the list."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from tests.kafka.fixtures import MadeConfig, Process
from tests.kafka.refreshing import feed, topic
from tests.unit.test_fetch import Reply, Server
from tests.waiting import wait_for

Make = Callable[..., MadeConfig]
Start = Callable[..., Process]

LIST = b"".join(b"https://listed%d.example.com/page\n" % n for n in range(20))


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], Reply]) -> Server:
        servers.append(Server(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def test_a_list_over_http(make_config: Make, process: Start, serve: Callable[..., Server]) -> None:
    replies = iter([Reply(503, headers={"Retry-After": "0"}), Reply(429, headers={"Retry-After": "1"}), Reply(500)])
    body = [LIST]

    def answer(request: BaseHTTPRequestHandler) -> Reply:
        if (trouble := next(replies, None)) is not None:
            return trouble
        etag = '"' + hashlib.md5(body[0]).hexdigest() + '"'
        if request.headers.get("If-None-Match") == etag:
            return Reply(304)
        return Reply(body=body[0], headers={"ETag": etag})

    server = serve(answer)
    config = make_config(feeds={"f": feed(f"{server.url}/list?token=hush", every="1s")})
    running = process("refresh", config)
    wait_for(lambda: [s for s in topic(config).history("f") if s.outcome == "unchanged"], 60, lambda: running.stderr)
    first = topic(config)
    outcomes = [status.outcome for status in first.history("f")]
    assert outcomes[:2] == ["pending", "ok"]  # patience within the pull, no refusal
    assert len(first.entries) == 20
    body[0] = LIST + b"https://added.example.com/\n"
    wait_for(lambda: len(topic(config).entries) == 21, 60, lambda: running.stderr)
    body[0] = b"<html>listed\n" * 100
    wait_for(lambda: topic(config).status("f").outcome == "mostly-invalid", 60, lambda: running.stderr)
    assert len(topic(config).entries) == 21
    topic(config).agrees()
    assert running.metric("crawlsieve_refreshes_total", feed="f", outcome="mostly-invalid") >= 1
    said = running.stderr + running.stdout + running.get("/metrics")[1]
    stored = b"".join(key + (value or b"") for _, key, value in topic(config).records)
    assert running.terminate() == 0
    for word in ("hush", "listed", "example.com", str(server.url), hashlib.md5(LIST).hexdigest()):
        assert word not in said
        assert word.encode() not in stored
    assert running.logged("refresh-refused")[0]["reason"] == "mostly-invalid"


def test_sigterm_does_not_wait_for_a_silent_server(
    make_config: Make, process: Start, serve: Callable[..., Server]
) -> None:
    asked, released = threading.Event(), threading.Event()

    def answer(_: BaseHTTPRequestHandler) -> Reply:
        asked.set()
        released.wait(120)
        return Reply(body=LIST)

    try:
        server = serve(answer)
        running = process("refresh", make_config(feeds={"f": feed(server.url)}))
        wait_for(asked.is_set, 60, lambda: running.stderr)
        assert running.terminate(30) == 0  # the server is silent for longer
    finally:
        released.set()
