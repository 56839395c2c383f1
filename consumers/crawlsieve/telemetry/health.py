"""Whether this process is alive, and whether it does its work: the state behind /live and /ready."""

import threading
import time
from collections.abc import Callable

import structlog

from crawlsieve.telemetry.holds import HOLDS
from crawlsieve.telemetry.metrics import HOLD

_log = structlog.get_logger("crawlsieve.health")

ALIVE_SECONDS = 60.0
"""A loop that has not come round for so long hangs."""


class Health:
    """The causes for which this process holds, and its loop's heartbeat. All methods may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds; does not go back."""
        self._clock = clock
        self._lock = threading.Lock()
        self._causes: dict[str, str] = {}
        self._started = False
        self._beat = clock()
        for cause in HOLDS:
            HOLD.set(0, cause=cause)

    def heartbeat(self) -> None:
        """The loop has come round. It does so on hold as well, and while Kafka is away."""
        self._beat = self._clock()
        self._started = True

    def hold(self, cause: str, detail: str) -> None:
        """Not ready from now on, for a cause of telemetry.holds. detail: safe for logs. Raises KeyError."""
        row = HOLDS[cause]
        with self._lock:
            if self._causes.get(cause) == detail:
                return
            self._causes[cause] = detail
            HOLD.set(1, cause=cause)
        _log.warning("hold", cause=cause, detail=detail, meaning=row.meaning, doing=row.doing, advice=row.advice)

    def release(self, cause: str) -> None:
        """The cause is gone. Does nothing if it was not there."""
        with self._lock:
            if self._causes.pop(cause, None) is None:
                return
            HOLD.set(0, cause=cause)
            left = sorted(self._causes)
        _log.info("hold-over", cause=cause, doing=f"still holds for {', '.join(left)}" if left else "goes on")

    def causes(self) -> dict[str, str]:
        """Cause and detail of every hold that is on."""
        with self._lock:
            return dict(self._causes)

    def ready(self) -> bool:
        """Whether the work is being done: the loop runs, and nothing holds it."""
        return self._started and not self._causes

    def live(self) -> bool:
        """False only if the loop hangs, so that starting the process anew would help. Kafka and lists don't matter."""
        return self._clock() - self._beat < ALIVE_SECONDS
