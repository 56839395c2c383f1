"""Transactional ids: unique among live processes, reused by the next one."""

import subprocess
import sys

from crawlsieve.screen.slot import Slot


def test_slots_of_live_holders_differ_and_a_free_one_is_reused() -> None:
    first, second = Slot("slots"), Slot("slots")
    assert first.transactional_id.endswith("-0")
    assert second.transactional_id.endswith("-1")
    first.release()
    third = Slot("slots")
    assert third.transactional_id == first.transactional_id
    second.release()
    third.release()


def test_a_killed_process_leaves_its_slot_to_the_next() -> None:
    code = (
        "import os; from crawlsieve.screen.slot import Slot;"
        "print(Slot('killed').transactional_id, flush=True); os.kill(os.getpid(), 9)"
    )
    ids = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout for _ in "ab"
    ]
    assert ids[0].strip().endswith("-0")
    assert ids[0] == ids[1]


def test_groups_do_not_share_slots() -> None:
    one, other = Slot("one"), Slot("other")
    assert one.transactional_id.endswith("-0")
    assert other.transactional_id.endswith("-0")
    one.release()
    other.release()
