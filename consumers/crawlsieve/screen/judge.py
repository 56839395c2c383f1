"""A batch of values and one snapshot in, verdicts out; or a hold, when the verdicts could not be vouched for."""

import time
from collections import deque
from collections.abc import Sequence

import structlog

from crawlsieve import _native
from crawlsieve.config import Config
from crawlsieve.denylist.replica import View
from crawlsieve.events.schemas import RegistryAway, SchemaSource, UnknownSchema

_log = structlog.get_logger("crawlsieve.screen")

# A writer may publish before its schema has reached every replica of the registry.
UNKNOWN_SCHEMA_GRACE = 60.0
# The longest that graces together may stop the stream, within ten times as long: made-up ids must not stall it.
_GRACE_BUDGET = 60.0
# Asking for the schemas of one batch takes no longer than this before the loop comes round again.
_ASKING_SECONDS = 2.0
# An id that was found unknown or unusable is asked for again after this long, for it may have been registered since.
_REJECTED_FOR = 60.0
# max_dead_share is a share of this many events.
DEAD_WINDOW = 10_000


class Held(Exception):
    """No verdict can be vouched for now. The batch is to be read again once the cause may be gone."""

    def __init__(self, cause: str, detail: str, retry_after: float) -> None:
        """cause: of telemetry.holds. detail: safe for logs. retry_after: seconds."""
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail
        self.retry_after = retry_after


class Judge:
    """Screens batches. Keeps what is known of writer schemas, and how many of the last events were dead."""

    def __init__(self, config: Config, source: SchemaSource) -> None:
        events = config.events
        self._reader = _native.Reader(id_path=events.id, fields=events.reader_fields(), unchecked=events.unchecked)
        self._source = source
        self._rejected: dict[int, float] = {}
        self._first_seen: dict[int, float] = {}
        self._graces: deque[tuple[float, float]] = deque()
        # Nobody registers a schema in a folder within a minute; a registry may be a moment behind its writers.
        self._grace = UNKNOWN_SCHEMA_GRACE if config.schema_registry else 0.0
        self._max_dead = config.screen.max_dead_share * DEAD_WINDOW
        self._recent: deque[tuple[int, int]] = deque()

    def screen(self, values: Sequence[bytes | None], view: View) -> _native.Screened:
        """Verdicts for a batch. Raises Held."""
        self._learn_schemas(values)
        screened = view.snapshot.screen(self._reader, values)
        self._check_dead_share(len(values), len(screened.dead))
        return screened

    def settled(self, events: int, dead: int) -> None:
        """Counts a committed batch into the window of the dead share."""
        self._recent.append((events, dead))
        total = sum(n for n, _ in self._recent)
        while self._recent and total - self._recent[0][0] >= DEAD_WINDOW:
            total -= self._recent.popleft()[0]

    def _check_dead_share(self, events: int, dead: int) -> None:
        """Raises Held if this batch would make too many of the last DEAD_WINDOW events dead."""
        if not dead:
            return
        seen, found = events, dead
        for n, d in reversed(self._recent):
            if seen >= DEAD_WINDOW:
                break
            seen, found = seen + n, found + d
        limit = self._max_dead * max(seen, DEAD_WINDOW) / DEAD_WINDOW
        if found > limit:
            detail = (
                f"{found} of the last {seen} events are dead letters; compare [events] with what the crawlers write"
            )
            raise Held("too-many-dead", detail, retry_after=5.0)

    def _learn_schemas(self, values: Sequence[bytes | None]) -> None:
        now = time.monotonic()
        for schema_id in [i for i, since in self._rejected.items() if now - since > _REJECTED_FOR]:
            del self._rejected[schema_id]
            self._reader.forget_schema(schema_id)
        waiting = []
        for schema_id in self._reader.missing(values):
            if time.monotonic() - now > _ASKING_SECONDS:
                raise Held("registry-away", "many new schema ids, or a slow Schema Registry", retry_after=0.1)
            if not self._learn(schema_id, now):
                waiting.append(schema_id)
        if waiting:
            detail = f"schema id {waiting[0]} is not known to the registry yet ({len(waiting)} such ids)"
            self._graces.append((now, time.monotonic() - now + 1.0))
            raise Held("registry-away", detail, retry_after=1.0)

    def _learn(self, schema_id: int, now: float) -> bool:
        """Adds or rejects a schema. False: it is unknown, and its grace is not over. Raises Held."""
        try:
            schema = self._source.fetch(schema_id)
            self._reader.add_schema(schema_id, schema.text, schema.references)
        except RegistryAway as away:
            raise Held("registry-away", str(away), retry_after=1.0) from away
        except UnknownSchema:
            since = self._first_seen.setdefault(schema_id, now)
            if now - since < self._grace and self._grace_left(now):
                return False
            self._reject(schema_id, "unknown-schema", now)
            _log.warning("schema-unknown", schema_id=schema_id, action="events of this id go to the dead letters")
        except _native.SchemaUnusable as unusable:
            self._reject(schema_id, "schema-unusable", now)
            _log.warning(
                "schema-unusable",
                schema_id=schema_id,
                fault=str(unusable),
                action="events of this id go to the dead letters; correct [events] or the schema",
            )
        self._first_seen.pop(schema_id, None)
        return True

    def _reject(self, schema_id: int, reason: str, now: float) -> None:
        self._reader.reject_schema(schema_id, reason)
        self._rejected[schema_id] = now

    def _grace_left(self, now: float) -> bool:
        while self._graces and now - self._graces[0][0] > 10 * _GRACE_BUDGET:
            self._graces.popleft()
        return sum(seconds for _, seconds in self._graces) < _GRACE_BUDGET
