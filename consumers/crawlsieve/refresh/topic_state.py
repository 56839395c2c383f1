"""What is in force, read from the denylist topic itself: entries into the spool, and each feed's newest status."""

import os
import time
from collections.abc import Callable

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from crawlsieve import _native
from crawlsieve.config import Config
from crawlsieve.denylist import status as statuses
from crawlsieve.denylist.policy import PolicyUnreadable
from crawlsieve.denylist.status import ENTRY_PREFIX, KEY_PREFIX, ForeignKey, Status, StatusRefused
from crawlsieve.errors import OperatorError
from crawlsieve.kafka import clients, failures
from crawlsieve.kafka.wire import own
from crawlsieve.refresh.ledger import Ledger
from crawlsieve.refresh.spool import Spool

_log = structlog.get_logger("crawlsieve.refresh")

_BATCH = 10_000
_SILENCE_SECONDS = 30.0
"""Without a record or the end of the partition: Kafka is away, and the caller waits and tries again."""

_ENTRY_KEY_BYTES = 42
_ANOTHER_TOPIC = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)


class TopicReplaced(Exception):
    """The topic is another one, or shorter than it was: what is known of it is void."""


class TopicState:
    """For one thread. Starts empty: call load."""

    def __init__(
        self,
        config: Config,
        keys: _native.Keys,
        spool: Spool,
        beat: Callable[[], None],
        on_error: Callable[[KafkaError], None],
    ) -> None:
        """beat: called at least every second while this works. Raises KafkaException."""
        self._topic = config.denylist.topic
        self._keys = keys
        self._spool = spool
        self._beat = beat
        self._consumer = Consumer(clients.follower(config, on_error))
        self._reset()

    def _reset(self) -> None:
        self.denylist_id = os.urandom(16)
        self.statuses: dict[str, Status] = {}
        self.suspect: set[str] = set()
        """Feeds of which the topic's records contradict each other: to be pulled anew, whatever the source says."""
        self._ledgers: dict[str, Ledger] = {}
        self._feeds: dict[bytes, str] = {}
        self._next = 0
        self._spool.clear()

    def load(self) -> None:
        """Reads the topic from its beginning to its end.

        Raises OperatorError (no such topic, another secret, a newer release), KafkaException, sqlite3.Error.
        """
        self._require_topic()
        self._reset()
        self._consumer.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])
        try:
            self._follow(lambda at_end: at_end)
        except TopicReplaced:
            raise OperatorError(
                f"topic {self._topic} has status records of two denylists: let refresh fill a new denylist.topic"
            ) from None
        if self._spool.any_entry() and not self.statuses:
            raise OperatorError(
                f"topic {self._topic} has entries, but no status record that is ours: check who may write to it, "
                "then let refresh fill a new denylist.topic"
            )
        for name, status in self.statuses.items():
            ledger = self.ledger(name)
            if ledger.counts != {s: n for s, n in status.counts.items() if n} or status.checksum != ledger.checksum(
                self._keys, status.policy
            ):
                self.suspect.add(name)
                _log.error("denylist-contradicts-itself", feed=name, doing="pulls the feed anew and mends the topic")

    def follow(self, until: int | None = None) -> None:
        """Reads on: beyond the offset `until` if given, otherwise what is there already.

        Raises TopicReplaced beside what load raises.
        """
        if until is None:
            self._take(self._consume(0.0))
        else:
            self._follow(lambda _: self._next > until)

    def ledger(self, feed: str) -> Ledger:
        """The figures of a feed's entries in force."""
        ledger = self._ledgers.get(feed)
        if ledger is None:
            sealer = _native.Sealer(self._keys, self.denylist_id, feed, own("denylist-entry").id)
            ledger = Ledger(sealer)
            for number, (key, value) in enumerate(self._spool.in_force(self._keys.feed_tag(feed))):
                ledger.add(key, value)
                if number % _BATCH == 0:
                    self._beat()
            self._ledgers[feed] = ledger
        return ledger

    def settle(self, feed: str, ledger: Ledger) -> None:
        """Takes the figures of a part that was written and read back, instead of counting again."""
        self._ledgers[feed] = ledger

    def close(self) -> None:
        """Leaves the topic."""
        self._consumer.close()

    def _require_topic(self) -> None:
        found = self._consumer.list_topics(self._topic, timeout=10.0).topics[self._topic]
        if found.error is not None:
            raise failures.operator_error(found.error, self._topic) or KafkaException(found.error)
        if len(found.partitions) != 1:
            raise OperatorError(
                f"topic {self._topic} has {len(found.partitions)} partitions, and a denylist has one: recreate it with "
                "`crawlsieve topics --create`"
            )

    def _follow(self, enough: Callable[[bool], bool]) -> None:
        heard = time.monotonic()
        while True:
            messages = self._consume(0.1)
            self._beat()
            at_end = self._take(messages)
            if enough(at_end):
                return
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > _SILENCE_SECONDS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def _consume(self, timeout: float) -> list[Message]:
        messages: list[Message] = self._consumer.consume(_BATCH, timeout)
        return messages

    def _take(self, messages: list[Message]) -> bool:
        """Applies messages; returns whether the last of them says that the end is reached."""
        entries: dict[bytes, bytes | None] = {}
        newest: dict[bytes, bytes | None] = {}
        at_end = False
        for message in messages:
            if (error := message.error()) is not None:
                if error.code() in _ANOTHER_TOPIC:
                    raise TopicReplaced
                if error.code() != KafkaError._PARTITION_EOF:
                    raise failures.operator_error(error, self._topic) or KafkaException(error)
                at_end = True
                continue
            at_end = False
            key, offset = message.key() or b"", message.offset() or 0
            self._next = offset + 1
            if key.startswith(ENTRY_PREFIX) and len(key) == _ENTRY_KEY_BYTES:
                entries[key] = message.value()
            elif key.startswith(KEY_PREFIX):
                newest[key] = message.value()
            else:
                _log.error("denylist-record-unknown", offset=offset, advice="check who may write to the topic")
        for tag in self._spool.apply(entries) if entries else ():
            self._ledgers.pop(self._feeds.get(tag, ""), None)
        for key, value in newest.items():
            self._take_status(key, value)
        return at_end

    def _take_status(self, key: bytes, value: bytes | None) -> None:
        try:
            feed = statuses.feed_of(key)
            if value is None:
                if self.statuses.pop(feed, None) is not None:
                    _log.error("status-deleted", feed=feed, doing="pulls the feed anew", advice="check who may write")
                return
            status = statuses.decode(self._keys, key, value)
        except ForeignKey as fault:
            raise OperatorError(
                f"topic {self._topic} is a denylist under another secret ({fault}): give this process the old secret, "
                "or, to rotate it, name a new topic in denylist.topic, let refresh fill it under the new secret, and "
                "move the screeners to both when it is complete"
            ) from None
        except StatusRefused as fault:
            _log.error("status-refused", fault=str(fault), doing="pulls the feed anew", advice="check who may write")
            self.suspect.add(feed)
            return
        try:
            _ = status.parsed_policy
            newer = status.canonical_form > _native.CANONICAL_FORM
        except PolicyUnreadable:
            newer = True
        if newer:
            raise OperatorError(f"feed {feed} was written by a newer release: run that release here as well")
        if self.statuses and status.denylist_id != self.denylist_id:
            raise TopicReplaced
        self.denylist_id = status.denylist_id
        self.statuses[feed] = status
        self._feeds[self._keys.feed_tag(feed)] = feed
