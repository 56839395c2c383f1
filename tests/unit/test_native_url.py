"""The native canonical form of URLs against its twin: on published, real, random and hostile URLs."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import crawlsieve
from crawlsieve import _native
from tests.twins import urls

KEYS = _native.Keys(bytes(range(32)))
LAION = Path(crawlsieve.__file__).parent / "demo" / "laion.parquet"

HOSTILE = [
    "http://example.com/a/%252e%252e/b",
    "http://example.com/a%2f..%2fb",
    "http://example.com/a%3Fb?c%3Fd#e",
    "http://example.com\\a\\..\\b",
    "http://..example..com../",
    "http://1.2.3.4../",
    "http://1..2/",
    "http://0x7f.1/",
    "http://017700000001/%",
    "http://[2001:0DB8:0:0::1]/",
    "http://[::ffff:1.2.3.4]/",
    "http://[64:ff9b::102:304]/",
    "http://ex%61mple.com/",
    "http://B\u00fccher.example/\u00e9?\u00e9",
    "http://example\u3002com/",
    "git://EX%41MPLE.com/x/../y",
    "git://a%2eb/",
    "x://1.2.3.4",
    "x://a b/",
    "x:/a/b",
    "file://example.com/C|/a",
    "file:///a",
    "mailto:a@example.com",
    "example.com/a",
    "",
    "http://",
    "http://./",
    "http:///a",
    "http://user:p%40ss@example.com:80/a?b",
    "http://example.com:99999/",
    "http://host%23.com/",
    " http://example.com/a\tb\n ",
    "http://example.com/" + "%25" * 900 + "41",
    "http://example.com/" + "a/" * 127,
    "http://example.com/" + "a/" * 128,
    "http://" + "a." * 127 + "b/",
    "http://" + "a." * 128 + "b/",
    "http://example.com/" + "a" * 8173,
    "http://example.com/" + "a" * 8174,
    "http://example.com/\ud800",
    "http://\u00e4%00.com/",
]

HOSTS = st.one_of(
    st.from_regex(r"[a-zA-Z0-9.%-]{1,10}", fullmatch=True),
    st.from_regex(r"[0-9x.]{1,12}", fullmatch=True),
    st.sampled_from(["example.com", "WWW.Example.com", "[::1]", "[::ffff:7f00:1]", "\u00fc.example", "xn--a", "a..b."]),
)
TAILS = st.lists(
    st.one_of(
        st.sampled_from(
            ["/", "//", ".", "..", "/../", "%2e", "%2F", "%252e", "%25", "%", "?", "#", "\\", "+", "&", " "]
        ),
        st.text(max_size=3),
        st.from_regex(r"%[0-9a-fA-F]{1,2}", fullmatch=True),
    ),
    max_size=10,
).map("".join)
URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["http", "https", "HTTP", "ftp", "file", "x", ""]),
    st.sampled_from(["://", "://", "://", ":", ":/", "://u:p@"]),
    HOSTS,
    st.builds("{}{}".format, st.sampled_from(["/", "", ":8080/", "?", "\\"]), TAILS),
)


def same(url: str | bytes) -> None:
    expected = urls.canonical(url)
    assert _native.canonical_url(url) == (expected.text if expected else None)


def real() -> list[str]:
    table = pq.read_table(LAION)
    column = next(name for name in table.column_names if name.lower() == "url")
    return [str(url) for url in table[column].to_pylist()]


@pytest.mark.parametrize("url", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile(url: str) -> None:
    same(url)


def test_bytes_that_are_not_utf8() -> None:
    assert _native.canonical_url(b"http://example.com/\xff") is None
    assert _native.canonical_url(b"http://example.com/\xc3\xa9") == "example.com/%C3%A9"


def test_real() -> None:
    found = real()
    assert len(found) >= 2000
    for url in found:
        same(url)
        same(url.encode())


def test_real_urls_bent_in_every_way() -> None:
    for url in real()[::5]:
        scheme, _, rest = url.partition("://")
        host, slash, tail = rest.partition("/")
        expected = urls.canonical(url)
        bent = [
            f"{scheme.upper()}://u:p@{host.upper()}:8443{slash}{tail}#f",
            f"{scheme}://{host}.{slash or '/'}/{tail}",
            f"{scheme}://{host}/x/%252e%252e/{tail}",
        ]
        for spelling in bent:
            if "?" in host or "#" in host or ":" in host:
                continue
            same(spelling)
            assert _native.canonical_url(spelling) == (expected.text if expected else None)


@settings(max_examples=1500, deadline=None)
@given(URLS)
@example("http://a/%2%35")
@example("x://%2e%2e/")
@example("x://.0/")
def test_random(url: str) -> None:
    same(url)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes(url: bytes) -> None:
    same(url)
    same(b"http://example.com/" + url)


@settings(max_examples=500, deadline=None)
@given(URLS, URLS)
def test_expressions_are_what_covers_the_url(listed: str, event: str) -> None:
    entry, seen = urls.canonical(listed), urls.canonical(event)
    if entry is None or seen is None:
        return
    expressions = _native.url_expressions(event)
    assert expressions is not None
    written = {"exact": entry.text, "page": entry.text, "host": entry.host, "prefix": entry.host + entry.path}
    for width, text in written.items():
        if width == "page" and not entry.query:
            assert ((width, entry.host + entry.path) in expressions) == urls.covers(width, entry, seen)
        elif width != "prefix" or not entry.query:
            assert ((width, text) in expressions) == urls.covers(width, entry, seen)


@settings(max_examples=500, deadline=None)
@given(URLS.filter(lambda url: url.lower().startswith("http")))
@example("http://www.example.com")
@example("https://u:p@example.com:8443/?#")
@example("http://example.com/?")
def test_hashed_forms(url: str) -> None:
    if urls.canonical(url) is None:
        with pytest.raises(ValueError, match=r"^(invalid-url|not-utf8|url-too-long)$"):
            _native.hashed_url_forms(url)
    else:
        found = _native.hashed_url_forms(url)
        assert len(found) == len(set(found))
        assert set(found) == urls.hashed_forms(url)


NO_SCHEMES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "//", "/", "\\", "mailto:", "javascript:", "http:", "x://"]),
    st.sampled_from(["", "", "a@", "a:b@", "a/", "//", "/\t/"]),
    st.one_of(HOSTS, st.sampled_from(["example.com", "[::1]", "alert(1)@example.com", "a%40b.example", "[::1"])),
    st.sampled_from(["", ":80", ":", ":8a", ":80:80", "/a", ":80/a@b:c", "?a@b", "\\@b", "#@b", "@b", "]", "/\n"]),
)


@settings(max_examples=1500, deadline=None)
@given(NO_SCHEMES)
@example("mailto:a@example.com")
@example("javascript:alert(1)@example.com")
@example("a@example.com")
@example("/\t/a@example.com")
@example("example.com:8080/a")
@example("//[::1]:80/a")
def test_listed(text: str) -> None:
    def sealed(url: str) -> tuple[bytes, bytes] | str:
        return _native.Sealer(KEYS, bytes(16), "one", 4).seal("url", [url], width="exact", categories="c")[0]

    entry = urls.listed(text)
    assert sealed(text) == (sealed(f"http://{entry.text}") if entry else "invalid-url")


@pytest.mark.parametrize("text", ["mailto:a@example.com", "javascript:alert(1)@example.com", "a@example.com"])
def test_what_is_no_url_never_seals_a_host(text: str) -> None:
    sealer = _native.Sealer(KEYS, bytes(16), "one", 4)
    assert sealer.seal("url", [text, "example.com"], width="host", categories="c")[0] == "invalid-url"
