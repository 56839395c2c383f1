"""The audit itself: receipts, outputs and group offsets in, findings out. No input or output.

Every receipt continues where the one before ended, so the receipts of a partition form a chain from its beginning to
the offset that the group has committed. Whatever is not such a chain was read twice, or not at all, or left out of
account.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["quarantined", "dead"]
Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, order=True, slots=True)
class Source:
    """One input partition. A topic that is deleted and made again is another topic, and has another id."""

    topic: str
    partition: int
    cluster_id: str
    topic_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """What one receipt says of one input partition: offsets in [start, end); start is -1 for the first ever."""

    source: Source
    start: int
    end: int
    read: int
    clean: int
    quarantined: int
    dead: int
    gap: bool
    denylist_id: str
    version: int

    @property
    def first(self) -> int:
        """The lowest offset that can be meant."""
        return max(self.start, 0)


@dataclass(frozen=True, slots=True)
class Kept:
    """One record of the quarantine or the dead letters, and where its event stood."""

    kind: Kind
    topic: str
    partition: int
    offset: int
    version: tuple[str, int] | None
    """Denylist id and version, where the record says so."""


@dataclass
class Outputs:
    """What stands in the output topics, read to the end."""

    clean: Mapping[int, int]
    """Clean events by partition of the clean topic."""
    same_partitions: bool
    """Whether clean events keep their partition."""
    kept: Iterable[Kept]
    whole: frozenset[str]
    """Which of `clean`, `quarantined`, `dead` still begin at offset 0; of others retention has taken something."""
    faults: Sequence["Finding"] = ()
    """What could not be read."""


@dataclass(frozen=True)
class GroupOffsets:
    """The group's committed offsets of the topic as it is now, before and after everything else was read."""

    cluster_id: str
    topic_id: str
    before: Mapping[Place, int]
    after: Mapping[Place, int]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    kind: Literal["gap", "overlap", "mismatch", "twice", "stray", "unreadable"]
    where: str
    text: str


@dataclass
class InForce:
    """A run of offsets [start, end) that were judged under one version."""

    source: Source
    start: int
    end: int
    denylist_id: str
    version: int


@dataclass
class Row:
    """The sums of one input partition."""

    source: Source
    receipts: int
    end: int
    read: int
    clean: int
    quarantined: int
    dead: int
    committed: int | None


@dataclass
class Report:
    """The outcome. Everything is proven if there are no findings; notes say what could not be compared."""

    rows: list[Row] = field(default_factory=list)
    in_force: list[InForce] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, kind: str, where: str, text: str) -> None:
        """Adds a finding."""
        self.findings.append(Finding(kind, where, text))  # type: ignore[arg-type]


def audit(links: Iterable[Link], outputs: Outputs, group: GroupOffsets) -> Report:
    """Walks the chains and compares them with the outputs and the group's offsets.

    A group that commits while it is audited is allowed for: receipts behind `group.before` may lack some of their
    outputs, and nothing else may differ.
    """
    report = Report(findings=list(outputs.faults))
    chains: dict[Source, list[Link]] = defaultdict(list)
    for link in links:
        chains[link.source].append(link)
    for source in sorted(chains):
        chain = sorted(chains[source], key=lambda link: (link.start, link.end))
        chains[source] = chain
        _walk(chain, report)
        _versions(chain, report)
        _committed(source, chain, group, report)
    for topic, partition in sorted(group.before):  # what came after may have a receipt that was not read any more
        source = Source(topic, partition, group.cluster_id, group.topic_id)
        if source not in chains:
            text = f"the group has committed offset {group.before[topic, partition]}, and there is no receipt at all"
            report.wrong("mismatch", f"{topic}/{partition}", text)
    _kept(chains, outputs, group, report)
    _clean(chains, outputs, group, report)
    return report


def _where(source: Source) -> str:
    return f"{source.topic}/{source.partition}"


def _walk(chain: Sequence[Link], report: Report) -> None:
    where, expected = _where(chain[0].source), -1
    for link in chain:
        if link.start > expected:
            since = "the beginning" if expected == -1 else f"offset {expected}"
            report.wrong("gap", where, f"no receipt from {since} to {link.start}")
        elif link.start < expected:
            report.wrong("overlap", where, f"offsets {link.first} to {min(link.end, expected)} are in two receipts")
        expected = max(expected, link.end)
        if link.gap:
            text = f"events from offset {link.first} on were deleted before they were read; an operator passed the gap"
            report.wrong("gap", where, text)
        if link.read != link.clean + link.quarantined + link.dead:
            text = (
                f"the receipt for {link.first} to {link.end} read {link.read} events and judged "
                f"{link.clean} clean, {link.quarantined} quarantined, {link.dead} dead"
            )
            report.wrong("mismatch", where, text)
        # Fewer is right: control records and what compaction took have offsets as well.
        if link.read > max(link.end - link.first, 0):
            report.wrong("mismatch", where, f"the receipt for {link.first} to {link.end} read {link.read} events")


def _versions(chain: Sequence[Link], report: Report) -> None:
    run: InForce | None = None
    for link in chain:
        if run and (run.denylist_id, run.version, run.end) == (link.denylist_id, link.version, link.first):
            run.end = link.end
        else:
            run = InForce(link.source, link.first, link.end, link.denylist_id, link.version)
            report.in_force.append(run)


