"""Which pulls are refused, and which entries would match everything."""

from typing import Any

import pytest

from crawlsieve.refresh.checks import Judged, check, matches_everything
from crawlsieve.refresh.refusal import Refused


def verdict(
    counts: dict[str, int],
    before: dict[str, int],
    *,
    values: int | None = None,
    set_aside: dict[str, int] | None = None,
    canary_found: bool = False,
    **settings: Any,
) -> str:
    aside = set_aside or {}
    pull = Judged(sum(counts.values()) + sum(aside.values()) if values is None else values, counts, aside, canary_found)
    try:
        check(pull, before, **{"action": "quarantine", "max_shrink": 0.2, "canary": False, **settings})
    except Refused as refused:
        return refused.reason
    return "ok"


def test_shrinking_is_judged_by_signal() -> None:
    assert verdict({"url": 80}, {"url": 100}) == "ok"
    assert verdict({"url": 79}, {"url": 100}) == "shrunk"
    assert verdict({"url": 79}, {"url": 100}, max_shrink=0.5) == "ok"
    assert verdict({"url": 1000}, {"url": 100, "md5": 10}) == "shrunk"
    assert verdict({"url": 1}, {"url": 100}, max_shrink=1) == "ok"
    assert verdict({"url": 1}, {}) == "ok"


def test_empty_lists() -> None:
    assert verdict({}, {"url": 1}, max_shrink=1) == "empty"
    assert verdict({}, {}) == "empty"
    assert verdict({}, {}, action="observe") == "empty"
    assert verdict({}, {}, action="allow") == "ok"
    assert verdict({}, {"url": 1}, action="allow", max_shrink=1) == "ok"
    assert verdict({}, {}, action="allow", set_aside={"public-suffix": 3}) == "empty"


@pytest.mark.parametrize(
    "reason",
    ["invalid-url", "invalid-hex", "invalid-base64", "invalid-length", "not-utf8", "wider-than-width", "no-value"],
)
def test_mostly_unreadable_lists(reason: str) -> None:
    assert verdict({"url": 50}, {}, set_aside={reason: 50}) == "ok"
    assert verdict({"url": 49}, {}, set_aside={reason: 51}) == "mostly-invalid"
    assert verdict({"url": 49}, {}, set_aside={reason: 26, "zero": 25}) == "ok"


def test_duplicates_are_no_faults() -> None:
    assert verdict({"url": 1}, {}, values=1000) == "ok"


def test_the_canary() -> None:
    assert verdict({"url": 1}, {}, canary=True) == "canary-missing"
    assert verdict({"url": 1}, {}, canary=True, canary_found=True) == "ok"


@pytest.mark.parametrize(
    ("width", "url", "expected"),
    [
        ("host", "http://com/", True),
        ("host", "com", True),
        ("host", " co.uk ", True),
        ("prefix", "co.uk/", True),
        ("host", "example.com", False),
        ("host", "", False),  # no URL: the sealer says so
        ("host", "https://user@CO.UK.:8080/", True),
        ("prefix", "http://co.uk/", True),
        ("prefix", "http://co.uk", True),
        ("prefix", "http://co.uk/a", False),
        ("host", "http://example.co.uk/", False),
        ("host", "http://blogspot.com/", False),
        ("host", "http://github.io/", False),
        ("host", "http://xn--p1ai/", True),
        ("host", "http://рф/", True),
        ("host", "http://192.0.2.1/", False),
        ("host", "http://[2001:db8::1]/", False),
        ("page", "http://com/", False),
        ("exact", "http://com/", False),
        (None, "com", False),
    ],
)
def test_public_suffixes(width: str | None, url: str, expected: bool) -> None:
    assert matches_everything(width, url) is expected
