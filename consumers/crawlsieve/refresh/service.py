"""`crawlsieve refresh`: joins the group of refreshers, and refreshes the feeds while it leads."""

import difflib
import sqlite3
import threading
from collections.abc import Mapping
from types import TracebackType

import structlog
from confluent_kafka import KafkaError, KafkaException

from crawlsieve import _native
from crawlsieve.config import Config
from crawlsieve.errors import OperatorError
from crawlsieve.kafka import failures
from crawlsieve.refresh import preview
from crawlsieve.refresh.checkpoint import CheckpointSeal
from crawlsieve.refresh.feed import Feed
from crawlsieve.refresh.fetch import connect
from crawlsieve.refresh.leader import Membership
from crawlsieve.refresh.parts import Limits
from crawlsieve.refresh.publisher import Fenced, PartLost, Publisher
from crawlsieve.refresh.pull import Patience
from crawlsieve.refresh.spool import Spool, spool_directory
from crawlsieve.refresh.term import Term, Tools
from crawlsieve.refresh.topic_state import TopicReplaced, TopicState
from crawlsieve.telemetry.health import Health

_log = structlog.get_logger("crawlsieve.refresh")

_IDLE_SECONDS = 0.2
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0


def run(
    config: Config,
    health: Health,
    stop: threading.Event,
    *,
    once: bool = False,
    only: str | None = None,
    dry_run: bool = False,
    patience: Patience | None = None,
) -> int:
    """Refreshes the configured feeds until `stop` is set. Returns the exit code.

    once: every feed, or `only` this one, a single time; 1 if any pull was refused. dry_run: writes nothing and prints
    what would change, in numbers. patience: with sources that are unavailable. Raises OperatorError.
    """
    configured = {name: Feed(name, settings) for name, settings in config.feeds.items()}
    feeds = _chosen(configured, only)
    secret = config.denylist.secret()
    keys = _native.Keys(secret)
    with spool_directory(config.refresh.spool_dir) as directory, connect() as client:
        tools = Tools(
            keys=keys,
            seal=CheckpointSeal(secret),
            spool=Spool(directory, health.heartbeat),
            client=client,
            limits=Limits(config.refresh.transaction_records, config.refresh.transaction_time),
            patience=patience or Patience(),
            stop=stop,
        )
        if dry_run:
            return preview.run(config, feeds, tools, health)
        with _Refresher(config, configured, feeds, tools, health, once=once) as refresher:
            return refresher.run(stop)


def _chosen(feeds: Mapping[str, Feed], only: str | None) -> Mapping[str, Feed]:
    if only is None:
        return feeds
    if only not in feeds:
        near = difflib.get_close_matches(only, feeds, 1)
        raise OperatorError(f"no feed of this name is configured{f': did you mean {near[0]}?' if near else ''}")
    return {only: feeds[only]}


class _Stopping(Exception):
    """The process is to end while the topic is being read."""


class _Refresher:
    """The loop. Membership, state and term are made when they are needed, and thrown away when they may be wrong."""

    def __init__(
        self,
        config: Config,
        configured: Mapping[str, Feed],
        feeds: Mapping[str, Feed],
        tools: Tools,
        health: Health,
        *,
        once: bool,
    ) -> None:
        self._config = config
        self._configured = configured
        self._feeds = feeds
        self._tools = tools
        self._health = health
        self._once = once
        self._membership: Membership | None = None
        self._state: TopicState | None = None
        self._term: Term | None = None
        self._failures = 0

    def __enter__(self) -> "_Refresher":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_term()
        self._leave()

    def run(self, stop: threading.Event) -> int:
        """Until stop is set, or, once, until every feed has ended its refresh."""
        while not stop.is_set():
            self._health.heartbeat()
            try:
                busy = self._turn()
            except Fenced as e:
                _log.warning("refresh-fenced", cause=str(e), doing="stands by and joins the group anew")
                self._end_term()
                self._leave()
            except _Stopping:
                break
            except TopicReplaced:
                _log.warning("denylist-replaced", doing="reads the topic anew and pulls the feeds that it lacks")
                self._end_term()
            except PartLost as e:
                _log.warning("part-lost", cause=e.cause, doing="reads what is in force and writes the part again")
                self._pause(stop)
            except KafkaException as e:
                self._health.hold("kafka-away", failures.describe(e))
                self._pause(stop)
            except (sqlite3.Error, OSError) as e:
                where = self._config.refresh.spool_dir or "the directory for temporary files"
                self._health.hold("disk", f"spool in {where}: {type(e).__name__}")
                self._pause(stop)
            else:
                self._failures = 0
                self._release()
                if self._once and self._term is not None and len(self._term.outcomes) == len(self._feeds) and not busy:
                    return 0 if all(self._term.outcomes.values()) else 1
        return 0

    def _turn(self) -> bool:
        """Polls the group, then does one thing if this process leads. Returns whether there is more to be done."""
        if self._membership is None:
            self._membership = Membership(self._config, self._on_error)
        idle = self._term is None or not self._term.busy
        self._membership.poll(_IDLE_SECONDS if idle else 0.0)
        if not self._membership.leads:
            self._end_term()
            return False
        if self._term is None:
            self._begin_term()
        if self._term is not None and not self._term.connected and self._membership.prove():
            self._term.connect(self._publisher)
        return self._term is not None and self._term.connected and self._term.step()

    def _begin_term(self) -> None:
        if self._state is None:
            tools = self._tools
            self._state = TopicState(self._config, tools.keys, tools.spool, self._beat, self._on_error)
        self._term = Term(self._feeds, self._configured, self._tools, self._state, once=self._once)

    def _end_term(self) -> None:
        if self._term is not None:
            self._term.close()
            self._term = None
        if self._state is not None:
            self._state.close()
            self._state = None

    def _leave(self) -> None:
        if self._membership is not None:
            self._membership.leave()
            self._membership = None

    def _publisher(self) -> Publisher:
        return Publisher(self._config, self._health.heartbeat, self._on_error)

    def _beat(self) -> None:
        """While the topic is read, which can take minutes and is never within a part."""
        self._health.heartbeat()
        if self._tools.stop.is_set():
            raise _Stopping
        if self._membership is not None:
            self._membership.poll(0.0)

    def _pause(self, stop: threading.Event) -> None:
        """Waits longer after each failure in a row; then producer and state are made anew."""
        if self._term is not None:
            self._term.disconnect()
        wait = min(_FIRST_WAIT_SECONDS * 2 ** min(self._failures, 10), _LONGEST_WAIT_SECONDS)
        self._failures += 1
        stop.wait(wait)

    def _on_error(self, error: KafkaError) -> None:
        """librdkafka's own notices. It connects again by itself."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._health.hold("kafka-away", failures.describe(error))

    def _release(self) -> None:
        """A turn has passed without an error: but without traffic, only an answer shows that Kafka is back."""
        causes = self._health.causes()
        if "disk" in causes:
            self._health.release("disk")
        if "kafka-away" in causes and self._membership is not None and self._membership.answered():
            self._health.release("kafka-away")
