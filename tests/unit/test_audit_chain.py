"""The audit's core on made-up receipts and outputs: what is whole is proven, and each kind of fault is found."""

import dataclasses
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlsieve.audit.chain import Finding, GroupOffsets, Kept, Link, Outputs, Report, Source, audit

SOURCE = Source("crawl.events", 0, "cluster", "id")
WHOLE = frozenset({"clean", "quarantined", "dead"})


def link(start: int, end: int, read: int | None = None, *, quarantined: int = 0, dead: int = 0, **more: Any) -> Link:
    read = end - max(start, 0) if read is None else read
    base = Link(SOURCE, start, end, read, read - quarantined - dead, quarantined, dead, False, "d", 5)
    return dataclasses.replace(base, **more)


def kept(offset: int, kind: Any = "quarantined", version: tuple[str, int] | None = ("d", 5)) -> Kept:
    return Kept(kind, "crawl.events", 0, offset, version if kind == "quarantined" else None)


def run(
    links: list[Link],
    records: list[Kept] | None = None,
    *,
    clean: int | None = None,
    whole: frozenset[str] = WHOLE,
    before: int | None = None,
    after: int | None = None,
) -> Report:
    end = max((one.end for one in links), default=-1)
    after = end if after is None else after
    before = after if before is None else before
    count = sum(one.clean for one in links) if clean is None else clean
    offsets = [{("crawl.events", 0): at} if at >= 0 else {} for at in (before, after)]
    outputs = Outputs({0: count}, True, records or [], whole)
    return audit(links, outputs, GroupOffsets("cluster", "id", offsets[0], offsets[1]))


def kinds(report: Report) -> list[str]:
    return [finding.kind for finding in report.findings]


CHAIN = [link(-1, 10), link(10, 25, quarantined=2), link(25, 40, 12, dead=1)]
KEPT = [kept(11), kept(24), kept(30, "dead")]


def test_a_whole_chain_is_proven_in_any_order() -> None:
    links, records = CHAIN[::-1], KEPT[::-1]
    report = run(links, records)
    assert report.findings == []
    assert [(r.start, r.end, r.version) for r in report.in_force] == [(0, 40, 5)]
    assert (report.rows[0].read, report.rows[0].clean, report.rows[0].committed) == (37, 34, 40)


def test_no_receipts_prove_nothing_and_find_nothing() -> None:
    assert run([]).findings == []


def test_versions_in_force_by_offset_range() -> None:
    report = run([link(-1, 10), link(10, 20), link(20, 30, version=9)])
    assert [(r.start, r.end, r.version) for r in report.in_force] == [(0, 20, 5), (20, 30, 9)]


@pytest.mark.parametrize(
    ("links", "records", "kind", "words"),
    [
        ([CHAIN[0], CHAIN[2]], [KEPT[2]], "gap", "no receipt from offset 10 to 25"),
        (CHAIN[1:], KEPT, "gap", "no receipt from the beginning to 10"),
        ([*CHAIN, link(35, 41, 1)], KEPT, "overlap", "offsets 35 to 40 are in two receipts"),
        ([CHAIN[0], *CHAIN], KEPT, "overlap", "offsets 0 to 10 are in two receipts"),
        ([link(-1, 10), link(10, 20, gap=True)], [], "gap", "an operator passed the gap"),
        ([link(-1, 10, clean=9)], [], "mismatch", "read 10 events and judged 9 clean"),
        ([link(-1, 10, 11)], [], "mismatch", "for 0 to 10 read 11 events"),
        (CHAIN, KEPT[1:], "mismatch", "say 2 quarantined, the topic has 1"),
        (CHAIN, KEPT[:2], "mismatch", "say 1 dead, the topic has 0"),
        (CHAIN, [*KEPT, kept(12)], "mismatch", "say 2 quarantined, the topic has 3"),
        (CHAIN, [kept(11), kept(11), KEPT[2]], "twice", "offset 11 has more than one verdict"),
        (CHAIN, [*KEPT, kept(40)], "stray", "offset 40 is in no receipt"),
        (CHAIN, [kept(11, version=("d", 6)), *KEPT[1:]], "mismatch", "offset 11 names another denylist version"),
        ([link(-1, 5, quarantined=1, dead=1)], [kept(3), kept(3, "dead")], "twice", "offset 3"),
    ],
)
def test_each_fault_is_found_and_said(links: list[Link], records: list[Kept], kind: str, words: str) -> None:
    report = run(links, records)
    assert any(f.kind == kind and words in f.text and f.where == "crawl.events/0" for f in report.findings)


