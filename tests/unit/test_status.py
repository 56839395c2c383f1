"""Status records: authentic or refused, and refused for the fault that they have."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawlsieve import _native
from crawlsieve.denylist import status as statuses
from crawlsieve.denylist.policy import Policy
from crawlsieve.denylist.status import CanonicalFormUnknown, ForeignKey, Status, StatusForged, StatusUnreadable
from crawlsieve.kafka import wire

KEYS = _native.Keys(bytes(range(32)))
COUNTS = st.dictionaries(st.text(max_size=8), st.integers(0, 2**62), max_size=5)
TIMES = st.integers(0, 253_402_300_799_000)
STATUS = Status(
    denylist_id=bytes(16),
    feed="partner",
    key_id=KEYS.id,
    policy=Policy().to_json(),
    checksum=2**128 - 1,
    counts={"md5": 3, "url": 2},
    complete=True,
    pulled_at=1_790_000_000_123,
    written_at=1_790_000_000_456,
)


@given(
    st.builds(
        Status,
        denylist_id=st.binary(min_size=16, max_size=16),
        feed=st.text(),
        key_id=st.just(KEYS.id),
        policy=st.text(),
        checksum=st.integers(0, 2**128 - 1),
        counts=COUNTS,
        complete=st.booleans(),
        pulled_at=TIMES,
        written_at=TIMES,
        canonical_form=st.integers(0, 2**31 - 1),
        checkpoint=st.text(),
        set_aside=COUNTS,
        outcome=st.text(),
    )
)
def test_what_is_written_is_read(status: Status) -> None:
    assert statuses.decode(KEYS, *status.encode(KEYS)) == status


@settings(max_examples=300)
@given(st.data())
def test_no_changed_byte_passes(data: st.DataObject) -> None:
    key, value = STATUS.encode(KEYS)
    place = data.draw(st.integers(0, len(value) - 1))
    changed = bytearray(value)
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(statuses.StatusRefused):
        statuses.decode(KEYS, key, bytes(changed))


@given(st.binary(max_size=300))
def test_no_other_bytes_pass(value: bytes) -> None:
    with pytest.raises(statuses.StatusRefused):
        statuses.decode(KEYS, statuses.status_key("partner"), value)


@pytest.mark.parametrize(
    "change",
    [
        {"checksum": 1},
        {"counts": {"md5": 4, "url": 2}},
        {"complete": False},
        {"pulled_at": 1},
        {"policy": Policy(action="allow").to_json()},
        {"denylist_id": b"x" * 16},
        {"canonical_form": 99},
        {"outcome": "part"},
        {"checkpoint": "{}"},
    ],
)
def test_the_mac_covers_every_field(change: dict[str, object]) -> None:
    _, genuine = STATUS.encode(KEYS)
    key, other = replace(STATUS, **change).encode(KEYS)  # type: ignore[arg-type]
    with pytest.raises(StatusForged):
        statuses.decode(KEYS, key, other[:-16] + genuine[-16:])


def test_the_mac_covers_the_kafka_key() -> None:
    _, value = STATUS.encode(KEYS)
    with pytest.raises(StatusForged):
        statuses.decode(KEYS, statuses.status_key("other"), value)


def test_another_secret_is_told_from_forgery() -> None:
    with pytest.raises(ForeignKey):
        statuses.decode(_native.Keys(bytes(range(1, 33))), *STATUS.encode(KEYS))


def test_a_record_of_another_schema_or_a_cut_one_is_unreadable() -> None:
    key, value = STATUS.encode(KEYS)
    entry = wire.encode(wire.own("denylist-entry"), {"category": "test", "sealed": b"", "mac": bytes(16)})
    for other in (entry, value[:40], b"", value + b"\0"):
        with pytest.raises(StatusUnreadable):
            statuses.decode(KEYS, key, other)
    with pytest.raises(StatusUnreadable):
        statuses.decode(KEYS, b"\x02\xff", value)


def test_an_unknown_canonical_form_is_named() -> None:
    statuses.require_canonical_form(STATUS)
    with pytest.raises(CanonicalFormUnknown, match="canonical form 77"):
        statuses.require_canonical_form(replace(STATUS, canonical_form=77))


def test_the_checksum_wraps_and_covers_the_policy() -> None:
    policy = Policy().to_json()
    term = KEYS.checksum(policy.encode())
    assert statuses.checksum(KEYS, 2**128 - term, policy) == 0
    assert statuses.checksum(KEYS, 5, policy) != statuses.checksum(KEYS, 5, Policy(action="allow").to_json())
