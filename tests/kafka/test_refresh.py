"""Refreshes on Apache Kafka: what comes into force, what leaves, and what a refused pull changes."""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from crawlsieve import _native
from crawlsieve.config import load
from crawlsieve.errors import OperatorError
from crawlsieve.kafka import wire
from crawlsieve.refresh.service import run
from crawlsieve.telemetry import metrics
from crawlsieve.telemetry.health import Health
from tests.kafka.fixtures import MadeConfig
from tests.kafka.refreshing import feed, refresh, refreshing, topic
from tests.waiting import wait_for

Make = Callable[..., MadeConfig]


def md5(number: int) -> str:
    return hashlib.md5(b"listed %d" % number).hexdigest()


def write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def finds(config: MadeConfig, signal: str, value: str) -> list[tuple[str, str]]:
    """(feed, category) of what the native denylist, fed from the topic, finds."""
    state = topic(config)
    state.agrees()
    denylist = None
    for _, key, value_ in state.records:
        if key[0] == 2 and value_ is not None:
            denylist = denylist or _native.Denylist(
                state.keys, wire.decode(wire.own("denylist-status"), value_)["denylist_id"]
            )
    assert denylist is not None
    denylist.stage([(key, value_) for _, key, value_ in state.records if key[0] == 1])
    for name in {key[1:].decode() for _, key, _ in state.records if key[0] == 2}:
        policy = state.status(name).parsed_policy
        denylist.apply(name, action=policy.action, max_distance=policy.max_distance, overruled_by=policy.overruled_by)
    return [(reason.feed, reason.category) for reason in denylist.snapshot().find(signal, value)]


