"""When feeds are due, and how long an unavailable source is left alone."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from crawlsieve.refresh.schedule import Schedule


def test_a_feed_under_way_is_not_due() -> None:
    schedule = Schedule({"a": timedelta(hours=1), "b": timedelta(hours=1)})
    schedule.set_due("a", 10.0)
    schedule.set_due("b", 5.0)
    assert schedule.due(4.0) == []
    assert schedule.due(20.0) == ["b", "a"]
    schedule.started("b")
    assert schedule.due(20.0) == ["a"]


@given(st.floats(1, 1e6), st.integers(0, 40))
def test_intervals_are_never_exceeded(every: float, failures: int) -> None:
    schedule = Schedule({"a": timedelta(seconds=every)})
    for _ in range(failures):
        schedule.refused("a", 0.0, soon=True)
    assert schedule.due(every) == (["a"] if failures else [])
    schedule.succeeded("a", 0.0)
    assert schedule.due(every * 0.89) == []
    assert schedule.due(every) == ["a"]


def test_an_unavailable_source_is_asked_ever_less_often() -> None:
    schedule = Schedule({"a": timedelta(days=1)})
    for wait in (60, 120, 240, 480):
        schedule.refused("a", 0.0, soon=True)
        assert schedule.due(wait * 0.89) == []
        assert schedule.due(wait) == ["a"]
    schedule.succeeded("a", 0.0)
    schedule.refused("a", 0.0, soon=True)
    assert schedule.due(60) == ["a"]
    schedule.refused("a", 0.0, soon=False)
    assert schedule.due(60) == []
