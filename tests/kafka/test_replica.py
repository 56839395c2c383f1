"""The replica on Apache Kafka: what it has loaded and follows is what was written, and nothing less makes it vouch."""

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Producer

from crawlsieve import _native
from crawlsieve.config import load
from crawlsieve.denylist.gauges import Gauges
from crawlsieve.denylist.policy import Policy
from crawlsieve.denylist.replica import Phase, Replica, View
from crawlsieve.denylist.status import status_key
from crawlsieve.kafka import wire
from crawlsieve.telemetry.health import Health
from tests.kafka.broker import Broker
from tests.kafka.denylist_writer import DenylistWriter, Listed
from tests.kafka.fixtures import MadeConfig
from tests.waiting import wait_for

Make = Callable[..., MadeConfig]
Start = Callable[..., Replica]
POLICY = Policy(category="test")


def digest(name: str) -> str:
    return hashlib.md5(name.encode()).hexdigest()


def listed(name: str, record_id: str | None = None) -> Listed:
    return Listed(digest(name), record_id=record_id)


class Remembering(Health):
    """Remembers holds that have passed."""

    def __init__(self) -> None:
        super().__init__()
        self.past: list[str] = []

    def hold(self, cause: str, detail: str) -> None:
        self.past.append(cause)
        super().hold(cause, detail)


@pytest.fixture
def health() -> Remembering:
    return Remembering()


@pytest.fixture
def start(health: Remembering) -> Iterator[Start]:
    """Starts a replica; a denylist that it can't believe is loaded anew after 0.3 s, not 10."""
    started: list[Replica] = []

    def begin(config: MadeConfig, secret: bytes | None = None) -> Replica:
        keys = _native.Keys(secret or config.secret)
        replica = Replica(load(config.path, {}), keys, health, waits=(0.3, 1.0))
        started.append(replica)
        replica.start()
        return replica

    yield begin
    for replica in started:
        replica.stop()
        assert replica.phase is Phase.STOPPED


def view(replica: Replica) -> View:
    """The current view, as soon as there is one."""
    wait_for(lambda: replica.current, why=lambda: f"no view, {replica.phase}")
    found = replica.current
    assert found is not None
    return found


def at(replica: Replica, version: int) -> View:
    """The view of this version, as soon as it is in force."""
    wait_for(lambda: (now := replica.current) is not None and now.version >= version, why=lambda: str(replica.phase))
    return view(replica)


def feeds(found: View, name: str) -> list[str]:
    """The feeds that list a digest."""
    return sorted(reason.feed for reason in found.snapshot.find("md5", digest(name)))


def held(replica: Replica, health: Health, cause: str) -> str:
    """Waits for a hold; its detail. There is no view meanwhile."""
    wait_for(lambda: cause in health.causes(), why=lambda: str(health.causes()))
    detail = health.causes()[cause]
    assert replica.current is None
    assert not health.ready()
    return detail