def test_entries_are_added_withdrawn_and_added_again(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    config = make_config(feeds={"f": feed(path, signal="md5", max_shrink=1)})
    write(path, md5(1), md5(2))
    assert refresh(config) == 0
    state = topic(config)
    state.agrees()
    assert len(state.entries) == 2
    status = state.status("f")
    assert (status.complete, status.outcome, dict(status.counts)) == (True, "ok", {"md5": 2})
    assert abs(status.pulled_at - time.time() * 1000) < 60_000
    assert finds(config, "md5", md5(1).upper()) == [("f", "csam")]

    write(path, md5(2), md5(3))
    assert refresh(config) == 0
    assert finds(config, "md5", md5(1)) == []
    assert finds(config, "md5", md5(3)) == [("f", "csam")]

    write(path, md5(1), md5(2), md5(3))
    assert refresh(config) == 0
    assert finds(config, "md5", md5(1)) == [("f", "csam")]
    state = topic(config)
    assert state.status("f").denylist_id == status.denylist_id
    assert sum(key[0] == 1 for _, key, _ in state.records) == 2 + 2 + 1  # differences only


def test_an_unchanged_source_only_renews_the_age(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, md5(1), "no digest")
    config = make_config(feeds={"f": feed(path, signal="md5")})
    assert refresh(config) == 0
    assert refresh(config) == 0
    pending, first, second = topic(config).history("f")
    assert (pending.outcome, pending.complete, pending.pulled_at) == ("pending", False, 0)
    assert second.outcome == "unchanged"
    assert second.pulled_at > first.pulled_at
    assert second.complete
    assert dict(second.set_aside) == dict(first.set_aside) == {"invalid-length": 1}


def test_withdrawing_one_record_leaves_the_same_value_of_another(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    columns = {"md5": "MD5", "record_id": "Id", "category": "Kind"}
    config = make_config(feeds={"f": feed(path, format="csv", columns=columns, max_shrink=1)})
    write(path, "Id,MD5,Kind", f"1,{md5(1)},a", f"2,{md5(1)},b", f"3,{md5(2)},")
    assert refresh(config) == 0
    assert len(topic(config).entries) == 3
    write(path, "Id,MD5,Kind", f"2,{md5(1)},b", f"3,{md5(2)},")
    assert refresh(config) == 0
    assert finds(config, "md5", md5(1)) == [("f", "b")]
    write(path, "Id,MD5,Kind", f"3,{md5(2)},")
    assert refresh(config) == 0
    assert finds(config, "md5", md5(1)) == []
    assert finds(config, "md5", md5(2)) == [("f", "csam")]


def test_feeds_do_not_touch_one_another(make_config: Make, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, "https://example.com/a", "https://example.com/b")
    write(two, "https://example.com/a")
    feeds = {"one": feed(one, max_shrink=1), "two": feed(two, action="allow", max_shrink=1)}
    config = make_config(feeds=feeds)
    assert refresh(config) == 0
    write(one, "https://example.com/b")
    assert refresh(config, "one") == 0
    state = topic(config)
    assert (len(state.of("one")), len(state.of("two"))) == (1, 1)
    assert state.status("two").parsed_policy.action == "allow"
    assert [status.outcome for status in state.history("two")] == ["pending", "ok"]


def test_all_widths_and_formats(make_config: Make, tmp_path: Path) -> None:
    feeds = {}
    for width in ("exact", "page", "prefix", "host"):
        path = tmp_path / f"{width}.ndjson"
        url = f"https://{width}.example.com/" + ("" if width == "host" else "p")
        path.write_text(json.dumps({"u": url}) + "\n")
        feeds[width] = feed(path, format="ndjson", columns={"url": "u"}, match=width)
    config = make_config(feeds=feeds)
    assert refresh(config) == 0
    assert finds(config, "url", "http://exact.example.com/p") == [("exact", "csam")]
    assert finds(config, "url", "http://exact.example.com/p?q") == []
    assert finds(config, "url", "http://page.example.com/p?q") == [("page", "csam")]
    assert finds(config, "url", "http://prefix.example.com/p/x") == [("prefix", "csam")]
    assert finds(config, "url", "http://x.host.example.com/y") == [("host", "csam")]


def test_another_width_replaces_every_entry(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, "https://example.com/a")
    config = make_config(feeds={"f": feed(path, match="exact")})
    assert refresh(config) == 0
    before = set(topic(config).entries)
    assert refresh(config.with_(feeds={"f": feed(path, match="prefix")})) == 0
    state = topic(config)
    state.agrees()
    assert len(state.entries) == 1
    assert not before & set(state.entries)
    assert state.status("f").parsed_policy.match == "prefix"


def test_another_policy_needs_no_other_entries(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, "https://example.com/a")
    config = make_config(feeds={"f": feed(path)})
    assert refresh(config) == 0
    assert refresh(config.with_(feeds={"f": feed(path, action="observe", required=True)})) == 0
    state = topic(config)
    state.agrees()
    assert len([key for _, key, _ in state.records if key[0] == 1]) == 1
    assert (state.status("f").parsed_policy.action, state.status("f").parsed_policy.required) == ("observe", True)


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([md5(1)], "shrunk"),
        ([], "empty"),
        ([md5(n) for n in range(10)], "canary-missing"),
        ([*(md5(n) for n in range(10)), "canary", *["<html>"] * 20], "mostly-invalid"),
        (["\xff".encode("latin-1")], "parse"),
    ],
)
def test_a_refused_pull_changes_nothing(
    make_config: Make, tmp_path: Path, lines: list[str | bytes], reason: str
) -> None:
    path = tmp_path / "list"
    canary = md5(1000)
    write(path, *(md5(n) for n in range(10)), canary)
    config = make_config(feeds={"f": feed(path, signal="md5", canary=canary)})
    assert refresh(config) == 0
    before = topic(config)
    path.write_bytes(
        b"".join((x if isinstance(x, bytes) else x.replace("canary", canary).encode()) + b"\n" for x in lines)
    )
    if reason == "shrunk":
        path.write_text(f"{md5(1)}\n{canary}\n")
    assert refresh(config) == 1
    after = topic(config)
    after.agrees()
    assert after.entries == before.entries
    old, new = before.status("f"), after.status("f")
    assert new.outcome == reason
    assert (new.pulled_at, new.policy, new.complete, new.counts) == (old.pulled_at, old.policy, True, old.counts)
    assert ("f", reason) in metrics.REFRESHES._children
    write(path, *(md5(n) for n in range(11)), canary)
    assert refresh(config) == 0
    assert len(topic(config).entries) == 12


def test_a_missing_source_is_refused_and_the_other_feeds_go_on(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, md5(1))
    config = make_config(feeds={"broken": feed(tmp_path / "missing", signal="md5"), "fine": feed(path, signal="md5")})
    assert refresh(config) == 1
    state = topic(config)
    state.agrees()
    assert state.status("fine").outcome == "ok"
    broken = state.status("broken")
    assert (broken.outcome, broken.complete, broken.pulled_at, dict(broken.counts)) == ("unreachable", False, 0, {})


