"""The broker dies, or stands still, while events flow."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.crawl import Crawl
from tests.chaos.members import Member
from tests.chaos.proof import prove, wait_for_progress, wait_until_screened
from tests.kafka.broker import Broker
from tests.kafka.fixtures import MadeConfig, Process


def _killed(broker: Broker) -> None:
    broker.kill()
    time.sleep(0.5)
    broker.start()


def _stopped(broker: Broker) -> None:
    broker.restart()


def _paused_shortly(broker: Broker) -> None:
    broker.pause()
    time.sleep(2)
    broker.resume()


def _paused_beyond_all_time_outs(broker: Broker) -> None:
    broker.pause()
    time.sleep(8)
    broker.resume()


@pytest.mark.parametrize("outages", [(_killed, _stopped, _killed), (_paused_shortly, _paused_beyond_all_time_outs)])
def test_a_broker_that_goes_away_costs_nothing(
    outages: tuple[Callable[[Broker], None], ...],
    listed: Callable[..., MadeConfig],
    own_broker: Callable[..., Broker],
    process: Callable[..., Process],
    tmp_path: Path,
) -> None:
    broker = own_broker()
    config = listed(3, broker)
    crawl = Crawl(config, 3, rate=300, seed=2).start()
    members = [Member(process, config, tmp_path) for _ in range(2)]

    def said() -> str:
        return "\n\n".join(member.process.stderr[-3000:] for member in members)

    try:
        wait_for_progress(config, 50, 60, said)
        for outage in outages:
            outage(broker)
            wait_for_progress(config, 50, 90, said)
    finally:
        crawl.stop()
    wait_until_screened(config, 60, said)
    assert [member.process.terminate(10) for member in members] == [0, 0], said()
    prove(config, crawl, process)
