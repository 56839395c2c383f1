"""The `demo` verb: refresher, screener and publisher as they always run, on an embedded broker, in one process."""

import secrets
import signal
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

from rich.console import Console

from crawlsieve.audit import reading
from crawlsieve.audit.chain import audit
from crawlsieve.config import Config, LogSettings
from crawlsieve.demo import crawl, readback, show
from crawlsieve.demo.cluster import MockCluster
from crawlsieve.demo.stage import Stage
from crawlsieve.errors import OperatorError
from crawlsieve.events.publish import Publisher
from crawlsieve.refresh import service as refresh
from crawlsieve.screen import service as screen
from crawlsieve.telemetry import log, metrics
from crawlsieve.telemetry.health import Health
from crawlsieve.telemetry.instruments import REGISTRY
from crawlsieve.telemetry.server import serve

# As `crawlsieve topics --create` would make them, for an input of four partitions.
_TOPICS = {
    "crawl.events": 4,
    "crawl.clean": 4,
    "crawl.quarantine": 4,
    "crawl.dead-letter": 4,
    "crawl.receipts": 1,
    "denylist": 1,
}
_LOG_LINES = 20
_CHUNK = 25
_CHUNK_SECONDS = 0.05
_CHANGE_AT = 0.4
"""The share of events after which the list changes."""
_PATIENCE_SECONDS = 25.0
_ENFORCED_SECONDS = 1.0
"""A screener enforces an entry at the latest so long after the refresher has written it."""


class _Worker:
    """One verb in a thread."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.failure: BaseException | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as failure:  # shown by whoever waits for the demo
            self.failure = failure

    def join(self) -> None:
        self._thread.join(_PATIENCE_SECONDS)


def run(keep: bool) -> int:
    """Runs the demo; returns 0 if every event is accounted for, 1 if not. keep: leaves it running until Ctrl-C."""
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the folder goes, whatever ends the demo
    with (
        tempfile.TemporaryDirectory(prefix="crawlsieve-demo-") as folder,
        _logging_to(Path(folder) / "log") as log_file,
    ):
        try:
            code = _Demo(console, Path(folder)).run(keep=keep)
        except KeyboardInterrupt:
            console.print("stopped")
            return 130
        except BaseException:
            _show_end_of(log_file, console)
            raise
        if code:
            _show_end_of(log_file, console)
        return code


@contextmanager
def _logging_to(file: Path) -> Iterator[Path]:
    """Log lines go where they don't tear the display."""
    with file.open("w", buffering=1) as lines:
        with redirect_stderr(lines):  # only while the log's handler is made
            log.configure(LogSettings(format="json"))
        yield file


