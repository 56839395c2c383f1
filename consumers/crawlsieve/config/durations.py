"""Lengths of time as the configuration writes them: `50ms`, `10s`, `5m`, `6h`, `30d`."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_WRITTEN = re.compile(r"\s*(\d{1,9})\s*(ms|s|m|h|d)\s*", re.ASCII)
_EXAMPLES = "write a length of time such as 50ms, 10s, 5m, 6h or 30d"


def parse(text: object) -> timedelta:
    """The length of time. Raises ValueError with what would be right, not with the text."""
    if isinstance(text, timedelta):
        return text
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(_EXAMPLES)
    return int(found[1]) * _UNITS[found[2]]


def written(length: timedelta) -> str:
    """The shortest way to write it, in the largest unit that divides it."""
    for name in ("d", "h", "m", "s"):
        if length and not length % _UNITS[name]:
            return f"{length // _UNITS[name]}{name}"
    return f"{length // _UNITS['ms']}ms"


Duration = Annotated[timedelta, BeforeValidator(parse), PlainSerializer(written)]
"""A field of a settings model that is written so."""
