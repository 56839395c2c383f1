"""What became of every event, read back from the topics alone: no counter of this process is asked."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crawlsieve.audit import reading
from crawlsieve.audit.chain import Link
from crawlsieve.config import Config
from crawlsieve.demo.crawl import PAGES, Event
from crawlsieve.kafka import wire

Offset = tuple[int, int]
"""Partition and offset in the events topic."""


@dataclass
class Topics:
    """The topics' content, as far as it is needed here."""

    events: dict[Offset, tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    """Key and value."""
    clean: list[tuple[int, bytes | None, bytes | None]] = field(default_factory=list)
    """Partition, key and value, in order within each partition."""
    quarantined: list[tuple[Offset, int, frozenset[tuple[str, str]]]] = field(default_factory=list)
    """Where the event stood, the version, and feed and signal of each reason."""
    dead: list[tuple[Offset, str]] = field(default_factory=list)
    """Where the event stood, and the reason."""
    links: list[Link] = field(default_factory=list)
    cancelled: Counter[str] = field(default_factory=Counter)
    """Matches that allow entries cancelled, by the feed whose match it was."""


@dataclass
class Effect:
    """What a change of one list's entry did: how many events with its URL were seen and quarantined."""

    before: tuple[int, int]
    after: tuple[int, int]


@dataclass
class Ledger:
    """The reconciled account."""

    published: int
    read: int
    clean: int
    quarantined: int
    dead: int
    by_feed: Counter[tuple[str, str]]
    by_reason: Counter[str]
    cancelled: Counter[str]
    changed_at: int | None
    """The version that brought the change of the list into force."""
    effects: dict[str, Effect]
    faults: list[str]
    """What does not add up; empty if everything does."""


def read(config: Config) -> Topics:
    """Reads the events and all outputs to their ends. Raises OperatorError."""
    screen, topics = config.screen, Topics()
    with reading.Reader(config) as reader:
        for message in reader.messages(config.events.topic):
            topics.events[int(message.partition() or 0), int(message.offset() or 0)] = (message.key(), message.value())
        for message in reader.messages(screen.clean):
            topics.clean.append((int(message.partition() or 0), message.key(), message.value()))
        for _, record in reader.records(screen.quarantine, wire.own("quarantine")):
            reasons = frozenset((reason["feed"], reason["signal"]) for reason in record["reasons"])
            topics.quarantined.append(((record["partition"], record["offset"]), record["version"], reasons))
        for message in reader.messages(screen.dead_letter):
            said = reading.headers_of(message)
            offset = (int(said["crawlsieve.partition"]), int(said["crawlsieve.offset"]))
            topics.dead.append((offset, said["crawlsieve.reason"].decode()))
        for _, receipt in reader.records(screen.receipts, wire.own("receipt")):
            for count in receipt["cancelled"]:
                topics.cancelled[count["feed"]] += count["count"]
        topics.links = list(reading.links(reader, config))
    return topics


def reconcile(topics: Topics, published: Sequence[Event]) -> Ledger:
    """Events in = clean + quarantined + dead, one by one, and each as the lists that were written say."""
    kept = Counter([offset for offset, _, _ in topics.quarantined] + [offset for offset, _ in topics.dead])
    matched = {offset: frozenset(feed for feed, _ in reasons) for offset, _, reasons in topics.quarantined}
    verdicts = matched | {offset: frozenset({"dead"}) for offset, _ in topics.dead}
    ledger = Ledger(
        published=len(published),
        read=len(topics.events),
        clean=len(topics.clean),
        quarantined=len(topics.quarantined),
        dead=len(topics.dead),
        by_feed=Counter(reason for _, _, reasons in topics.quarantined for reason in reasons),
        by_reason=Counter(reason for _, reason in topics.dead),
        cancelled=topics.cancelled,
        changed_at=None,
        effects={},
        faults=[],
    )
    faults = ledger.faults
    if Counter((e.key, e.value) for e in published) != Counter(topics.events.values()):
        faults.append("the events topic does not hold what was published")
    if strangers := kept.keys() - topics.events.keys():
        faults.append(f"{len(strangers)} verdicts on offsets that hold no event")
    if twice := sum(n > 1 for n in kept.values()):
        faults.append(f"{twice} events have more than one verdict")
    if not _clean_is_the_rest(topics, kept):
        faults.append("the clean topic is not, byte for byte and in order, what was neither quarantined nor dead")
    by_event = {(e.key, e.value): e for e in published}
    wrong = 0
    for offset, what in topics.events.items():
        event = by_event.get(what)
        if event is not None and event.changing is None:
            wrong += verdicts.get(offset, frozenset()) != event.expected
    if wrong:
        faults.append(f"{wrong} events did not get the verdict that the lists as they were written ask for")
    _effects(topics, by_event, matched, ledger)
    return ledger


def _clean_is_the_rest(topics: Topics, kept: Mapping[Offset, int]) -> bool:
    rest: dict[int, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)
    clean: dict[int, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)
    for (partition, offset), what in sorted(topics.events.items(), key=lambda item: item[0]):
        if (partition, offset) not in kept:
            rest[partition].append(what)
    for partition, key, value in topics.clean:
        clean[partition].append((key, value))
    return rest == clean


def _effects(
    topics: Topics,
    by_event: Mapping[tuple[bytes | None, bytes | None], Event],
    matched: Mapping[Offset, frozenset[str]],
    ledger: Ledger,
) -> None:
    """Which version made the change, and what it did to the two pages that it is about."""
    changing: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for offset, what in topics.events.items():
        event = by_event.get(what)
        if event is not None and event.changing is not None:
            changing[event.changing].append(
                (_version_at(topics.links, offset), matched.get(offset) == frozenset({PAGES}))
            )
    ledger.changed_at = min((version for version, hit in changing["added"] if hit), default=None)
    if ledger.changed_at is None:
        ledger.faults.append("the entry that was added never came into force")
        return
    for name, right in (("withdrawn", (True, False)), ("added", (False, True))):
        before = [hit for version, hit in changing[name] if version < ledger.changed_at]
        after = [hit for version, hit in changing[name] if version >= ledger.changed_at]
        ledger.effects[name] = Effect((len(before), sum(before)), (len(after), sum(after)))
        if any(hit != right[0] for hit in before) or any(hit != right[1] for hit in after):
            ledger.faults.append(f"the page that was {name} was judged otherwise than the list in force says")
        if not before or not after:
            ledger.faults.append(f"the page that was {name} was not seen both before and after the change")


def _version_at(links: Iterable[Link], offset: Offset) -> int:
    """The version in force at an input offset, from the receipts; -1 if no receipt has it."""
    partition, number = offset
    return next(
        (link.version for link in links if link.source.partition == partition and link.first <= number < link.end), -1
    )