def _show_end_of(log_file: Path, console: Console) -> None:
    console.print("The end of its log:", style="bold")
    for line in log_file.read_text().splitlines()[-_LOG_LINES:]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Demo:
    def __init__(self, console: Console, folder: Path) -> None:
        self._console = console
        self._cluster = MockCluster(_TOPICS)
        self._crawl = crawl.make()
        secret = b64encode(secrets.token_bytes(32)).decode()
        self._stage = Stage(folder, self._cluster.bootstrap, secret, self._crawl.lists)
        self._config: Config = self._stage.load()
        self._publisher = Publisher(self._config)
        self._published: list[crawl.Event] = []
        self._stop = threading.Event()
        self._health = {"refresh": Health(), "screen": Health()}
        self._step = "starting"

    def run(self, *, keep: bool) -> int:
        config, stop, health = self._config, self._stop, self._health
        servers = {name: serve("127.0.0.1:0", each) for name, each in health.items()}
        workers = [
            _Worker("refresh", lambda: refresh.run(config, health["refresh"], stop)),
            _Worker("screen", lambda: screen.run(config, health["screen"], stop)),
        ]
        try:
            with show.live(self._console, self._look) as tell:
                self._flow(workers, tell)
            code = self._account()
            for name, server in servers.items():
                self._console.print(f"/metrics of {name} was served at {server.url}/metrics", highlight=False)
            self._console.print(_HONESTY, style="dim", soft_wrap=True)
            if keep:
                self._wait_for_ctrl_c(servers["screen"].url)
            return code
        finally:
            stop.set()
            for worker in workers:
                worker.join()
            for server in servers.values():
                server.close()
            self._cluster.close()

    def _flow(self, workers: list[_Worker], tell: Callable[[], None]) -> None:
        """Publishes all events, changes a list on the way, and waits until everything has a verdict."""

        def until(done: Callable[[], bool], step: str) -> None:
            self._step, end = step, time.monotonic() + _PATIENCE_SECONDS
            while not done():
                if failed := next((worker.failure for worker in workers if worker.failure), None):
                    raise failed
                if time.monotonic() > end:
                    raise OperatorError(f"the demo stands still ({step}): {self._held() or 'nothing is on hold'}")
                time.sleep(_CHUNK_SECONDS)
                tell()

        until(lambda: self._health["screen"].ready() and _version() > 0, "loading the lists")
        events, change_at = self._crawl.events, int(_CHANGE_AT * len(self._crawl.events))
        pulls_before: int | None = None
        self._step = "screening"
        for at in range(0, len(events), _CHUNK):
            if pulls_before is None and at >= change_at:
                pulls_before = _changes()
                self._stage.change_pages()
                self._step = "screening; one list has just changed"
            self._send(events[at : at + _CHUNK])
            time.sleep(_CHUNK_SECONDS)
            tell()

        def goes_on_until_the_change_is_in_force() -> bool:
            self._send([self._crawl.recrawl("withdrawn"), self._crawl.recrawl("added")])
            return _changes() != pulls_before

        until(goes_on_until_the_change_is_in_force, "waiting for the changed list")
        time.sleep(_ENFORCED_SECONDS)
        for _ in range(5):
            self._send([self._crawl.recrawl("withdrawn"), self._crawl.recrawl("added")])
        self._publisher.flush(_PATIENCE_SECONDS)
        until(lambda: self._look().screened >= len(self._published), "finishing")
        self._step = "done"

    def _send(self, events: list[crawl.Event]) -> None:
        for event in events:
            self._publisher.send(event.key, event.value)
        self._published += events

    def _account(self) -> int:
        topics = readback.read(self._config)
        found = readback.reconcile(topics, self._published)
        with reading.Reader(self._config) as reader:
            outputs = reading.outputs(reader, self._config)
        # The mock cluster keeps no offset that was committed in a transaction, so none is compared.
        report = audit(topics.links, outputs, reading.group_offsets(self._config, reading.committed(self._config)))
        show.ledger(self._console, found, report)
        return 1 if found.faults or report.findings else 0

    def _look(self) -> show.Progress:
        return show.Progress(
            step=self._step,
            published=self._publisher.delivered,
            clean=_verdicts("clean"),
            quarantined=_verdicts("quarantined"),
            dead=_verdicts("dead"),
            held=self._held(),
            version=_version(),
        )

    def _held(self) -> str:
        return ", ".join(sorted(cause for health in self._health.values() for cause in health.causes()))

    def _wait_for_ctrl_c(self, url: str) -> None:
        self._console.print(f"Kept running, until Ctrl-C. Kafka: {self._cluster.bootstrap}", highlight=False)
        self._console.print(f"Configuration and lists: {self._stage.config_file}", highlight=False)
        self._console.print(f"Log: {self._stage.folder / 'log'}", highlight=False)
        self._console.print(f"Look at {url}/metrics, {url}/ready and {url}/live.", highlight=False)
        self._console.print("Change a list there: its effect on what you publish is seen within a second or two.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            self._console.print("stopping")


_HONESTY = (
    "This ran on librdkafka's mock cluster, which forgets transactional offsets and shows aborted records. That every "
    "event gets exactly one verdict through crashes and rebalances is proven on Apache Kafka: make test."
)


def _verdicts(verdict: str) -> int:
    return int(REGISTRY.get_sample_value(metrics.EVENTS.spec.name, {"verdict": verdict}) or 0)


def _changes() -> int:
    """Pulls of the list of pages that were written."""
    labels = {"feed": crawl.PAGES, "outcome": "ok"}
    return int(REGISTRY.get_sample_value(metrics.REFRESHES.spec.name, labels) or 0)


def _version() -> int:
    return int(REGISTRY.get_sample_value(metrics.DENYLIST_VERSION.spec.name) or 0)
