"""[events]: where the events are, and which of their fields hold what."""

import difflib
import hashlib
import json
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from crawlsieve.config.mistakes import Several, dotted
from crawlsieve.config.section import Section, Topic

ExactSignal = Literal["url", "md5", "sha1", "sha256", "sha512", "url_md5", "url_sha1", "url_sha256"]
PerceptualSignal = Literal["pdq", "phash", "dhash", "ahash", "whash"]
Signal = Literal[ExactSignal, PerceptualSignal]
SIGNALS: tuple[str, ...] = (*get_args(ExactSignal), *get_args(PerceptualSignal))
"""Every kind of value that can be checked."""

_OPTIONS = ("signal", "encoding", "optional", "invalid")


class SignalField(Section):
    """One mapped field of an event."""

    signal: Signal
    """What the field holds."""
    encoding: Literal["auto", "hex", "base64", "bytes"] = "auto"
    """How a digest is written; auto tells by type and length."""
    optional: bool = False
    """Whether a writer schema may lack the field. Otherwise its events are dead, so that a renamed field is noticed."""
    invalid: Literal["dead", "skip"] = "dead"
    """What a value that can't be read makes of its event: dead, or judged by its other values."""


class EventsSettings(Section):
    """The topic of events, and the mapping of their fields to signals."""

    topic: Topic = "crawl.events"
    """Where crawlers publish."""
    id: str = Field("id", min_length=1)
    """The field that names an event; dots reach into records."""
    signals: dict[str, SignalField] = Field(
        default_factory=lambda: {
            "url": SignalField(signal="url"),
            "image_md5": SignalField(signal="md5", optional=True),
            "image_sha256": SignalField(signal="sha256", optional=True),
            "hashes.pdq": SignalField(signal="pdq", optional=True),
        },
        min_length=1,
    )
    """Field = signal, or field = { signal, encoding, optional, invalid }. The default fits the bundled event schema."""
    unchecked: Literal["dead", "clean"] = "dead"
    """What an event without one value to check is."""
    schemas_dir: Path | None = None
    """A folder of `<id>-<name>.avsc` files, used without a Schema Registry. Default: the schemas that come with us."""

    @field_validator("signals", mode="before")
    @classmethod
    def _paths(cls, table: object) -> object:
        if not isinstance(table, dict):
            raise ValueError('write a table of field = signal, such as url = "url"')  # noqa: TRY004  pydantic's way
        found: dict[str, object] = {}
        mistakes = list(_flatten(table, "", found))
        if mistakes:
            raise Several(mistakes)
        return found

    @model_validator(mode="after")
    def _id_is_no_signal(self) -> "EventsSettings":
        if self.id in self.signals:
            raise Several([f"id: is {self.id}, a checked field, and would stand in quarantine records; name another"])
        return self

    def reader_fields(self) -> list[tuple[str, str, str, bool, str]]:
        """(path, signal, encoding, optional, invalid) of each mapped field, as the native reader wants them."""
        return [(path, f.signal, f.encoding, f.optional, f.invalid) for path, f in self.signals.items()]

    def digest(self) -> str:
        """SHA-256 of what decides which values of an event are checked, in hex: for receipts."""
        mapping = [self.id, sorted(self.reader_fields()), self.unchecked]
        return hashlib.sha256(json.dumps(mapping, separators=(",", ":")).encode()).hexdigest()


def _flatten(table: dict[str, object], above: str, found: dict[str, object]) -> list[str]:
    """Nested tables as dotted paths, into found. Returns mistakes."""
    mistakes = []
    for key, value in table.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and not _is_field(value):
            if not value:
                mistakes.append(f"{dotted((path,))}: write the field's signal: one of {', '.join(SIGNALS)}")
            mistakes += _flatten(value, f"{path}.", found)
        elif path in found:
            mistakes.append(f"{dotted((path,))}: is mapped twice; keep one")
        else:
            found[path] = {"signal": value} if isinstance(value, str) else value
    return mistakes


def _is_field(table: dict[str, object]) -> bool:
    """Whether a table is a field's options, perhaps misspelt, and not a record with fields of its own."""
    plain = [key for key, value in table.items() if not isinstance(value, dict)]
    return any(difflib.get_close_matches(key, _OPTIONS, 1, 0.75) for key in plain)


def unknown_signal(name: str) -> str:
    """What to say of a signal that is none."""
    near = difflib.get_close_matches(name.lower(), SIGNALS, 1, 0.5)
    return "unknown signal; " + (f"did you mean {near[0]}?" if near else f"write one of {', '.join(SIGNALS)}")