def test_the_test_entry_is_in_force_with_its_own_category(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    columns = {"url": "URL", "md5": "MD5", "record_id": "Id"}
    canary = "https://test.example.com/"
    write(path, "Id,URL,MD5", f"1,http://www.example.com/x,{md5(1)}", "7,http://TEST.example.com:80,", f"9,,{md5(2)}")
    config = make_config(feeds={"f": feed(path, format="csv", columns=columns, canary=canary)})
    assert refresh(config) == 0
    assert finds(config, "url", canary) == [("f", "test")]
    assert finds(config, "md5", md5(1)) == [("f", "csam")]
    state = topic(config)
    key = state.status("f").parsed_policy.canary
    assert key is not None
    assert bytes.fromhex(key) in state.of("f")


def test_what_would_match_everything_is_set_aside(make_config: Make, tmp_path: Path) -> None:
    hosts, digests = tmp_path / "hosts", tmp_path / "digests"
    write(
        hosts, "http://com/", "https://co.uk", "http://example.com/", "https://blogspot.com/", "http://example.org/path"
    )
    empty = hashlib.md5(b"").hexdigest()
    write(digests, "0" * 32, empty, md5(1), md5(2), md5(3))
    config = make_config(feeds={"h": feed(hosts, match="host"), "d": feed(digests, signal="md5")})
    assert refresh(config) == 0
    state = topic(config)
    assert dict(state.status("h").set_aside) == {"public-suffix": 2, "wider-than-width": 1}
    assert dict(state.status("d").set_aside) == {"zero": 1, "empty-file": 1}
    assert len(state.of("h")) == 2
    assert len(state.of("d")) == 3


def test_nothing_listed_stands_in_the_topic(make_config: Make, tmp_path: Path) -> None:
    path, code = tmp_path / "list.csv", secrets.token_hex(32)
    columns = {"url": "u", "md5": "m", "pdq": "p", "record_id": "r"}
    write(path, "u,m,p,r", f"https://listed.example.com/some/page,{md5(7)},{code},partner-record-77")
    config = make_config(feeds={"f": feed(path, format="csv", columns=columns)})
    assert refresh(config) == 0
    state = topic(config)
    assert len(state.entries) == 3
    everything = b"".join(key + (value or b"") for _, key, value in state.records)
    for plain in ("listed.example.com", "some/page", "partner-record-77", str(path), md5(7), code):
        assert plain.encode() not in everything
    for digest in (md5(7), code):
        raw = bytes.fromhex(digest)
        assert raw not in everything
        assert raw[:8] not in everything
    for name in (b"listed.example.com/some/page", b"https://listed.example.com/some/page"):
        for algorithm in ("md5", "sha1", "sha256"):
            assert hashlib.new(algorithm, name).digest()[:16] not in everything


def test_parts_are_small_and_feeds_take_turns(make_config: Make, tmp_path: Path) -> None:
    long, short = tmp_path / "long", tmp_path / "short"
    write(long, *(md5(n) for n in range(95)))
    write(short, *(md5(n) for n in range(10)))
    config = make_config(
        refresh={"transaction_records": 12},
        feeds={"long": feed(long, signal="md5", max_shrink=1), "short": feed(short, signal="md5")},
    )
    assert refresh(config) == 0
    write(long, *(md5(n) for n in range(50, 150)))
    assert refresh(config) == 0
    state = topic(config)
    state.agrees()
    assert set(state.of("long")) == set(state.of("long"))
    assert len(state.of("long")) == 100
    run_length, order, statuses = 0, [], []
    for _, key, value in state.records:
        run_length += 1
        if key[0] == 2:
            assert run_length <= 12
            run_length = 0
            statuses.append(key[1:].decode())
        elif key[2:10] == state.keys.feed_tag("long"):
            order.append(value is None)
    assert order == sorted(order)  # additions of both refreshes, then removals
    history = state.history("long")
    assert [status.outcome for status in history].count("ok") == 2
    first = [status.outcome for status in history].index("ok")
    assert not any(status.complete or status.pulled_at for status in history[:first])
    assert all(status.complete and status.pulled_at >= history[first].pulled_at for status in history[first:])
    assert statuses.index("short", 2) < len(statuses) - 5  # after both were announced, it did not wait for the long one


def test_a_dry_run_writes_nothing(make_config: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list"
    write(path, md5(1), md5(2))
    config = make_config(feeds={"f": feed(path, signal="md5")})
    assert refresh(config, dry_run=True) == 0
    assert topic(config).records == []
    assert refresh(config) == 0
    before = topic(config).records
    write(path, md5(2), md5(3), md5(4))
    assert refresh(config, dry_run=True) == 0
    assert topic(config).records == before
    path.unlink()
    assert refresh(config, dry_run=True) == 1
    assert md5(3) not in capsys.readouterr().out


def test_another_secret_is_refused(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, md5(1))
    config = make_config(feeds={"f": feed(path, signal="md5")})
    assert refresh(config) == 0
    before = topic(config).records
    other = tmp_path / "other"
    other.write_bytes(secrets.token_bytes(32))
    with pytest.raises(OperatorError, match="another secret"):
        refresh(config.with_(denylist={"secret_file": str(other)}))
    assert topic(config).records == before


def test_a_missing_topic_is_one_clear_error(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, md5(1))
    config = make_config(feeds={"f": feed(path, signal="md5")}).with_(denylist={"topic": "no-such-topic"})
    with pytest.raises(OperatorError, match="no-such-topic"):
        refresh(config)


def test_an_unknown_feed_is_refused_with_the_nearest_name(make_config: Make, tmp_path: Path) -> None:
    config = make_config(create=False, feeds={"iwf-urls": feed(tmp_path / "list")})
    with pytest.raises(OperatorError, match="iwf-urls"):
        run(load(config.path, {}), Health(), threading.Event(), only="iwf-url")


def test_a_feed_that_left_the_configuration_stays_in_force(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, md5(1))
    config = make_config(feeds={"old": feed(path, signal="md5")})
    assert refresh(config) == 0
    assert refresh(config.with_(feeds={"old": None, "new": feed(path, signal="md5")})) == 0
    assert sorted(finds(config, "md5", md5(1))) == [("new", "csam"), ("old", "csam")]
    assert ("old",) in metrics.FEED_ORPHANED._children


def test_a_recreated_topic_is_filled_anew(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, md5(1))
    config = make_config(feeds={"f": feed(path, signal="md5", every="1s")})
    with refreshing(config):
        wait_for(lambda: len(topic(config).entries) == 1)
        first = topic(config).status("f").denylist_id
    config.broker.delete_topic(config.denylist)
    config.broker.create_topic(config.denylist, 1, cleanup_policy="compact")
    with refreshing(config):
        wait_for(lambda: len(topic(config).entries) == 1)
    assert topic(config).status("f").denylist_id != first


def test_changes_come_into_force_while_it_runs(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, md5(1), md5(2))
    config = make_config(feeds={"f": feed(path, signal="md5", every="1s", max_shrink=1)})
    with refreshing(config) as health:
        wait_for(lambda: len(topic(config).entries) == 2)
        path.with_name("next").write_text(f"{md5(2)}\n{md5(3)}\n{md5(4)}\n")
        path.with_name("next").replace(path)
        wait_for(lambda: len(topic(config).entries) == 3)
        assert health.ready()
    assert finds(config, "md5", md5(1)) == []


def test_damage_in_the_topic_is_mended(make_config: Make, tmp_path: Path) -> None:
    path = tmp_path / "list"
    write(path, *(md5(n) for n in range(5)))
    config = make_config(feeds={"f": feed(path, signal="md5")})
    assert refresh(config) == 0
    state = topic(config)
    victim, lost = sorted(state.entries)[:2]
    value = state.entries[victim]
    producer = Producer({"bootstrap.servers": config.broker.bootstrap})
    producer.produce(config.denylist, value[:-1] + bytes([value[-1] ^ 1]), victim)
    producer.produce(config.denylist, None, lost)
    assert producer.flush(30) == 0
    assert refresh(config) == 0
    after = topic(config)
    assert after.entries == state.entries
    assert after.status("f").outcome == "ok"
    assert after.status("f").checksum == state.status("f").checksum
