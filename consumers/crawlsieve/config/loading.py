"""Reads the configuration: the file, the environment over it, every check, and all mistakes at once."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from crawlsieve.config import environment
from crawlsieve.config.environment import Overlay
from crawlsieve.config.feeds import FeedSettings
from crawlsieve.config.mistakes import Mistake, dotted, explain
from crawlsieve.config.model import Config
from crawlsieve.config.sections import ScreenSettings
from crawlsieve.errors import ConfigError

_TOPICS = (
    ("events", "topic"),
    ("denylist", "topic"),
    ("screen", "clean"),
    ("screen", "quarantine"),
    ("screen", "dead_letter"),
    ("screen", "receipts"),
)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration. path: None for none but the environment. Raises ConfigError with every mistake."""
    laid = environment.overlay(_read(path) if path else {}, environ)
    config, mistakes = _check(laid)
    mistakes += laid.mistakes
    if config is None or mistakes:
        where = str(path) if path else "the configuration"
        count = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "1 mistake"
        lines = "".join(f"\n  {_with_origin(mistake, laid)}" for mistake in mistakes)
        raise ConfigError(f"{where} has {count}:{lines}")
    if secret := environ.get(environment.SECRET):
        return config.model_copy(update={"denylist": config.denylist.with_secret(secret)})
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except OSError as fault:
        raise ConfigError(f"{path} can't be read ({fault.strerror}): name the file with --config") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8: save it as such") from None
    except tomllib.TOMLDecodeError as fault:
        # Only the place: the parser's words can hold a piece of the line, and the line a password.
        place = re.search(r"line \d+, column \d+|end of document", str(fault))
        raise ConfigError(f"{path} is not TOML: look at {place[0] if place else 'its syntax'}") from None


def _check(laid: Overlay) -> tuple[Config | None, list[Mistake]]:
    tree = {"kafka": {}, **laid.tree}
    across = _across(tree)
    try:
        return Config.model_validate(tree), across
    except ValidationError as fault:
        error = fault
    mistakes = list(explain(error, Config))
    # A section with a wrong value has not been checked as a whole: once more, without what is known to be wrong.
    wrong = {tuple(map(str, e["loc"])) for e in error.errors(include_url=False, include_context=False)}
    models: tuple[tuple[str, type[BaseModel]], ...] = (("screen", ScreenSettings), ("feeds", FeedSettings))
    for section, model in models:
        tables = tree.get(section)
        if not isinstance(tables, dict):
            continue
        for place, table in _tables(section, tables):
            mistakes += _again(place, table, model, wrong)
    known = {mistake.key for mistake in mistakes}
    return None, mistakes + [mistake for mistake in across if mistake.key not in known]


def _tables(section: str, tables: dict[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    return [((section, name), t) for name, t in tables.items()] if section == "feeds" else [((section,), tables)]


def _again(place: tuple[str, ...], table: object, model: type[BaseModel], wrong: set[tuple[str, ...]]) -> list[Mistake]:
    dropped = {loc[len(place)] for loc in wrong if loc[: len(place)] == place and len(loc) > len(place)}
    if not dropped or not isinstance(table, dict):
        return []
    rest = {key: value for key, value in table.items() if key not in dropped}
    if model is FeedSettings and "source" in dropped:
        rest["source"] = "-"
    try:
        model.model_validate(rest)
    except ValidationError as error:
        found = list(explain(error, Config, place))
        # What a dropped key would have decided is not known.
        unknown = re.compile("|".join(rf"\b{re.escape(key)}\b" for key in dropped))
        return [mistake for mistake in found if not unknown.search(str(mistake))]
    return []


def _across(tree: Mapping[str, Any]) -> list[Mistake]:
    """What no section can see by itself. Looks at the tree, so that it finds this beside other mistakes."""
    mistakes = []
    names: dict[object, str] = {}
    for section, key in _TOPICS:
        table = tree.get(section, {})
        default = _default(section, key)
        name = table.get(key, default) if isinstance(table, dict) else default
        if not isinstance(name, str):
            continue
        if name in names:
            mistakes.append(Mistake(f"{section}.{key}", f"is the same topic as {names[name]}; give each its own"))
        names.setdefault(name, f"{section}.{key}")
    screen, refresh = (_group(tree, section) for section in ("screen", "refresh"))
    if screen == refresh:
        mistakes.append(Mistake("refresh.group", "is the same group as screen.group; give each its own"))
    return mistakes + _overruling(tree.get("feeds", {}))


def _default(section: str, key: str) -> object:
    return environment.FIXED[section].model_fields[key].default


def _group(tree: Mapping[str, Any], section: str) -> object:
    table = tree.get(section, {})
    return table.get("group", _default(section, "group")) if isinstance(table, dict) else _default(section, "group")


def _overruling(feeds: object) -> list[Mistake]:
    if not isinstance(feeds, dict):
        return []
    allowing = sorted(n for n, f in feeds.items() if isinstance(f, dict) and f.get("action") == "allow")
    choice = f"name an allow feed: {', '.join(allowing)}" if allowing else "there is no feed with action allow"
    mistakes = []
    for name, feed in feeds.items():
        over = feed.get("overruled_by", ()) if isinstance(feed, dict) else ()
        for other in over if isinstance(over, list) else ():
            if not isinstance(other, str) or other in allowing:
                continue
            what = "does not allow" if other in feeds else "does not exist"
            mistakes.append(Mistake(dotted(("feeds", name, "overruled_by")), f'feed "{other}" {what}; {choice}'))
    return mistakes


def _with_origin(mistake: Mistake, laid: Overlay) -> str:
    for place, name in laid.origin.items():
        key = dotted(place)
        if mistake.key == key or mistake.key.startswith(f"{key}."):
            return f"{mistake} (from {name})"
    return str(mistake)
