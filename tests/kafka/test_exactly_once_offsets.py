"""Offsets that are gone: deleted events, an expired group, a partition that was added."""

from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.chaos.conftest import listed
from tests.chaos.crawl import Crawl
from tests.chaos.proof import prove, wait_until_screened
from tests.kafka.fixtures import MadeConfig, Process
from tests.kafka.reading import committed_offsets
from tests.waiting import wait_for

__all__ = ["listed"]

Listed = Callable[..., MadeConfig]
Start = Callable[..., Process]


def _screen_all(config: MadeConfig, process: Start) -> Process:
    screen = process("screen", config)
    wait_until_screened(config, 60, lambda: screen.stderr[-3000:])
    assert screen.terminate(10) == 0
    return screen


def test_deleted_events_are_a_gap_that_only_an_operator_passes(listed: Listed, process: Start) -> None:
    config = listed(2)
    crawl = Crawl(config, 2, rate=0, seed=4)
    crawl.publish(300)
    _screen_all(config, process)
    done = committed_offsets(config.broker.bootstrap, config.group, config.events)
    crawl.publish(300)
    gone = done[0] + 20
    admin = config.broker.admin()
    for deleted in admin.delete_records([TopicPartition(config.events, 0, gone)]).values():
        deleted.result(20)

    screen = process("screen", config)
    end = len(crawl.sent[1])
    wait_for(
        lambda: committed_offsets(config.broker.bootstrap, config.group, config.events)[1] == end,
        60,
        lambda: screen.stderr[-3000:],
    )
    wait_for(lambda: "gap" in screen.holds(), 30, lambda: screen.stderr[-3000:])
    assert committed_offsets(config.broker.bootstrap, config.group, config.events)[0] == done[0]
    words = f"{config.events}/0@{done[0]}"
    assert words in str(screen.logged("gap"))
    assert screen.terminate(10) == 0

    passed = config.with_(screen={"pass_gaps": [words]})
    _screen_all(passed, process)
    prove(passed, crawl, process, deleted=frozenset((0, offset) for offset in range(done[0], gone)))


def test_an_expired_group_goes_on_where_its_receipts_end(listed: Listed, process: Start) -> None:
    config = listed(2)
    crawl = Crawl(config, 2, rate=0, seed=5)
    crawl.publish(300)
    _screen_all(config, process)
    admin = config.broker.admin()
    for expired in admin.delete_consumer_groups([config.group]).values():
        expired.result(20)
    assert committed_offsets(config.broker.bootstrap, config.group, config.events) == {}
    crawl.publish(300)
    _screen_all(config, process)
    prove(config, crawl, process)


def test_a_group_that_has_expired_in_part_screens_nothing_twice(listed: Listed, process: Start) -> None:
    config = listed(2)
    crawl = Crawl(config, 2, rate=0, seed=6)
    crawl.publish(300)
    _screen_all(config, process)
    bootstrap = config.broker.bootstrap
    stood = committed_offsets(bootstrap, config.group, config.events)
    admin = config.broker.admin()  # kept: its answers end with it
    for expired in admin.delete_consumer_groups([config.group]).values():
        expired.result(20)
    # The first member to come back has committed one partition when the next one joins.
    member = Consumer({"bootstrap.servers": bootstrap, "group.id": config.group})
    member.commit(offsets=[TopicPartition(config.events, 0, stood[0])], asynchronous=False)
    member.close()
    crawl.publish(300)
    _screen_all(config, process)
    prove(config, crawl, process)


@pytest.mark.parametrize("grown", ["running", "stopped"])
def test_an_added_partition_is_screened_from_its_beginning(grown: str, listed: Listed, process: Start) -> None:
    # librdkafka asks for the topic's partitions every five minutes if it is not told otherwise.
    config = listed(2, kafka={"topic.metadata.refresh.interval.ms": 500})
    crawl = Crawl(config, 2, rate=0, seed=6)
    crawl.publish(200)
    screen = process("screen", config)
    wait_until_screened(config, 60, lambda: screen.stderr[-3000:])
    if grown == "stopped":
        assert screen.terminate(10) == 0
    for topic in (config.clean, config.events):
        config.broker.add_partitions(topic, 3)
    crawl.partitions = 3
    crawl.publish(300)
    if grown == "stopped":
        screen = process("screen", config)
    wait_until_screened(config, 60, lambda: screen.stderr[-3000:])
    assert screen.terminate(10) == 0
    prove(config, crawl, process)
