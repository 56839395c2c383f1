"""/metrics, /live and /ready over HTTP."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from prometheus_client.exposition import choose_encoder

from crawlsieve.errors import OperatorError
from crawlsieve.telemetry.health import Health
from crawlsieve.telemetry.instruments import REGISTRY


class Server:
    """Serves until it is closed, in threads of its own."""

    def __init__(self, address: tuple[str, int], health: Health) -> None:
        self._server = ThreadingHTTPServer(address, _handler(health))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """http://host:port; the port is the real one where 0 was asked for."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

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
    """Serves on host:port. Raises OperatorError if that can't be had."""
    host, _, port = listen.rpartition(":")
    try:
        return Server((host.strip("[]"), int(port)), health)
    except OSError as fault:
        raise OperatorError(
            f"can't listen on {listen} ({fault.strerror}): choose another address in the listen setting"
        ) from None


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "crawlsieve"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                encode, kind = choose_encoder(self.headers.get("Accept", ""))
                self._answer(200, kind, encode(REGISTRY))
            elif path == "/live":
                live = health.live()
                self._answer(200 if live else 503, "application/json", json.dumps({"live": live}).encode())
            elif path == "/ready":
                ready = health.ready()
                body = json.dumps({"ready": ready, "causes": health.causes()})
                self._answer(200 if ready else 503, "application/json", body.encode())
            else:
                self._answer(404, "text/plain", b"there is /metrics, /live and /ready\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """A scrape every few seconds is no news."""

    return Handler
