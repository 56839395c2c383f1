"""/metrics, /live and /ready over HTTP."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from prometheus_client.exposition import choose_encoder

from crawlsieve.errors import OperatorError
from crawlsieve.telemetry.health import Health
from crawlsieve.telemetry.instruments import REGISTRY


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  the base class's signature
        """A client that goes away in mid-answer is no news."""


class Server:
    """Serves until it is closed, in threads of its own."""

    def __init__(self, address: tuple[str, int], health: Health) -> None:
        """Raises OSError if the address can't be had."""
        self._server = _HTTPServer(address, _handler(health))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """http://host:port; the port is the real one where 0 was asked for."""
        host, port = str(self._server.server_address[0]), self._server.server_address[1]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def close(self) -> None:
        """Stops serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def serve(listen: str, health: Health) -> Server:
    """Serves on host:port; port 0 takes any that is free. Raises OperatorError if that can't be had."""
    host, _, port = listen.rpartition(":")
    try:
        return Server((host.strip("[]"), int(port)), health)
    except OSError as fault:
        raise OperatorError(f"can't listen on {listen} ({fault.strerror}): set another `listen` address") from None


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "crawlsieve"
        sys_version = ""
        timeout = 10.0  # seconds for a client to send its request
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, kind = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, kind, encode(REGISTRY))
            elif path == "/live":
                live = health.live()
                self._answer_json(200 if live else 503, {"live": live})
            elif path == "/ready":
                ready, causes = health.ready(), health.causes()
                self._answer_json(200 if ready else 503, {"ready": ready, "causes": causes})
            else:
                self._answer(404, "text/plain; charset=utf-8", b"there is /metrics, /live and /ready\n")

        def _answer_json(self, status: int, body: dict[str, object]) -> None:
            self._answer(status, "application/json", json.dumps(body).encode() + b"\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """A scrape every few seconds is no news."""

    return Handler