def _committed(source: Source, chain: Sequence[Link], group: GroupOffsets, report: Report) -> None:
    place, end = (source.topic, source.partition), max(link.end for link in chain)
    current = (source.cluster_id, source.topic_id) == (group.cluster_id, group.topic_id)
    before, after = (group.before.get(place), group.after.get(place)) if current else (None, None)
    sums = {name: sum(getattr(link, name) for link in chain) for name in ("read", "clean", "quarantined", "dead")}
    report.rows.append(Row(source, len(chain), end, committed=after, **sums))
    where = _where(source)
    if not current:
        report.notes.append(f"{where}: receipts of a topic or cluster that was replaced ({source.topic_id or 'no id'})")
    elif after is None:
        report.notes.append(f"{where}: the group has no committed offset to compare with (expired, or never kept)")
    elif before == after != end:
        fault = "without a receipt" if after > end else "the group was set back"
        report.wrong("mismatch", where, f"the group has committed {after}, receipts end at {end}: {fault}")
    elif before != after and before is not None and before not in {link.end for link in chain}:
        report.wrong("mismatch", where, f"the group had committed {before}, where no receipt ends")


def _settled(link: Link, group: GroupOffsets) -> bool:
    """Whether the receipt was committed before the outputs were read, so that all its outputs must be there."""
    place = (link.source.topic, link.source.partition)
    before = group.before.get(place)
    if before == group.after.get(place):
        return True
    current = (link.source.cluster_id, link.source.topic_id) == (group.cluster_id, group.topic_id)
    return not current or (before is not None and link.end <= before)


def _kept(chains: Mapping[Source, list[Link]], outputs: Outputs, group: GroupOffsets, report: Report) -> None:
    """Every quarantined and dead offset lies in one receipt, once, and each receipt has as many as it says."""
    by_place: dict[Place, list[list[Link]]] = defaultdict(list)
    for source, chain in chains.items():
        by_place[source.topic, source.partition].append(chain)
    starts = {id(chain): [link.first for link in chain] for chain in chains.values()}
    found: Counter[tuple[int, Kind]] = Counter()
    seen: Counter[tuple[str, int, int]] = Counter()
    for kept in outputs.kept:
        where = f"{kept.topic}/{kept.partition}"
        lineages = by_place.get((kept.topic, kept.partition), [])
        around = [link for chain in lineages if (link := _link_at(chain, starts[id(chain)], kept.offset))]
        named = [link for link in around if kept.version in (None, (link.denylist_id, link.version))]
        if not around:
            report.wrong("stray", where, f"a {kept.kind} event at offset {kept.offset} is in no receipt")
            continue
        if not named:
            text = f"the quarantined event at offset {kept.offset} names another denylist version than its receipt"
            report.wrong("mismatch", where, text)
        at = (kept.topic, kept.partition, kept.offset)
        seen[at] += 1
        if seen[at] == len(around) + 1:  # a replaced topic has had the same offset before
            report.wrong("twice", where, f"offset {kept.offset} has more than one verdict")
        found[id((named or around)[-1]), kept.kind] += 1
    for place, lineages in by_place.items():
        links = [link for chain in lineages for link in chain]
        if len(lineages) == 1:
            for link in links:
                _compare(place, [link], found, outputs, group, report)
        else:
            _compare(place, links, found, outputs, group, report)


def _link_at(chain: Sequence[Link], starts: Sequence[int], offset: int) -> Link | None:
    at = bisect_right(starts, offset) - 1
    return chain[at] if at >= 0 and offset < chain[at].end else None


def _compare(
    place: Place,
    links: Sequence[Link],
    found: Mapping[tuple[int, Kind], int],
    outputs: Outputs,
    group: GroupOffsets,
    report: Report,
) -> None:
    kinds: tuple[Kind, ...] = ("quarantined", "dead")
    for kind in kinds:
        said = sum(getattr(link, kind) for link in links)
        there = sum(found.get((id(link), kind), 0) for link in links)
        must_be = kind in outputs.whole and all(_settled(link, group) for link in links)
        if there > said or (there < said and must_be):
            text = f"receipts for {links[0].first} to {links[-1].end} say {said} {kind}, the topic has {there}"
            report.wrong("mismatch", f"{place[0]}/{place[1]}", text)


def _clean(chains: Mapping[Source, list[Link]], outputs: Outputs, group: GroupOffsets, report: Report) -> None:
    """As many clean events as receipts say; partition by partition where events keep theirs."""
    least: Counter[int] = Counter()
    most: Counter[int] = Counter()
    there: Counter[int] = Counter()
    for chain in chains.values():
        for link in chain:
            at = link.source.partition if outputs.same_partitions else -1
            most[at] += link.clean
            if "clean" in outputs.whole and _settled(link, group):
                least[at] += link.clean
    for partition, n in outputs.clean.items():
        there[partition if outputs.same_partitions else -1] += n
    for partition in sorted(most.keys() | there.keys()):
        if not least[partition] <= there[partition] <= most[partition]:
            where = "clean" if partition == -1 else f"clean/{partition}"
            text = f"receipts say {most[partition]} clean events, the topic has {there[partition]}"
            report.wrong("mismatch", where, text)
    for name in sorted({"clean", "quarantined", "dead"} - outputs.whole):
        report.notes.append(f"the topic of {name} events no longer begins at 0: checked only for events too many")
