"""What is wrong with a configuration, in words for operators. Values are not repeated: they may be secret."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


class Several(ValueError):
    """More than one mistake in a section. Each is `key: what would be right`; the key is as in TOML."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong."""

    key: str
    """Dotted, as it would be written in the file; empty for the file as a whole."""
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


# Sections and keys whose values are never repeated. A canary is a partner's entry.
_SILENT_SECTIONS = ("kafka", "schema_registry")
_SILENT_KEYS = ("source", "canary", "credentials_file", "secret_file", "secret")
_LONGEST_ECHO = 60

_PLAIN = {
    "missing": "is missing; write it",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "string_type": "write a string",
    "path_type": "write a path",
    "dict_type": "write a table",
    "model_type": "write a table",
    "model_attributes_type": "write a table",
    "tuple_type": "write a list",
    "timezone_aware": "write its time zone as well, such as 2030-01-31T12:00:00Z",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
}


def explain(error: ValidationError, root: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[Mistake]:
    """The mistakes that pydantic has found, in order. root: of the whole tree; at: where the checked table stands."""
    for one in error.errors(include_url=False):
        place = (*at, *(str(part) for part in one["loc"] if part != "[key]"))
        key = dotted(place)
        cause = one.get("ctx", {}).get("error")
        if isinstance(cause, Several):
            for text in cause.mistakes:
                yield Mistake(*_split(key, text))
        elif one["type"] == "extra_forbidden":
            yield Mistake(key, unknown_key(place, root))
        elif one["type"] == "string_pattern_mismatch" and place[0] == "feeds" and len(place) == 2:
            yield Mistake(key, "not a feed's name: write 1 to 63 of A-Z a-z 0-9 _ . -, the first a letter or digit")
        else:
            yield Mistake(key, _found(place, one["input"]) + _wanted(one))


def dotted(place: tuple[str, ...]) -> str:
    """A key as the file would have it: parts that TOML wants quoted are."""
    bare = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
    return ".".join(part if part and all(c in bare for c in part) else f'"{part}"' for part in place)


def unknown_key(place: tuple[str, ...], root: type[BaseModel]) -> str:
    """What to say of a key that nothing reads."""
    if place == ("denylist", "secret"):
        return "a secret does not belong in this file: use secret_file, or CRAWLSIEVE_DENYLIST_SECRET"
    known = list(keys_of(root, place[:-1]))
    near = difflib.get_close_matches(place[-1], known, 1)
    return "unknown key; " + (
        f"did you mean {dotted((*place[:-1], near[0]))}?" if near else f"known here: {', '.join(known)}"
    )


def keys_of(root: type[BaseModel], place: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that the model at this place has."""
    model = root
    for part in place:
        field = model.model_fields.get(part)
        found = _models(field.annotation) if field is not None else [model]
        if found:
            model = found[0]
    return tuple(model.model_fields)


def _models(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401  what typing's own functions take
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _split(section: str, text: str) -> tuple[str, str]:
    key, _, rest = text.partition(": ")
    return f"{section}.{key}", rest


def _found(place: tuple[str, ...], value: object) -> str:
    """`is "x"; ` where that helps and tells nothing that is secret."""
    if place[0] in _SILENT_SECTIONS or any(key in place for key in _SILENT_KEYS):
        return ""
    if isinstance(value, bool):
        return f"is {str(value).lower()}; "
    if isinstance(value, int | float):
        return f"is {value}; "
    if isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_ECHO and "@" not in value:
        return f'is "{value}"; '
    return ""


def _wanted(one: ErrorDetails) -> str:
    kind, context = one["type"], one.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, ValueError):
        return str(cause)
    if kind == "literal_error":
        choice = context["expected"].replace("'", "").replace(" or ", ", ")
        near = difflib.get_close_matches(str(one["input"]), choice.split(", "), 1)
        return f"write one of {choice}" + (f"; did you mean {near[0]}?" if near else "")
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"write {words} {context[name]}"
    if kind == "string_pattern_mismatch":
        return f"write something that fits {context['pattern']}"
    return _PLAIN.get(kind, one["msg"])
