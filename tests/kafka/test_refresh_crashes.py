"""Refreshers killed within parts and between them, stopped beyond their session, and taking over from one another."""

import hashlib
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from crawlsieve import _native
from crawlsieve.kafka import wire
from tests.kafka.fixtures import MadeConfig, Process
from tests.kafka.refreshing import feed, refresh, topic
from tests.waiting import wait_for

Make = Callable[..., MadeConfig]
Start = Callable[..., Process]

EACH = 3
"""Kills that must fall into each state."""


def md5(number: int) -> str:
    return hashlib.md5(b"listed %d" % number).hexdigest()


def write(path: Path, first: int, last: int) -> None:
    """Replaces the list, as a partner should: aside, then renamed into place."""
    aside = path.with_suffix(".new")
    aside.write_text("".join(f"{md5(n)}\n" for n in range(first, last)))
    aside.replace(path)


class Ends:
    """The two ends of a denylist topic, asked often."""

    def __init__(self, config: MadeConfig) -> None:
        self._admin = AdminClient({"bootstrap.servers": config.broker.bootstrap})
        self._partition = TopicPartition(config.denylist, 0)

    def _end(self, level: IsolationLevel) -> int:
        asked = self._admin.list_offsets({self._partition: OffsetSpec.latest()}, isolation_level=level)
        return int(asked[self._partition].result(20).offset)

    @property
    def stable(self) -> int:
        """The last stable offset."""
        return self._end(IsolationLevel.READ_COMMITTED)

    @property
    def part_is_open(self) -> bool:
        """Whether records stand beyond the last stable offset."""
        return self.stable != self._end(IsolationLevel.READ_UNCOMMITTED)


def test_kills_within_and_between_parts(make_config: Make, process: Start, tmp_path: Path) -> None:
    path = tmp_path / "list"
    config = make_config(
        feeds={"f": feed(path, signal="md5", every="1s", max_shrink=1)},
        refresh={"transaction_records": 10_000},
    )
    log = Ends(config)
    kills = {True: 0, False: 0}
    size, generation = 30_000, 0
    while min(kills.values()) < EACH and sum(kills.values()) < 60:
        generation += 1
        write(path, generation * 10_000, generation * 10_000 + size)
        before = log.stable
        running = process("refresh", config)
        wants_open = kills[True] < EACH and (kills[False] >= EACH or generation % 2 == 0)
        if wants_open:
            wait_for(lambda: log.part_is_open, 60, lambda: running.stderr[-3000:])  # noqa: B023
        else:
            wait_for(lambda: log.stable > before, 60, lambda: running.stderr[-3000:])  # noqa: B023
            time.sleep(random.uniform(0, 0.1))
        running.kill()
        kills[log.part_is_open] += 1
    print(f"kills within a part: {kills[True]}, between parts: {kills[False]}")
    assert min(kills.values()) >= EACH
    write(path, 5, 5 + size)
    assert refresh(config) == 0
    state = topic(config)
    state.agrees()
    assert len(state.entries) == size
    fresh = make_config(feeds={"f": feed(path, signal="md5")})
    assert refresh(fresh) == 0
    assert len(topic(fresh).entries) == size
    assert not log.part_is_open


def test_two_refreshers_take_over_without_losing_a_part(make_config: Make, process: Start, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, 0, 600)
    config = make_config(
        feeds={"f": feed(path, signal="md5", every="1s", max_shrink=1)}, refresh={"transaction_records": 40}
    )
    log = Ends(config)
    everyone = [process("refresh", config), process("refresh", config)]
    alive = list(everyone)

    def leaders() -> list[Process]:
        return [p for p in alive if p.metric("crawlsieve_refresh_leader") == 1]

    for turn in range(6):
        wait_for(lambda: len(leaders()) == 1, 60, lambda: alive[0].stderr[-3000:])
        write(path, turn * 200, turn * 200 + 600)
        before = log.stable
        wait_for(lambda: log.stable > before, 60, lambda: alive[0].stderr[-3000:])  # noqa: B023
        time.sleep(random.uniform(0, 0.5))
        (leader,) = leaders()
        assert leader.terminate() == 0
        alive.remove(leader)
        alive.append(process("refresh", config))
        everyone.append(alive[-1])
    write(path, 5000, 5600)
    wait_for(lambda: _covers(config, 5000, 5600), 60, lambda: alive[0].stderr[-3000:])
    for running in alive:
        assert running.terminate() == 0
    for one in everyone:
        assert not one.logged("refresh-fenced")
        assert not one.logged("part-lost")
        assert not one.logged("refresh-refused")
    topic(config).agrees()
    outcomes = [status.outcome for status in topic(config).history("f")]
    assert outcomes.count("part") > 10


def test_a_leader_that_was_stopped_stands_by_afterwards(make_config: Make, process: Start, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, 0, 50)
    config = make_config(feeds={"f": feed(path, signal="md5", every="1s", max_shrink=1)})
    first = process("refresh", config)
    wait_for(lambda: len(topic(config).entries) == 50, 60, lambda: first.stderr[-3000:])
    second = process("refresh", config)
    first.signal(signal.SIGSTOP)
    wait_for(lambda: second.metric("crawlsieve_refresh_leader") == 1, 60, lambda: second.stderr[-3000:])
    write(path, 100, 150)
    wait_for(lambda: topic(config).of("f").keys() and topic(config).status("f").outcome != "part", 60)
    first.signal(signal.SIGCONT)
    wait_for(lambda: first.metric("crawlsieve_refresh_leader") == 0, 60, lambda: first.stderr[-3000:])
    write(path, 200, 260)
    wait_for(lambda: len(topic(config).entries) == 60, 60, lambda: second.stderr[-3000:])
    assert not second.logged("refresh-fenced")
    assert not second.logged("part-lost")
    assert first.terminate() == 0
    assert second.terminate() == 0
    topic(config).agrees()


def test_a_broker_that_goes_away_and_comes_back(
    make_config: Make, process: Start, tmp_path: Path, own_broker: Callable[..., object]
) -> None:
    path = tmp_path / "list"
    write(path, 0, 200)
    broker = own_broker()
    config = make_config(
        broker=broker,
        feeds={"f": feed(path, signal="md5", every="1s", max_shrink=1)},
        refresh={"transaction_records": 50},
    )
    running = process("refresh", config).wait_ready()
    wait_for(lambda: topic(config).history("f") and topic(config).status("f").complete, 60)
    config.broker.kill()
    wait_for(lambda: "kafka-away" in running.holds(), 60, lambda: running.stderr[-3000:])
    write(path, 100, 300)
    config.broker.start()
    wait_for(lambda: not running.holds(), 60, lambda: running.stderr[-3000:])
    wait_for(lambda: set(topic(config).entries) and topic(config).status("f").pulled_at > 0, 60)
    wait_for(lambda: _covers(config, 100, 300), 60, lambda: running.stderr[-3000:])
    assert running.terminate() == 0
    topic(config).agrees()


def _covers(config: MadeConfig, first: int, last: int) -> bool:
    state = topic(config)
    status = state.status("f")
    sealer = _native.Sealer(state.keys, status.denylist_id, "f", wire.own("denylist-entry").id)
    sealed = sealer.seal("md5", [md5(n) for n in range(first, last)], categories="csam")
    return state.entries == dict(entry for entry in sealed if not isinstance(entry, str))
