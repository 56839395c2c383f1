"""Whether a pull may replace what is in force, and which entries would match everything. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from publicsuffixlist import PublicSuffixList

from crawlsieve import _native
from crawlsieve.refresh.refusal import Refused

MAX_INVALID_SHARE = 0.5
"""Of a pull's values: beyond it, the list is not what the feed's settings say."""

NO_VALUE = "no-value"
PUBLIC_SUFFIX = "public-suffix"
_INVALID = ("invalid-", "not-utf8", "wider-than-width", NO_VALUE)


@dataclass(frozen=True)
class Judged:
    """What checks need to know of a pull."""

    values: int
    """Before anything was set aside; a row without any value counts as one."""
    counts: Mapping[str, int]
    """Distinct entries by signal."""
    set_aside: Mapping[str, int]
    """Values by reason."""
    canary_found: bool


def check(pull: Judged, in_force: Mapping[str, int], *, action: str, max_shrink: float, canary: bool) -> None:
    """Raises Refused unless the pull may replace the entries in force.

    in_force: entries by signal as of the last complete pull, empty if there was none.
    """
    invalid = sum(n for reason, n in pull.set_aside.items() if reason.startswith(_INVALID))
    if invalid > MAX_INVALID_SHARE * pull.values:
        raise Refused(
            "mostly-invalid",
            f"{invalid} of {pull.values} values are unreadable: check format, columns, signal and match",
        )
    # An allow feed may run empty: fewer cancelled matches are the safe side.
    if not sum(pull.counts.values()) and (action != "allow" or pull.values):
        raise Refused("empty", "the list has no usable entry: ask the partner")
    if canary and not pull.canary_found:
        raise Refused("canary-missing", "the test entry is not in the list: ask the partner, or set the feed's canary")
    for signal, before in sorted(in_force.items()):
        now = pull.counts.get(signal, 0)
        if now < before * (1 - max_shrink):
            raise Refused(
                "shrunk",
                f"{now} {signal} entries where {before} are in force, more than max_shrink allows: ask the partner; "
                "if the withdrawal is meant, raise max_shrink for one refresh",
            )


def matches_everything(width: str | None, url: str | bytes) -> bool:
    """Whether a `host` entry, or a `prefix` entry of a whole host, is a public suffix (com, co.uk).

    Of the list's ICANN section only (publicsuffix.org): what stands below it is
    one company's business, not a registry.
    """
    if width not in ("host", "prefix"):
        return False
    # As the sealer does: lists often leave the scheme out.
    text = url if isinstance(url, str) else url.decode(errors="replace")
    canonical = _native.canonical_url(url) or _native.canonical_url(f"http://{text.strip()}")
    if canonical is None:
        return False  # the sealer says why
    host, _, rest = canonical.partition("/")
    return (width == "host" or not rest) and _is_public(host)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


def _is_public(host: str) -> bool:
    # An IPv6 address has no dots, and would pass for an unknown top-level domain.
    return not host.startswith("[") and bool(_suffixes().is_public(host))
