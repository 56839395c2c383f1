"""What the judge does when schemas can't be had, and when too many events are dead."""

import struct
from types import MappingProxyType

import pytest

from crawlsieve import _native
from crawlsieve.config import Config, load
from crawlsieve.denylist.assembly import View
from crawlsieve.events.writer_schema import RegistryAway, UnknownSchema, WriterSchema
from crawlsieve.screen import judge as judging
from crawlsieve.screen.judge import DEAD_WINDOW, Held, Judge

SCHEMA = (
    '{"type": "record", "name": "E", "fields": [{"name": "id", "type": "string"}, {"name": "url", "type": "string"}]}'
)
FINE = b"\x02a" + b"\x2ahttp://fine.example/x"


class Source:
    """Knows the schema ids below ten; may be away."""

    def __init__(self) -> None:
        self.away = False
        self.known = set(range(10))

    def fetch(self, schema_id: int) -> WriterSchema:
        if self.away:
            raise RegistryAway("the registry does not answer")
        if schema_id not in self.known:
            raise UnknownSchema(schema_id)
        return WriterSchema(SCHEMA)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(judging, "time", clock)
    return clock


@pytest.fixture
def view() -> View:
    denylist = _native.Denylist(_native.Keys(b"k" * 32), bytes(16))
    return View(denylist.snapshot(), -1, bytes(16), MappingProxyType({}), 0.0, 0)


def config(registry: bool = True) -> Config:
    given = {"CRAWLSIEVE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "CRAWLSIEVE_EVENTS_SIGNALS": '{ url = "url" }'}
    if registry:
        given["CRAWLSIEVE_SCHEMA_REGISTRY__URL"] = "http://127.0.0.1:1"
    return load(None, given)


def event(schema_id: int, datum: bytes = FINE) -> bytes:
    return struct.pack(">bI", 0, schema_id) + datum


def test_a_registry_that_is_away_holds_and_is_no_dead_letter(view: View) -> None:
    source = Source()
    judge = Judge(config(), source)
    assert judge.screen([event(1)], view).codes == b"\x00"
    source.away = True
    assert judge.screen([event(1)], view).codes == b"\x00"  # known already
    with pytest.raises(Held) as held:
        judge.screen([event(2)], view)
    assert held.value.cause == "registry-away"
    source.away = False
    assert judge.screen([event(2)], view).codes == b"\x00"


def test_an_unknown_id_waits_a_minute_and_is_dead_then(view: View, clock: Clock) -> None:
    judge = Judge(config(), Source())
    for _ in range(59):
        with pytest.raises(Held):
            judge.screen([event(77)], view)
        clock.now += 1
    clock.now += 1
    screened = judge.screen([event(77)], view)
    assert screened.dead == [(0, "unknown-schema", None)]


def test_an_id_that_is_registered_meanwhile_is_read(view: View, clock: Clock) -> None:
    source = Source()
    judge = Judge(config(), source)
    with pytest.raises(Held):
        judge.screen([event(77)], view)
    source.known.add(77)
    clock.now += 1
    assert judge.screen([event(77)], view).codes == b"\x00"


def test_made_up_ids_can_not_stall_the_stream(view: View, clock: Clock) -> None:
    judge = Judge(config(), Source())
    waited = 0
    for schema_id in range(100, 140):
        while True:
            try:
                assert judge.screen([event(schema_id)], view).dead
                break
            except Held as held:
                clock.now += held.retry_after
                waited += 1
    assert waited <= 61


def test_a_rejected_id_is_asked_for_again(view: View, clock: Clock) -> None:
    source = Source()
    judge = Judge(config(registry=False), source)
    assert judge.screen([event(77)], view).dead  # a folder has no grace
    source.known.add(77)
    assert judge.screen([event(77)], view).dead
    clock.now += 61
    assert judge.screen([event(77)], view).codes == b"\x00"


@pytest.mark.parametrize("batch", [100, 1000, 10_000])
def test_more_dead_than_the_share_of_the_last_ten_thousand_holds(view: View, batch: int) -> None:
    judge = Judge(config(), Source())
    dead = 0

    def go_on() -> None:
        nonlocal dead
        for _ in range(2 * DEAD_WINDOW // batch):
            found = len(judge.screen([b"poison"] * batch, view).dead)
            judge.settled(batch, found)
            dead += found

    with pytest.raises(Held, match="too-many-dead"):
        go_on()
    assert dead <= DEAD_WINDOW // 2


def test_a_share_below_the_limit_goes_on_for_ever(view: View) -> None:
    judge = Judge(config(), Source())
    for _ in range(50):
        screened = judge.screen([b"poison"] * 490 + [event(1)] * 510, view)
        judge.settled(1000, len(screened.dead))


def test_old_poison_is_forgotten(view: View) -> None:
    judge = Judge(config(), Source())
    for datum, count in ((b"poison", 5000), (event(1), 10_000), (b"poison", 5000)):
        judge.settled(count, len(judge.screen([datum] * count, view).dead))
