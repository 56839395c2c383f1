"""The replica: a thread that loads the whole denylist, follows its topic for ever, and publishes views of it."""

import threading
import time
from collections.abc import Collection, Iterator
from datetime import datetime
from enum import Enum

import structlog

from crawlsieve import _native
from crawlsieve.config import Config
from crawlsieve.denylist import freshness
from crawlsieve.denylist import status as statuses
from crawlsieve.denylist.assembly import NO_DENYLIST, Assembly, Record, View
from crawlsieve.denylist.distrust import LOADING, Distrust, Unreachable, distrust_of
from crawlsieve.denylist.follower import Batch, Follower
from crawlsieve.denylist.gauges import Gauges
from crawlsieve.denylist.topic_watch import TopicWatch
from crawlsieve.errors import OperatorError
from crawlsieve.telemetry.health import Health

__all__ = ["Phase", "Replica", "View"]

_log = structlog.get_logger("crawlsieve.denylist")

# Seconds before a topic that is not there, or does not answer, is asked for again.
_ASK_AGAIN = 2.0
# Seconds before a denylist that could not be believed is loaded anew: doubled each time, up to the longest.
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 300.0


class Phase(Enum):
    """What the replica's thread is doing."""

    LOADING = "loading"
    LIVE = "live"
    WAITING = "waiting"
    STOPPED = "stopped"


_MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.LOADING: frozenset({Phase.LIVE, Phase.WAITING, Phase.STOPPED}),
    # Loading again at once: the first feed, or a fault that may be gone from the log as a whole.
    Phase.LIVE: frozenset({Phase.LOADING, Phase.WAITING, Phase.STOPPED}),
    Phase.WAITING: frozenset({Phase.LOADING, Phase.STOPPED}),
    Phase.STOPPED: frozenset(),
}


class _FirstFeed(Exception):
    """The topic, empty so far, has its first status record: now it is known whose entries it holds."""


class _Backoff:
    """How long to wait before the next attempt, in seconds: doubled each time."""

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def wait(self) -> float:
        now, self._next = self._next, min(self._next * 2, self._longest)
        return now

    def reset(self) -> None:
        self._next = self._first


