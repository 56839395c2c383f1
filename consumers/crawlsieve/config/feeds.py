"""[feeds.NAME]: one partner's list."""

import difflib
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from crawlsieve.config.durations import Duration
from crawlsieve.config.events import SIGNALS, Signal, unknown_signal
from crawlsieve.config.mistakes import Several, dotted
from crawlsieve.config.section import Section

_NOT_SIGNALS = ("record_id", "category")
_FARTHEST = {"pdq": 31, "phash": 10, "dhash": 10, "ahash": 10, "whash": 10}

FeedName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}\z")]
"""A feed's name: it becomes a metric label and part of a record's key."""


class FeedSettings(Section):
    """One list of one partner. Only `refresh` reads it; the policy travels in the denylist."""

    kind: Literal["list"] = "list"
    """How the list is had."""
    source: str = Field(min_length=1, repr=False)
    """A path, or an http(s) address. Files may be compressed (gzip, zstd)."""
    format: Literal["text", "csv", "ndjson", "parquet"] = "text"
    """text: one value a line. The others need `columns`."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Signal = column, for csv, ndjson and parquet; `record_id` and `category` may be named as well."""
    signal: Signal = "url"
    """What the lines of a text list are."""
    match: Literal["exact", "page", "prefix", "host"] = "page"
    """How wide URL entries match."""
    max_distance: dict[str, int] = Field(default_factory=dict)
    """Bits by which perceptual values may differ. Default, and most: 31 for pdq, 10 for the others."""
    category: str = Field("listed", pattern=r"^[a-z0-9_-]{1,24}\z")
    """What entries without a category of their own are counted as."""
    every: Duration = timedelta(hours=1)
    """How often to pull."""
    max_age: Duration | None = None
    """Screeners hold when a required feed is older than this. Default: never."""
    required: bool = False
    """Whether screeners hold without this feed being complete and, with max_age, new enough."""
    max_shrink: float = Field(0.2, ge=0, le=1)
    """The share of its entries that a list may lose in one pull; a pull that loses more is refused."""
    canary: str | None = Field(None, min_length=1, repr=False)
    """The partner's test entry: it must be in the list, and must match."""
    overruled_by: tuple[str, ...] = ()
    """The allow feeds that may cancel its matches."""
    action: Literal["quarantine", "allow", "observe"] = "quarantine"
    """What a match does; observe only counts."""
    credentials_file: Path | None = None
    """A file with one line, `user:password` or `Bearer TOKEN`, for an http(s) source."""

    @field_validator("source")
    @classmethod
    def _no_user_in_url(cls, source: str) -> str:
        try:
            parts = urlsplit(source)
            named = not parts.netloc or bool(parts.hostname)
        except ValueError:
            raise ValueError("not a valid address: write a path, or http(s)://host/path") from None
        if parts.username is not None or parts.password is not None:
            raise ValueError("user and password belong in credentials_file, not in the address")
        if "://" in source and (parts.scheme not in ("http", "https", "file") or not named):
            raise ValueError("not an address that this release reads: write a path, or http(s)://host/path")
        return source

    @field_validator("columns", mode="before")
    @classmethod
    def _known_columns(cls, columns: object) -> object:
        if not isinstance(columns, dict):
            return columns
        mistakes = []
        for name in columns:
            if name in SIGNALS or name in _NOT_SIGNALS:
                continue
            near = difflib.get_close_matches(name, _NOT_SIGNALS, 1)
            hint = f"unknown; did you mean {near[0]}?" if near else unknown_signal(name)
            mistakes.append(f"{dotted((name,))}: {hint}")
        if mistakes:
            raise Several(mistakes)
        return columns

    @field_validator("max_distance", mode="after")
    @classmethod
    def _distances_in_range(cls, given: dict[str, int]) -> dict[str, int]:
        mistakes = []
        for signal, distance in given.items():
            if signal not in _FARTHEST:
                mistakes.append(f"{dotted((signal,))}: has no distance; write one of {', '.join(_FARTHEST)}")
            elif not 0 <= distance <= _FARTHEST[signal]:
                mistakes.append(f"{signal}: is {distance}; write 0 to {_FARTHEST[signal]}")
        if mistakes:
            raise Several(mistakes)
        return given

    @field_validator("every")
    @classmethod
    def _not_at_once(cls, every: timedelta) -> timedelta:
        if not every:
            raise ValueError("write a length of time above zero, such as 1h")
        return every

    @model_validator(mode="after")
    def _fits_together(self) -> "FeedSettings":
        mistakes = []
        given = self.model_fields_set
        listed = [name for name in self.columns if name in SIGNALS]
        if self.format == "text":
            if self.columns:
                mistakes.append("columns: a text list has none; leave it out, or set format")
            listed = [self.signal]
        else:
            if not listed:
                mistakes.append(f'columns: name the columns of a {self.format} list, such as {{ url = "URL" }}')
            if "signal" in given:
                mistakes.append("signal: is for text lists; name the signal in columns")
        if "match" in given and listed and "url" not in listed:
            mistakes.append("match: is for url entries, which neither columns nor signal names; leave it out")
        if self.action != "quarantine" and self.overruled_by:
            mistakes.append(f"overruled_by: is for feeds that quarantine, not for {self.action}; leave it out")
        if mistakes:
            raise Several(mistakes)
        farthest = {signal: most for signal, most in _FARTHEST.items() if signal in listed}
        # The model is frozen for its users; here it is still being made.
        self.__dict__["max_distance"] = {**farthest, **self.max_distance}
        return self
