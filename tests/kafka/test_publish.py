"""`crawlsieve publish` on Apache Kafka, and its events through refresh, screen and audit."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pa_parquet
import pytest

from crawlsieve.audit import service as audit
from crawlsieve.config import load
from crawlsieve.errors import OperatorError
from crawlsieve.events import metadata, publish
from crawlsieve.kafka import wire
from tests.kafka.broker import free_port
from tests.kafka.fixtures import MadeConfig, Process
from tests.waiting import wait_for

Make = Callable[..., MadeConfig]
LAION = Path(metadata.__file__).parents[1] / "demo" / "laion.parquet"


def test_rows_become_events_and_a_second_run_gives_them_the_same_ids(make_config: Make) -> None:
    made = make_config(3)
    config = load(made.path, {})
    assert publish.run(config, [LAION]) == 0
    first = made.read(made.events)
    events = [wire.decode(wire.own("crawl-event"), record.value or b"") for record in first]
    rows = pa_parquet.read_table(LAION).to_pylist()
    assert sorted((e["url"], e["caption"]) for e in events) == sorted((row["URL"], row["TEXT"]) for row in rows)
    assert all(record.key == event["id"].encode() for record, event in zip(first, events, strict=True))
    assert publish.run(config, [LAION]) == 0
    assert {r.key for r in made.read(made.events)} == {r.key for r in first}
    assert len(made.read(made.events)) == 2 * len(rows)


def test_a_missing_topic_is_named(make_config: Make) -> None:
    made = make_config(create=False)
    with pytest.raises(OperatorError, match=made.events):
        publish.run(load(made.path, {}), [LAION])


def test_no_broker_is_said(make_config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_config().with_(kafka={"bootstrap.servers": f"127.0.0.1:{free_port()}"})
    monkeypatch.setattr(publish, "_ASK_SECONDS", 1.0)
    with pytest.raises(OperatorError, match=r"kafka\.bootstrap\.servers"):
        publish.run(load(made.path, {}), [LAION])


def test_published_screened_and_audited(make_config: Make, process: Callable[..., Process], tmp_path: Path) -> None:
    rows = pa_parquet.read_table(LAION).to_pylist()
    listed = {row["URL"] for row in rows[::10]}
    (tmp_path / "listed.txt").write_text("\n".join(listed))
    feeds = {"pages": {"source": str(tmp_path / "listed.txt"), "format": "text", "match": "exact"}}
    made = make_config(4, events={"signals": {"url": "url", "md5": None}}, feeds=feeds)
    assert process("refresh", made, "--once").wait() == 0
    assert process("publish", made, str(LAION)).wait() == 0
    screen = process("screen", made).wait_ready()
    wait_for(lambda: screen.metric("crawlsieve_events_total") >= len(rows), 60)
    assert screen.terminate() == 0
    clean = [wire.decode(wire.own("crawl-event"), r.value or b"")["url"] for r in made.read(made.clean)]
    assert sorted(clean) == sorted(row["URL"] for row in rows if row["URL"] not in listed)
    proof = process("audit", made)
    assert proof.wait() == 0, proof.stdout + proof.stderr
    assert not any(row["URL"] in screen.stderr + proof.stdout + proof.stderr for row in rows)


def test_an_audit_while_screening_goes_on_finds_nothing_wrong(
    make_config: Make, process: Callable[..., Process], tmp_path: Path
) -> None:
    rows = pa_parquet.read_table(LAION).to_pylist()
    (tmp_path / "listed.txt").write_text("\n".join(row["URL"] for row in rows[::3]))
    feeds = {"pages": {"source": str(tmp_path / "listed.txt"), "format": "text", "match": "exact"}}
    made = make_config(
        2, events={"signals": {"url": "url", "md5": None}}, feeds=feeds, screen={"max_batch": 50, "max_delay": "5ms"}
    )
    config = load(made.path, {})
    assert process("refresh", made, "--once").wait() == 0
    assert publish.run(config, [LAION] * 12) == 0
    screen = process("screen", made).wait_ready()
    live = 0
    while screen.metric("crawlsieve_events_total") < 12 * len(rows):
        before = audit.reading.committed(config)
        found = audit.collect(config).findings
        assert found == [], (before, audit.reading.committed(config), [f.text for f in found])
        live += before != audit.reading.committed(config)
    assert live > 0
    assert screen.terminate() == 0
    report = audit.collect(config)
    assert report.findings == []
    assert sum(row.read for row in report.rows) == 12 * len(rows)