def test_loads_all_feeds_whole(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    names = [f"n{i}" for i in range(3000)]
    writer.write("one", [listed(name) for name in names], complete=False)
    writer.write("two", [listed("n7"), Listed("http://listed.example/page", "url", "page")])
    version = writer.write("one", [listed("last")], [listed("n0")])
    replica = start(config)
    found = view(replica)
    assert (found.version, found.denylist_id) == (version, writer.denylist_id)
    assert sorted(found.statuses) == ["one", "two"]
    assert found.statuses["one"].counts == {"md5": 3000}
    assert feeds(found, "n7") == ["one", "two"]
    assert feeds(found, "last") == ["one"]
    assert feeds(found, "n0") == feeds(found, "unlisted") == []
    assert all(feeds(found, name) for name in names[1:])
    [reason] = found.snapshot.find("url", "http://listed.example/page?q=1")
    assert reason.feed == "two"
    wait_for(lambda: not health.causes())
    assert set(health.past) == {"denylist-loading"}
    assert replica.wait(0)


def test_follows_additions_and_removals_of_one_status_at_once(make_config: Make, start: Start) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a"), listed("b")])
    replica = start(config)
    before = view(replica)
    after = at(replica, writer.write("one", [listed("c")], [listed("a")]))
    assert [feeds(after, name) for name in "abc"] == [[], ["one"], ["one"]]
    assert [feeds(before, name) for name in "abc"] == [["one"], ["one"], []]  # a batch keeps the view it took


def test_a_removed_record_leaves_the_same_value_of_another_in_force(make_config: Make, start: Start) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    twice = [listed("same", "record-1"), listed("same", "record-2")]
    writer.write("one", twice)
    writer.write("two", [listed("same")])
    replica = start(config)
    assert feeds(at(replica, writer.write("one", remove=twice[:1])), "same") == ["one", "two"]
    assert feeds(at(replica, writer.write("one", remove=twice[1:])), "same") == ["two"]
    assert feeds(at(replica, writer.write("two", remove=[listed("same")])), "same") == []


def test_entries_are_in_force_only_from_their_feeds_status_on(make_config: Make, start: Start) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    other = DenylistWriter(config, denylist_id=writer.denylist_id)
    writer.write("one", [listed("a")])
    replica = start(config)
    view(replica)
    *entries, status = writer.part("one", [listed("b")])
    writer.send(entries)
    assert feeds(at(replica, writer.write("two", [listed("c")])), "b") == []
    assert feeds(at(replica, writer.send([status])), "b") == ["one"]
    writer.send(writer.part("one", [listed("d")]), commit=False)
    other.write("three")  # lies behind the open transaction, so nobody sees it yet
    time.sleep(0.5)
    assert feeds(view(replica), "d") == []
    writer.finish(commit=True)
    wait_for(lambda: feeds(view(replica), "d") == ["one"])


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("entries", [False, True])
def test_a_status_tombstone_withdraws_no_feed(
    make_config: Make, start: Start, health: Remembering, live: bool, entries: bool
) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")])
    writer.write("two", [listed("a")])
    replica = start(config) if live else None
    if replica:
        assert feeds(view(replica), "a") == ["one", "two"]
    if entries:
        writer.drop("one")
    else:
        writer.send([(status_key("one"), None)])
    writer.write("two", [listed("b")])
    replica = replica or start(config)
    detail = held(replica, health, "denylist-damaged")
    assert "feed one" in detail
    assert "may write" in detail
    found = at(replica, writer.write("one", [listed("c")]))
    assert sorted(found.statuses) == ["one", "two"]
    assert feeds(found, "c") == ["one"]
    assert feeds(found, "a") == (["two"] if entries else ["one", "two"])
    wait_for(lambda: not health.causes())


def test_only_the_newest_status_is_judged_while_loading(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")], counts={"md5": 99}, checksum=1)  # as if compaction had dropped what it counted
    writer.write("one", [listed("b")])
    replica = start(config)
    assert feeds(view(replica), "a") == ["one"]
    writer.write("one", [listed("c")], checksum=1)
    held(replica, health, "denylist-checksum")


def test_another_secret_holds(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    DenylistWriter(config).write("one", [listed("a")])
    replica = start(config, secrets.token_bytes(32))
    assert "secret_file" in held(replica, health, "denylist-wrong-secret")
    assert replica.wait(0)


@pytest.mark.parametrize("live", [False, True])
def test_a_forged_status_holds(make_config: Make, start: Start, health: Remembering, live: bool) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")])
    replica = start(config) if live else None
    if replica:
        view(replica)
    *entries, (key, value) = writer.part("one", [listed("b")])
    assert value is not None
    writer.send([*entries, (key, value[:-1] + bytes([value[-1] ^ 1]))])
    writer.write("two")  # the newest status of the log is sound
    held(replica or start(config), health, "denylist-damaged")


@pytest.mark.parametrize("live", [False, True])
def test_a_status_of_one_feed_says_nothing_of_another(
    make_config: Make, start: Start, health: Remembering, live: bool
) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")])
    replica = start(config) if live else None
    if replica:
        view(replica)
    [(_, value)] = writer.part("one")
    writer.send([(status_key("two"), value)])
    writer.write("three")
    held(replica or start(config), health, "denylist-damaged")


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("fault", ["bit", "cut", "key", "empty", "kind"])
def test_a_damaged_record_holds(make_config: Make, start: Start, health: Remembering, live: bool, fault: str) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")])
    replica = start(config) if live else None
    if replica:
        view(replica)
    key, value = writer.seal("one", listed("b"))
    bad = {
        "bit": (key, value[:-1] + bytes([value[-1] ^ 1])),
        "cut": (key, value[:-3]),
        "key": (key[:-1] + bytes([key[-1] ^ 1]), value),
        "empty": (key, b""),
        "kind": (b"\x07", b"?"),
    }[fault]
    writer.send([bad])
    writer.write("one", [listed("c")])
    detail = held(replica or start(config), health, "denylist-damaged")
    assert digest("b") not in detail


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("fault", ["checksum", "lost-entry", "lost-tombstone", "swapped", "policy"])
def test_entries_that_do_not_add_up_hold(
    make_config: Make, start: Start, health: Remembering, live: bool, fault: str
) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a"), listed("b")])
    replica = start(config) if live else None
    if replica:
        view(replica)
    match fault:
        case "checksum":
            writer.write("one", [listed("c")], checksum=12345)
        case "lost-entry":
            writer.send(writer.part("one", [listed("c"), listed("d")])[1:])
        case "lost-tombstone":
            writer.send(writer.part("one", remove=[listed("a"), listed("b")])[1:])
        case "swapped":  # the counts are right
            _, *rest = writer.part("one", [listed("c")])
            writer.send([writer.seal("one", listed("d")), *rest])
        case "policy":
            writer.write("one", policy=Policy(category="test", action="allow"), checksum=0)
    held(replica or start(config), health, "denylist-checksum")


def test_an_unknown_canonical_form_holds_until_the_feed_is_pulled_anew(
    make_config: Make, start: Start, health: Remembering
) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")], canonical_form=_native.CANONICAL_FORM + 1)
    replica = start(config)
    held(replica, health, "denylist-canonical-form")
    writer.write("one", [listed("b")])
    assert feeds(view(replica), "b") == ["one"]
    wait_for(lambda: not health.causes())


def test_a_policy_of_a_newer_version_holds(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", policy=POLICY)
    replica = start(config)
    view(replica)
    newer = POLICY.to_json().replace('"action"', '"actions"')
    writer.write("one", policy=newer)
    held(replica, health, "denylist-canonical-form")


def test_a_status_of_another_denylist_holds(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    DenylistWriter(config).write("one", [listed("a")])
    replica = start(config)
    view(replica)
    DenylistWriter(config).write("two")
    # Read anew, a log of two denylists has entries that are not the newest one's.
    held(replica, health, "denylist-damaged")
    assert "denylist-recreated" in health.past


def test_entries_of_another_denylist_hold(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    DenylistWriter(config).write("one", [listed("a")])
    DenylistWriter(config).write("two", [listed("b")])
    held(start(config), health, "denylist-damaged")


def test_a_recreated_topic_is_another_denylist(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    DenylistWriter(config).write("one", [listed("a"), listed("b")])
    replica = start(config)
    old = view(replica)
    config.broker.delete_topic(config.denylist)
    config.broker.create_topic(config.denylist, 1, cleanup_policy="compact")
    wait_for(lambda: "denylist-recreated" in health.past)
    writer = DenylistWriter(config)
    writer.write("two", [listed("b")])
    wait_for(lambda: (now := replica.current) is not None and now.denylist_id == writer.denylist_id)
    assert feeds(view(replica), "a") == []
    assert feeds(view(replica), "b") == ["two"]
    assert feeds(old, "b") == ["one"]
    wait_for(lambda: not health.causes())


def test_an_empty_topic_holds_for_its_lists_until_the_first_feed(
    make_config: Make, start: Start, health: Remembering
) -> None:
    config = make_config()
    replica = start(config)
    found = view(replica)
    assert (found.version, dict(found.statuses)) == (-1, {})
    wait_for(lambda: not health.causes())
    writer = DenylistWriter(config)
    version = writer.write("one", [listed("a")])
    assert feeds(at(replica, version), "a") == ["one"]
    assert feeds(at(replica, writer.write("one", [listed("b")])), "b") == ["one"]
    assert set(health.past) == {"denylist-loading"}


def test_a_missing_topic_is_named_and_waited_for(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config(create=False)
    replica = start(config)
    wait_for(lambda: "does not exist" in health.causes().get("denylist-loading", ""))
    detail = held(replica, health, "denylist-loading")
    assert config.denylist in detail
    assert "crawlsieve topics --create" in detail
    config.broker.create_topic(config.denylist, 1, cleanup_policy="compact")
    version = DenylistWriter(config).write("one", [listed("a")])
    assert feeds(at(replica, version), "a") == ["one"]


def test_the_newest_status_is_found_behind_any_number_of_aborted_records(make_config: Make, start: Start) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    version = writer.write("one", [listed("a")])
    for _ in range(3):
        writer.send((writer.seal("one", listed(f"x{i}")) for i in range(1500)), commit=False)
        writer.finish(commit=False)
    replica = start(config)
    assert view(replica).version == version
    assert feeds(view(replica), "a") == ["one"]
    assert feeds(view(replica), "x1") == []


def test_a_broker_that_is_away_ends_no_view(
    make_config: Make, own_broker: Callable[..., Broker], start: Start, health: Remembering
) -> None:
    own = own_broker()
    config = make_config(broker=own)
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")])
    replica = start(config)
    before = view(replica)
    own.kill()
    time.sleep(5)  # several questions about the topic go unanswered
    assert replica.current is before
    own.start()
    assert feeds(at(replica, writer.write("two", [listed("b")])), "b")
    assert set(health.past) == {"denylist-loading"}


def test_a_replica_that_may_have_missed_removals_loads_anew(
    make_config: Make, start: Start, health: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    goes_on.set()
    monkeypatch.setattr(Gauges, "tick", lambda *_: goes_on.wait())
    config = make_config(create=False)
    config.broker.create_topic(config.denylist, 1, cleanup_policy="compact", delete_retention_ms=4000)
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")])
    replica = start(config)
    loaded = view(replica).loaded_at
    time.sleep(6)
    assert feeds(at(replica, writer.write("one", [listed("b")])), "b")  # one with nothing to read is not behind
    assert "denylist-recreated" not in health.past
    goes_on.clear()
    time.sleep(6)
    writer.write("one", [listed("c")], [listed("a")])
    goes_on.set()
    wait_for(lambda: "denylist-recreated" in health.past)
    wait_for(lambda: (now := replica.current) is not None and feeds(now, "c") == ["one"])
    assert feeds(view(replica), "a") == []
    assert view(replica).loaded_at > loaded


def test_no_record_is_taken_for_a_status_by_its_value(make_config: Make, start: Start, health: Remembering) -> None:
    config = make_config()
    writer = DenylistWriter(config)
    writer.write("one", [listed("a")])
    replica = start(config)
    view(replica)
    producer = Producer({"bootstrap.servers": config.broker.bootstrap})
    producer.produce(config.denylist, wire.encode(wire.own("denylist-entry"), _ENTRY), status_key("one"), 0)
    assert producer.flush(30) == 0
    held(replica, health, "denylist-damaged")


_ENTRY = {"category": "test", "sealed": b"", "mac": bytes(16)}