@pytest.mark.parametrize("clean", [33, 35])
def test_a_clean_event_too_few_or_too_many(clean: int) -> None:
    report = run(CHAIN, KEPT, clean=clean)
    text = f"receipts say 34 clean events, the topic has {clean}"
    assert report.findings == [Finding("mismatch", "clean/0", text)]


@pytest.mark.parametrize(("committed", "words"), [(50, "without a receipt"), (25, "set back")])
def test_the_group_stands_elsewhere(committed: int, words: str) -> None:
    assert words in run(CHAIN, KEPT, after=committed).findings[0].text


def test_committed_offsets_without_any_receipt() -> None:
    assert "no receipt at all" in run([], after=7).findings[0].text


def test_a_group_whose_first_commit_comes_after_the_receipts_were_read() -> None:
    assert run([], before=-1, after=7).findings == []


def test_a_group_that_commits_meanwhile_may_be_ahead_of_what_was_read() -> None:
    # The last receipt came after the outputs were read, and the offset after it when the receipts had been read.
    assert run(CHAIN, KEPT[:2], clean=23, before=25, after=60).findings == []
    assert kinds(run(CHAIN, KEPT[1:], clean=23, before=25, after=60)) == ["mismatch"]
    assert kinds(run(CHAIN, KEPT[:2], clean=22, before=25, after=60)) == ["mismatch"]
    assert kinds(run(CHAIN, KEPT, before=26, after=60)) == ["mismatch"]


def test_outputs_that_retention_has_cut_are_only_checked_for_too_many() -> None:
    report = run(CHAIN, [], clean=3, whole=frozenset())
    assert report.findings == []
    assert len(report.notes) == 3
    assert kinds(run(CHAIN, [*KEPT, kept(13)], clean=35, whole=frozenset())) == ["mismatch", "mismatch"]


def test_a_recreated_topic_is_another_chain() -> None:
    old = Source("crawl.events", 0, "cluster", "older")
    links = [dataclasses.replace(link(-1, 30, quarantined=1), source=old), *CHAIN]
    report = run(links, [kept(11), *KEPT])
    assert report.findings == []
    assert "replaced" in report.notes[0]
    assert kinds(run(links, [kept(11), kept(11), *KEPT])) == ["twice", "mismatch"]


@given(st.integers(0, 2**32), st.sampled_from(["drop-link", "drop-kept", "double-kept", "move-kept", "clean"]))
def test_random_runs_are_proven_and_no_damage_to_them_is(seed: int, damage: str) -> None:
    dice = random.Random(seed)
    links: list[Link] = []
    records: list[Kept] = []
    at, came_from = dice.randrange(5), -1
    for version in sorted(dice.randrange(3) for _ in range(dice.randint(2, 12))):
        offsets = [at + i for i in range(dice.randint(1, 20)) if dice.random() < 0.9]
        verdicts = {o: dice.choice(["clean", "clean", "quarantined", "dead"]) for o in offsets}
        at += 20 + dice.randrange(3)
        records += [kept(o, kind, ("d", version)) for o, kind in verdicts.items() if kind != "clean"]
        count = Counter(verdicts.values())
        links.append(
            link(came_from, at, len(offsets), quarantined=count["quarantined"], dead=count["dead"], version=version)
        )
        came_from = at
    dice.shuffle(links)
    dice.shuffle(records)
    clean = sum(one.clean for one in links)
    assert run(links, records, clean=clean).findings == []
    if damage == "drop-link":
        links.pop()
    elif damage == "clean":
        clean += dice.choice([-1, 1])
    elif not records:
        return
    elif damage == "drop-kept":
        records.pop()
    elif damage == "double-kept":
        records.append(records[0])
    else:
        records[0] = dataclasses.replace(records[0], offset=at + 1)
    # The group has committed to the end all the same: a lost receipt of no events is told by that alone.
    assert run(links, records, clean=clean, after=at).findings
