"""An exception without what it holds: types and places, never its text, arguments or local variables.

Texts of libraries' exceptions quote what they choked on, which here are URLs, fingerprints and passwords. Texts of our
own OperatorError are written for the log and are kept.
"""

import traceback
from typing import Any

from crawlsieve.errors import OperatorError

_MOST_CAUSES = 8


def outline(fault: BaseException) -> list[dict[str, Any]]:
    """The exception and what caused it, outermost first: `type`, `at` (innermost call last), our own `text`."""
    found: list[dict[str, Any]] = []
    following: BaseException | None = fault
    while following is not None and len(found) < _MOST_CAUSES:
        frames = traceback.extract_tb(following.__traceback__, limit=-20)
        entry: dict[str, Any] = {"type": type(following).__qualname__, "at": [_place(frame) for frame in frames]}
        if isinstance(following, OperatorError):
            entry["text"] = str(following)
        found.append(entry)
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)
    return found


def in_one_line(fault: BaseException) -> str:
    """`KeyError in member.py:120 (settle)`: the outermost exception and the place it comes from."""
    (first, *_) = outline(fault)
    return f"{first['type']} in {first['at'][-1] if first['at'] else 'an unknown place'}"


def _place(frame: traceback.FrameSummary) -> str:
    file = frame.filename.replace("\\", "/")
    return f"{file.rpartition('/site-packages/')[2].rpartition('/consumers/')[2]}:{frame.lineno} ({frame.name})"
