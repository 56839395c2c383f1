"""The sections that are not a client library's, an event's or a feed's."""

import base64
import binascii
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, PrivateAttr, SecretStr, StringConstraints, field_validator, model_validator

from crawlsieve.config.durations import Duration, written
from crawlsieve.config.mistakes import Several
from crawlsieve.config.section import Address, Section, Topic
from crawlsieve.errors import OperatorError

_SECRET_BYTES = 32
_ZERO = timedelta()

Gap = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,249}/\d{1,9}@\d{1,19}\z")]


class DenylistSettings(Section):
    """The topic of the lists, and the secret that keys them."""

    topic: Topic = "denylist"
    """Where the lists are; compacted, one partition."""
    secret_file: Path | None = None
    """At least 32 bytes, the same for refresh and screen; `crawlsieve new-secret` makes one."""

    _given: SecretStr | None = PrivateAttr(None)

    def with_secret(self, text: str) -> "DenylistSettings":
        """The same with a secret from the environment, which wins over the file."""
        settings = self.model_copy()
        settings._given = SecretStr(text)
        return settings

    def secret(self) -> bytes:
        """At least 32 bytes. Raises OperatorError."""
        if self._given is not None:
            where, held = "CRAWLSIEVE_DENYLIST_SECRET", self._given.get_secret_value().encode()
        elif self.secret_file is not None:
            where = f"denylist.secret_file {self.secret_file}"
            try:
                held = self.secret_file.read_bytes()
            except OSError as fault:
                raise OperatorError(
                    f"{where} can't be read ({fault.strerror}): "
                    "make one with `crawlsieve new-secret --output FILE`, or mend its rights"
                ) from None
        else:
            raise OperatorError(
                "there is no secret for the denylist: set denylist.secret_file; `crawlsieve new-secret` makes one"
            )
        found = _decoded(held)
        if len(found) < _SECRET_BYTES:
            raise OperatorError(
                f"{where} holds {len(found)} bytes where {_SECRET_BYTES} are the least: use `crawlsieve new-secret`"
            )
        return found


def _decoded(held: bytes) -> bytes:
    """base64 if it is base64 of enough bytes; else as it is, without the line end that editors leave behind text."""
    text = held.strip()
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) >= _SECRET_BYTES:
        return decoded
    return text if all(0x20 <= byte < 0x7F for byte in text) else held


class AcceptStale(Section):
    """One feed whose age does not hold screeners, for a limited time. Stands in every receipt."""

    feed: str
    """The feed's name."""
    until: AwareDatetime
    """When the exception ends, with its time zone."""


class ScreenSettings(Section):
    """The screener."""

    group: str = Field("crawlsieve", min_length=1)
    """Consumer group; screeners with the same one share the partitions."""
    clean: Topic = "crawl.clean"
    """Events that no list knows."""
    quarantine: Topic = "crawl.quarantine"
    """What was listed, by which feed; no payload."""
    dead_letter: Topic = "crawl.dead-letter"
    """Events that can't be vouched for, as they came: for few eyes."""
    receipts: Topic = "crawl.receipts"
    """One record a transaction; kept for ever."""
    max_batch: int = Field(10_000, ge=1, le=1_000_000)
    """The most events in one transaction."""
    max_delay: Duration = timedelta(milliseconds=50)
    """The longest wait for a batch to fill."""
    max_dead_share: float = Field(0.5, gt=0, le=1)
    """Of the last 10,000 events: with more of them dead, it holds."""
    listen: Address = "0.0.0.0:9464"
    """Where /metrics, /live and /ready are served."""
    transaction_timeout: Duration = timedelta(seconds=10)
    """transaction.timeout.ms; shorter than session_timeout."""
    session_timeout: Duration = timedelta(seconds=30)
    """session.timeout.ms: how long a silent screener keeps its partitions."""
    accept_stale: tuple[AcceptStale, ...] = ()
    """Feeds that may be too old for a while: [{ feed = "NAME", until = 2030-01-31T12:00:00Z }]."""
    pass_gaps: tuple[Gap, ...] = ()
    """Gaps that an operator passes, in the words of the log line: TOPIC/PARTITION@OFFSET."""

    @field_validator("max_delay", "transaction_timeout", "session_timeout")
    @classmethod
    def _above_zero(cls, length: timedelta) -> timedelta:
        if length <= _ZERO:
            raise ValueError("write a length of time above zero")
        return length

    @field_validator("session_timeout")
    @classmethod
    def _within_limits(cls, length: timedelta) -> timedelta:
        if length > timedelta(hours=1):
            raise ValueError("write a length of time of at most 1h")
        return length

    @model_validator(mode="after")
    def _order(self) -> "ScreenSettings":
        mistakes = []
        if self.transaction_timeout >= self.session_timeout:
            mistakes.append(
                f"transaction_timeout: is {written(self.transaction_timeout)}; write less than session_timeout "
                f"({written(self.session_timeout)}), so that a transaction ends before its partitions move on"
            )
        if self.max_delay >= self.session_timeout:
            mistakes.append(f"max_delay: is {written(self.max_delay)}; write less than session_timeout")
        if mistakes:
            raise Several(mistakes)
        return self


class RefreshSettings(Section):
    """The refresher."""

    group: str = Field("crawlsieve-refresh", min_length=1)
    """Consumer group by which refreshers elect the one that leads."""
    listen: Address = "0.0.0.0:9465"
    """Where /metrics, /live and /ready are served."""
    spool_dir: Path | None = None
    """Room on disk for one pull at a time; holds keyed values only. Default: a private temporary folder."""
    transaction_records: int = Field(200_000, ge=1, le=200_000)
    """The most records in one part."""
    transaction_time: Duration = timedelta(seconds=10)
    """The longest time for one part; at most 10s."""

    @field_validator("transaction_time")
    @classmethod
    def _within_limits(cls, length: timedelta) -> timedelta:
        if not _ZERO < length <= timedelta(seconds=10):
            raise ValueError("write a length of time of at most 10s")
        return length


class LogSettings(Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines to write."""
    format: Literal["auto", "json", "console"] = "auto"
    """json: one object a line; console: for people; auto: console on a terminal, json elsewhere."""