class Replica:
    """Keeps the newest view that can be vouched for. All methods may be called from any thread."""

    def __init__(
        self,
        config: Config,
        keys: _native.Keys,
        health: Health,
        *,
        waits: tuple[float, float] = (_FIRST_WAIT, _LONGEST_WAIT),
    ) -> None:
        """waits: the first and the longest wait in seconds before a denylist that can't be believed is loaded anew."""
        self._config = config
        self._keys = keys
        self._health = health
        self._backoff = _Backoff(*waits)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="denylist-replica", daemon=True)
        self._gauges = Gauges()
        self._watch: TopicWatch | None = None
        self._phase = Phase.LOADING
        self._current: View | None = None
        self._held: str | None = None
        self._failure: OperatorError | None = None
        self._news = threading.Event()

    @property
    def current(self) -> View | None:
        """The newest view, or None while a hold of this process is on. Never waits."""
        return self._current

    @property
    def phase(self) -> Phase:
        """What the replica is doing."""
        return self._phase

    @property
    def failure(self) -> OperatorError | None:
        """Why the denylist can't be read until an operator acts (rights, password); it is tried again meanwhile."""
        return self._failure

    def start(self) -> None:
        """Starts to load."""
        self._hold(LOADING, f"loading from topic {self._config.denylist.topic}")
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wait(self, timeout: float) -> bool:
        """Waits until the first view or the first hold beyond loading; False if neither came in `timeout` seconds.

        Raises OperatorError if the denylist can't be read until an operator acts.
        """
        met = self._news.wait(timeout)
        if self._failure is not None:
            raise self._failure
        return met

    def list_holds(self, now: datetime, accepted: Collection[str]) -> dict[str, str]:
        """Causes in the lists to hold for; see freshness.list_holds. None of them while there is no view."""
        view = self._current
        return freshness.list_holds(view, now, accepted) if view else {}

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = self._attempt()
            if self._stop.is_set():
                break
            if pause:
                self._move(Phase.WAITING)
                self._stop.wait(pause)
            if self._phase is not Phase.LOADING and not self._stop.is_set():
                self._move(Phase.LOADING)
        self._move(Phase.STOPPED)

    def _attempt(self) -> float:
        """Loads and follows until that ends; returns the seconds to wait before it is tried again."""
        try:
            self._watch = self._watch or TopicWatch(self._config)
            with Follower(self._config, self._watch, self._stop) as follower:
                self._failure = None
                assembly = self._identify(follower.newest_status())
                batches = follower.read()
                if self._load(assembly, batches):
                    self._follow(assembly, batches)
        except _FirstFeed:
            return 0.0
        except (Unreachable, OperatorError) as fault:
            self._failure = fault if isinstance(fault, OperatorError) else None
            self._withdraw(self._held or LOADING, str(fault))
            return _ASK_AGAIN
        except Distrust as fault:
            # A topic that was replaced can be read at once; a fault that a whole reading finds takes time to mend.
            pause = 0.0 if self._phase is Phase.LIVE else self._backoff.wait()
            self._withdraw(fault.cause, f"{fault.detail} (next attempt in {pause:.0f} s)")
            return pause
        except Exception as fault:  # else an old view would stay in force with nobody to follow the topic
            pause = self._backoff.wait()
            _log.error("denylist-fault", kind=type(fault).__name__, action=f"loading anew in {pause:.0f} s")
            self._withdraw(LOADING, f"unexpected {type(fault).__name__} (next attempt in {pause:.0f} s)")
            return pause
        return 0.0

    def _load(self, assembly: Assembly, batches: Iterator[Batch]) -> bool:
        """Publishes the denylist as of the log's end. False if told to stop. Raises Distrust and _FirstFeed."""
        for batch in batches:
            self._add(assembly, batch, live=False)
            if batch.at_end:
                assembly.judge()
                self._move(Phase.LIVE)
                self._backoff.reset()
                self._publish(assembly)
                return True
        return False

    def _follow(self, assembly: Assembly, batches: Iterator[Batch]) -> None:
        """Keeps the published denylist up to date until told to stop. Raises Distrust and _FirstFeed."""
        for batch in batches:
            if self._add(assembly, batch, live=True):
                self._publish(assembly)
            self._gauges.tick(self._current)

    def _add(self, assembly: Assembly, batch: Batch, *, live: bool) -> bool:
        if assembly.denylist_id != NO_DENYLIST:
            return assembly.add(batch.records, judged=live)
        if any(record.key.startswith(statuses.KEY_PREFIX) and record.value for record in batch.records):
            raise _FirstFeed
        return False

    def _identify(self, newest: Record | None) -> Assembly:
        """An empty assembly for the denylist whose status record this is. Raises Distrust."""
        if newest is None or newest.value is None:
            return Assembly(self._keys, NO_DENYLIST)
        try:
            return Assembly(self._keys, statuses.decode(self._keys, newest.key, newest.value).denylist_id)
        except statuses.StatusRefused as fault:
            raise distrust_of(fault, newest.offset) from None

    def _publish(self, assembly: Assembly) -> None:
        self._current = view = assembly.view(time.time())
        self._gauges.show(view)
        if self._held is not None:
            self._health.release(self._held)
            self._held = None
        self._news.set()

    def _withdraw(self, cause: str, detail: str) -> None:
        self._current = None
        self._hold(cause, detail)
        if cause != LOADING or self._failure is not None:
            self._news.set()

    def _hold(self, cause: str, detail: str) -> None:
        before, self._held = self._held, cause
        self._health.hold(cause, detail)
        if before not in (None, cause):
            self._health.release(before)  # after the other is on: at no time does the process look ready

    def _move(self, to: Phase) -> None:
        if to is not self._phase:
            assert to in _MOVES[self._phase], f"{self._phase} -> {to}"
            self._phase = to
            _log.info("denylist-phase", phase=to.value)
