"""Policies: what is written is read again, and what can't be judged by is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlsieve.denylist.policy import ACTIONS, WIDTHS, Policy, PolicyUnreadable

POLICIES = st.builds(
    Policy,
    action=st.sampled_from(ACTIONS),
    category=st.text(),
    match=st.sampled_from(WIDTHS),
    max_distance=st.dictionaries(st.text(), st.integers(0, 256)),
    required=st.booleans(),
    max_age_seconds=st.none() | st.integers(0),
    canary=st.none() | st.binary(min_size=42, max_size=42).map(bytes.hex),
    overruled_by=st.lists(st.text()).map(tuple),
)


@given(POLICIES)
def test_a_policy_survives_its_text(policy: Policy) -> None:
    assert Policy.from_json(policy.to_json()) == policy


def test_equal_policies_have_equal_text() -> None:
    one = Policy(max_distance={"pdq": 31, "phash": 8})
    other = Policy(max_distance={"phash": 8, "pdq": 31})
    assert one.to_json() == other.to_json()
    keys = list(json.loads(one.to_json()))
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "change",
    [
        {"action": "delete"},
        {"match": "wide"},
        {"required": "yes"},
        {"max_distance": {"pdq": -1}},
        {"max_distance": {"pdq": True}},
        {"max_age_seconds": 1.5},
        {"canary": "00"},
        {"canary": "zz" * 42},
        {"overruled_by": "ours"},
        {"overruled_by": [1]},
        {"category": None},
        {"since": 2},
    ],
)
def test_parts_that_mean_nothing_here_are_refused(change: dict[str, object]) -> None:
    parts = json.loads(Policy(category="secret words").to_json()) | change
    with pytest.raises(PolicyUnreadable) as refused:
        Policy.from_json(json.dumps(parts))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '"text"', "1"])
def test_texts_that_are_no_policy_are_refused(text: str) -> None:
    with pytest.raises(PolicyUnreadable):
        Policy.from_json(text)


def test_a_missing_part_is_refused_and_not_guessed() -> None:
    parts = json.loads(Policy().to_json())
    for part in parts:
        with pytest.raises(PolicyUnreadable):
            Policy.from_json(json.dumps({name: value for name, value in parts.items() if name != part}))
