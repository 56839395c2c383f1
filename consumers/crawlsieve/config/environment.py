"""Settings from the environment, which win over the file.

`CRAWLSIEVE_SCREEN_MAX_BATCH` is screen.max_batch. Where names are the user's own, two underscores part them:
`CRAWLSIEVE_FEEDS__OURS__SOURCE`, `CRAWLSIEVE_KAFKA__BOOTSTRAP_SERVERS`. Tables and lists are written as TOML values.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin

from pydantic import BaseModel

from crawlsieve.config.events import EventsSettings
from crawlsieve.config.feeds import FeedSettings
from crawlsieve.config.mistakes import Mistake
from crawlsieve.config.sections import DenylistSettings, LogSettings, RefreshSettings, ScreenSettings

PREFIX = "CRAWLSIEVE_"
SECRET = "CRAWLSIEVE_DENYLIST_SECRET"  # noqa: S105  the name of a variable
CONFIG = "CRAWLSIEVE_CONFIG"
# Read elsewhere: the secret, the file's path, and the state that crash tests watch (screen/transaction.py).
_NOT_SETTINGS = (SECRET, CONFIG, "CRAWLSIEVE_STATE_FILE")

# Kubernetes puts these into every container for a service whose name begins with `crawlsieve`.
_SERVICE_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")

FIXED: dict[str, type[BaseModel]] = {
    "events": EventsSettings,
    "denylist": DenylistSettings,
    "screen": ScreenSettings,
    "refresh": RefreshSettings,
    "log": LogSettings,
}
"""The sections whose keys are all ours."""

_PASSED_ON: dict[str, tuple[str, ...]] = {
    "CRAWLSIEVE_KAFKA__": ("kafka",),
    "CRAWLSIEVE_KAFKA_CONSUMER__": ("kafka", "consumer"),
    "CRAWLSIEVE_KAFKA_PRODUCER__": ("kafka", "producer"),
    "CRAWLSIEVE_SCHEMA_REGISTRY__": ("schema_registry",),
}
_FEEDS = "CRAWLSIEVE_FEEDS__"


@dataclass
class Overlay:
    """The file's tree with the environment over it."""

    tree: dict[str, Any]
    mistakes: list[Mistake] = field(default_factory=list)
    origin: dict[tuple[str, ...], str] = field(default_factory=dict)
    """The variable that a key comes from."""


def variable(*place: str) -> str:
    """The variable of a setting of a section whose keys are ours."""
    return PREFIX + "_".join(place).upper()


def settings() -> dict[str, tuple[str, ...]]:
    """Every variable with a fixed name, and the place of its setting."""
    found = {variable(section, key): (section, key) for section, model in FIXED.items() for key in model.model_fields}
    return {**found, variable("schema_registry", "url"): ("schema_registry", "url")}


def overlay(tree: Mapping[str, Any], environ: Mapping[str, str]) -> Overlay:
    """Lays the environment over the file. Empty variables count as unset."""
    result = Overlay({key: _copied(value) for key, value in tree.items()})
    fixed = settings()
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or not value or name in _NOT_SETTINGS or _SERVICE_LINK.fullmatch(name):
            continue
        place = fixed.get(name) or _passed_on(name) or _feed(name, result.tree)
        if place is None:
            near = difflib.get_close_matches(name, (*fixed, *_NOT_SETTINGS[:2]), 1)
            hint = f"; did you mean {near[0]}?" if near else "; docs/configuration.md lists the known ones"
            result.mistakes.append(Mistake(name, f"unknown setting in the environment{hint}"))
            continue
        _put(result, name, place, value)
    return result


def _copied(value: object) -> object:
    return {key: _copied(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def _passed_on(name: str) -> tuple[str, ...] | None:
    for beginning, place in _PASSED_ON.items():
        if name.startswith(beginning) and len(name) > len(beginning):
            return (*place, name.removeprefix(beginning).lower().replace("_", "."))
    return None


def _feed(name: str, tree: Mapping[str, Any]) -> tuple[str, ...] | None:
    feed, between, key = name.removeprefix(_FEEDS).rpartition("__")
    if not name.startswith(_FEEDS) or not between or not feed or key.lower() not in FeedSettings.model_fields:
        return None
    feeds = tree.get("feeds")
    known = feeds if isinstance(feeds, dict) else {}
    for written in known:
        if re.sub(r"[.-]", "_", written).upper() == feed:
            return ("feeds", written, key.lower())
    return ("feeds", feed.lower().replace("_", "-"), key.lower())


def _put(result: Overlay, name: str, place: tuple[str, ...], text: str) -> None:
    table = result.tree
    for part in place[:-1]:
        below = table.setdefault(part, {})
        if not isinstance(below, dict):
            return  # the file's mistake is reported as such
        table = below
    value: object = text
    if _structured(place):
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            result.mistakes.append(Mistake(name, "write a TOML value, a table or a list in one line"))
            return
    table.pop(place[-1], None)  # so that it comes last, and wins over the same key written as nested tables
    table[place[-1]] = value
    result.origin[place] = name


def _structured(place: tuple[str, ...]) -> bool:
    model = FeedSettings if place[0] == "feeds" else FIXED.get(place[0])
    if model is None:
        return False
    return get_origin(model.model_fields[place[-1]].annotation) in (dict, tuple)
