"""The follower on Apache Kafka: when the log that it reads is no longer the log whose reading was begun."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import TopicPartition

from crawlsieve.config import load
from crawlsieve.denylist import follower as module
from crawlsieve.denylist.distrust import RECREATED, Distrust, Unreachable
from crawlsieve.denylist.follower import Batch, Follower
from crawlsieve.denylist.topic_watch import Sighting, TopicWatch
from tests.kafka.denylist_writer import DenylistWriter, Listed
from tests.kafka.fixtures import MadeConfig

Make = Callable[..., MadeConfig]
LISTED = [Listed(f"{number:032x}") for number in range(1, 6)]


@contextmanager
def following(config: MadeConfig, watch: TopicWatch | None = None) -> Iterator[Follower]:
    settings = load(config.path, {})
    with Follower(settings, watch or TopicWatch(settings), threading.Event()) as follower:
        yield follower


def read(batches: Iterator[Batch], until: Callable[[Batch], bool], seconds: float = 30) -> None:
    """Reads on until a batch is as asked for."""
    deadline = time.monotonic() + seconds
    for batch in batches:
        if until(batch):
            return
        assert time.monotonic() < deadline


def never(_: Batch) -> bool:
    return False


def at_end(batch: Batch) -> bool:
    return batch.at_end


def test_offsets_that_are_gone_are_another_log(make_config: Make) -> None:
    config = make_config(create=False)
    config.broker.create_topic(config.denylist, 1, cleanup_policy="compact,delete")  # records can be deleted from it
    writer = DenylistWriter(config)
    writer.write("one", LISTED)
    writer.write("two")
    before = TopicPartition(config.denylist, 0, 3)
    admin = config.broker.admin()
    admin.delete_records([before])[TopicPartition(config.denylist, 0)].result(30)
    with following(config) as follower, pytest.raises(Distrust) as fault:
        read(follower.read(1), never)
    assert fault.value.cause == RECREATED


class Saying(TopicWatch):
    """A watch that sees the topic, but tells of it what a test wants."""

    change: Callable[[Sighting], Sighting] = staticmethod(lambda sighting: sighting)

    def sighting(self, reached: int) -> Sighting | None:
        found = super().sighting(reached)
        return self.change(found) if found else None


@pytest.fixture
def watch(make_config: Make) -> tuple[MadeConfig, Saying]:
    config = make_config()
    DenylistWriter(config).write("one", LISTED)
    return config, Saying(load(config.path, {}))


def test_a_log_that_ends_before_what_was_read_of_it_is_another(watch: tuple[MadeConfig, Saying]) -> None:
    config, saying = watch
    with following(config, saying) as follower:
        batches = follower.read()
        read(batches, at_end)
        saying.change = lambda seen: Sighting(seen.topic_id, 3, seen.reached, seen.asked_at)
        with pytest.raises(Distrust, match="shorter") as fault:
            read(batches, never)
    assert fault.value.cause == RECREATED


def test_a_topic_of_another_id_is_another_log_whatever_its_length(watch: tuple[MadeConfig, Saying]) -> None:
    config, saying = watch
    with following(config, saying) as follower:
        batches = follower.read()
        read(batches, at_end)
        saying.change = lambda seen: Sighting("another", seen.end + 5, seen.reached, seen.asked_at)
        with pytest.raises(Distrust, match="created again") as fault:
            read(batches, never)
    assert fault.value.cause == RECREATED


def test_one_short_answer_is_a_broker_that_has_just_begun_to_lead(watch: tuple[MadeConfig, Saying]) -> None:
    config, saying = watch
    answers: list[Sighting] = []

    def once_short(seen: Sighting) -> Sighting:
        answers.append(seen)
        return Sighting(seen.topic_id, 3, seen.reached, seen.asked_at) if len(answers) == 2 else seen

    saying.change = once_short
    with following(config, saying) as follower:
        read(follower.read(), lambda _: len(answers) > 3)


def test_a_topic_that_stays_unknown_is_gone(watch: tuple[MadeConfig, Saying], monkeypatch: pytest.MonkeyPatch) -> None:
    config, saying = watch
    monkeypatch.setattr(module, "_GONE_AFTER", 3.0)
    with following(config, saying) as follower:
        batches = follower.read()
        read(batches, at_end)
        config.broker.delete_topic(config.denylist)
        with pytest.raises(Distrust, match="deleted"):
            read(batches, never)
    with pytest.raises(Unreachable, match="does not exist"), following(config):
        pass


def test_the_newest_status_is_the_last_that_is_no_tombstone(make_config: Make) -> None:
    config = make_config()
    with following(config) as follower:
        assert follower.newest_status() is None
    writer = DenylistWriter(config)
    writer.write("one", LISTED)
    version = writer.write("two")
    writer.drop("one")
    with following(config) as follower:
        newest = follower.newest_status()
    assert newest is not None
    assert newest.offset == version
