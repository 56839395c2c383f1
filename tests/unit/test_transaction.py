"""The transaction's table of moves. What the moves do is tested against Apache Kafka, in tests/kafka."""

import itertools
import threading
from pathlib import Path

import pytest

from crawlsieve.screen.transaction import MOVES, OutcomeUnknown, State, Transaction


def settings() -> dict[str, object]:
    return {"transactional.id": "t", "transaction.timeout.ms": 1000}


def walk(transaction: Transaction, *states: State) -> None:
    for state in states:
        transaction._move(state)


def test_every_state_can_be_reached_and_left() -> None:
    reached = set(itertools.chain.from_iterable(MOVES.values()))
    assert reached == set(State) == set(MOVES)
    assert all(MOVES.values())


def test_every_state_with_a_producer_can_lose_it() -> None:
    assert all(State.NEW in MOVES[state] for state in State if state is not State.NEW)


@pytest.mark.parametrize(("start", "to"), [(a, b) for a in State for b in State if b not in MOVES[a]])
def test_an_illegal_move_is_refused(start: State, to: State) -> None:
    transaction = Transaction(settings(), lambda: False)
    transaction.state = start
    with pytest.raises(RuntimeError, match=f"from {start.value} to {to.value}"):
        walk(transaction, to)


def test_without_a_producer_nothing_begins() -> None:
    with pytest.raises(RuntimeError, match="no producer"):
        Transaction(settings(), lambda: False).begin()


def test_the_state_is_shown_in_the_file_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = tmp_path / "state"
    monkeypatch.setenv("CRAWLSIEVE_STATE_FILE", str(shown))
    transaction = Transaction(settings(), lambda: False)
    assert shown.read_bytes().strip() == b"new"
    walk(transaction, State.READY, State.OPEN, State.SENDING_OFFSETS)
    assert shown.read_bytes().strip() == b"sending-offsets"


class NeverSends:
    """A producer as librdkafka can be: send_offsets_to_transaction() does not return, whatever its time-out."""

    def __init__(self) -> None:
        self.purged = False

    def send_offsets_to_transaction(self, *_: object) -> None:
        threading.Event().wait()

    def purge(self, **_: object) -> None:
        self.purged = True


def test_a_call_that_never_returns_costs_the_producer_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawlsieve.screen.transaction._OVERTIME_SECONDS", 0.1)
    transaction = Transaction(settings(), lambda: False)
    transaction._producer = stuck = NeverSends()
    walk(transaction, State.READY, State.OPEN)
    with pytest.raises(OutcomeUnknown):
        transaction.commit([], object())
    assert transaction.state is State.NEW
    assert stuck.purged
