"""The native digest reader against its twin."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawlsieve import _native
from tests.twins import digests

SIGNALS = st.sampled_from(sorted(digests.LENGTHS))
ENCODINGS = st.sampled_from(["auto", "hex", "base64", "bytes"])


def same(signal: str, value: str | bytes, encoding: str) -> None:
    assert _native.normal_digest(signal, value, encoding) == digests.normal(signal, value, encoding)


@settings(max_examples=500, deadline=None)
@given(SIGNALS, st.data(), ENCODINGS)
def test_every_writing(signal: str, data: st.DataObject, encoding: str) -> None:
    length = digests.LENGTHS[signal]
    raw = data.draw(st.binary(min_size=length, max_size=length))
    texts = [raw.hex(), raw.hex().upper(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()]
    texts += [texts[2].rstrip("="), texts[3].rstrip("="), f" {texts[0]}\r\n"]
    for text in texts:
        assert _native.normal_digest(signal, text) == raw
        same(signal, text, encoding)
        same(signal, text.encode(), encoding)
    assert _native.normal_digest(signal, raw) == raw


@settings(max_examples=1000, deadline=None)
@given(SIGNALS, st.one_of(st.text(), st.binary(), st.from_regex(r"[0-9a-fA-F+/_=-]{0,130}", fullmatch=True)), ENCODINGS)
def test_anything(signal: str, value: str | bytes, encoding: str) -> None:
    same(signal, value, encoding)


@settings(max_examples=500, deadline=None)
@given(SIGNALS, st.data(), ENCODINGS)
def test_one_character_wrong(signal: str, data: st.DataObject, encoding: str) -> None:
    raw = data.draw(st.binary(min_size=digests.LENGTHS[signal], max_size=digests.LENGTHS[signal]))
    text = data.draw(st.sampled_from([raw.hex(), base64.b64encode(raw).decode()]))
    at = data.draw(st.integers(0, len(text) - 1))
    same(signal, text[:at] + data.draw(st.characters()) + text[at + 1 :], encoding)
    same(signal, text[:at] + text[at + 1 :], encoding)


def test_mistaken_calls() -> None:
    for signal, encoding in [("url", "auto"), ("crc32", "auto"), ("md5", "utf7")]:
        with pytest.raises(ValueError, match=r"url is no digest|unknown"):
            _native.normal_digest(signal, "", encoding)
