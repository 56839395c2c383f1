"""Feeds that the topic does not know yet, or no longer: screeners must wait for them, whatever else is refreshed."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from crawlsieve import _native
from crawlsieve.config import load
from crawlsieve.denylist.freshness import list_holds
from crawlsieve.denylist.replica import Replica, View
from crawlsieve.denylist.status import status_key
from crawlsieve.telemetry.health import Health
from tests.kafka.denylist_writer import DenylistWriter
from tests.kafka.fixtures import MadeConfig
from tests.kafka.refreshing import feed, refresh, refreshing, topic
from tests.unit.test_fetch import Reply, Server
from tests.waiting import wait_for

Make = Callable[..., MadeConfig]


def md5(number: int) -> str:
    return hashlib.md5(b"listed %d" % number).hexdigest()


def holds(view: View) -> dict[str, str]:
    return list_holds(view, datetime.now(UTC), ())


class Watched(Health):
    """Remembers the details of all holds."""

    def __init__(self) -> None:
        super().__init__()
        self.past: list[tuple[str, str]] = []

    def hold(self, cause: str, detail: str) -> None:
        self.past.append((cause, detail))
        super().hold(cause, detail)


@pytest.fixture
def health() -> Watched:
    return Watched()


@pytest.fixture
def start(health: Watched) -> Iterator[Callable[[MadeConfig], Replica]]:
    started: list[Replica] = []

    def begin(config: MadeConfig) -> Replica:
        replica = Replica(load(config.path, {}), _native.Keys(config.secret), health, waits=(0.3, 1.0))
        started.append(replica)
        replica.start()
        return replica

    yield begin
    for replica in started:
        replica.stop()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    path.write_text(f"{md5(1)}\n")
    return path


class Sampler:
    """Looks at a replica's views all the time; keeps the holds of each version."""

    def __init__(self, replica: Replica) -> None:
        self.seen: dict[int, tuple[frozenset[str], bool]] = {}
        """By version: the causes, and whether the feed `big` was complete."""
        self._replica = replica
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            view = self._replica.current
            if view is not None and view.version not in self.seen:
                big = view.statuses.get("big")
                self.seen[view.version] = (frozenset(holds(view)), big is not None and big.complete)


@pytest.mark.parametrize("trouble", ["slow", "failing"])
def test_events_wait_for_a_required_feed_that_was_never_pulled(
    make_config: Make, start: Callable[[MadeConfig], Replica], small: Path, trouble: str
) -> None:
    released = threading.Event()

    def answer(_: BaseHTTPRequestHandler) -> Reply:
        if trouble == "slow":
            released.wait(25)
        elif not released.is_set():
            return Reply(503, headers={"Retry-After": "0"})
        return Reply(body=b"".join(b"https://listed%d.example.com/\n" % n for n in range(50)))

    server = Server(answer)
    try:
        feeds = {"small": feed(small, signal="md5"), "big": feed(server.url, required=True, every="1s")}
        config = make_config(feeds=feeds)
        replica = start(config)
        with Sampler(replica) as sampler, refreshing(config):
            wait_for(lambda: (view := replica.current) and "small" in view.statuses and view.statuses["small"].complete)
            view = replica.current
            assert view is not None
            assert view.snapshot.find("md5", md5(1))
            assert holds(view) == {"feed-incomplete": "big"}
            released.set()
            wait_for(lambda: (view := replica.current) and not holds(view), 40)
        assert all(causes or complete for causes, complete in sampler.seen.values()), sampler.seen
        assert any(not causes and complete for causes, complete in sampler.seen.values())
    finally:
        released.set()
        server.close()


def test_one_feed_alone_announces_all(make_config: Make, small: Path, tmp_path: Path) -> None:
    feeds = {"small": feed(small, signal="md5"), "big": feed(tmp_path / "none"), "third": feed(small, required=True)}
    config = make_config(feeds=feeds)
    assert refresh(config, "small", dry_run=True) == 0
    assert topic(config).records == []
    assert refresh(config, "small") == 0
    state = topic(config)
    state.agrees()
    assert [key[1:].decode() for _, key, _ in state.records if key[0] == 2] == ["third", "small", "big", "small"]
    for name in ("big", "third"):
        status = state.status(name)
        assert (status.outcome, status.complete, status.pulled_at, dict(status.counts)) == ("pending", False, 0, {})
        assert status.parsed_policy.required == (name == "third")
    # A feed that was never pulled may be required later, and holds from then on.
    assert refresh(config.with_(feeds={"big": feed(tmp_path / "none", required=True)}), "small") == 0
    state = topic(config)
    state.agrees()
    assert [status.parsed_policy.required for status in state.history("big")] == [False, True]
    assert len(state.history("third")) == 1


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("entries", [False, True])
def test_a_deleted_status_record_is_written_anew(
    make_config: Make,
    start: Callable[[MadeConfig], Replica],
    health: Watched,
    small: Path,
    running: bool,
    entries: bool,
) -> None:
    feeds = {name: feed(small, signal="md5", required=True, every="1s") for name in ("one", "two")}
    config = make_config(feeds=feeds)
    assert refresh(config) == 0
    replica = start(config)
    wait_for(lambda: replica.current)
    before = topic(config)
    attack = [(status_key("one"), None), *((key, None) for key in before.of("one") if entries)]

    def damaged() -> bool:
        return any(cause == "denylist-damaged" and "feed one" in detail for cause, detail in health.past)

    def whole() -> bool:
        view = replica.current
        return view is not None and view.statuses["one"].complete and not holds(view)

    if running:
        with refreshing(config):
            DenylistWriter(config).send(attack)
            wait_for(damaged)
            wait_for(whole, 40)
    else:
        DenylistWriter(config).send(attack)
        wait_for(damaged)
        assert replica.current is None
        assert refresh(config) == 0
        wait_for(whole, 40)
    view = replica.current
    assert view is not None
    assert sorted(reason.feed for reason in view.snapshot.find("md5", md5(1))) == ["one", "two"]
    assert topic(config).entries == before.entries
    wait_for(lambda: not health.causes())
