"""Screeners are killed in every state of a transaction, while others join and leave. Nothing is lost or doubled."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crawlsieve.screen.transaction import State
from tests.chaos.crawl import Crawl
from tests.chaos.members import Member
from tests.chaos.proof import prove, wait_until_screened
from tests.kafka.fixtures import MadeConfig, Process

KILLS = 30
KILLS_PER_STATE = 3
# A state that never comes must fail the test, not keep it.
_MOST_KILLS = 90


@pytest.mark.timeout(600)
def test_killed_screeners_lose_and_double_nothing(
    listed: Callable[..., MadeConfig],
    process: Callable[..., Process],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    seed = random.getrandbits(32)
    dice = random.Random(seed)
    # Small batches: the halving that finds a record which the broker refuses is short then.
    config = listed(4, screen={"max_batch": 20})
    crawl = Crawl(config, 4, rate=200, seed=seed).start()
    alive = [Member(process, config, tmp_path) for _ in range(3)]
    died: Counter[str] = Counter()
    left = 0

    def killed() -> int:
        return died.total() - died[""]  # those without a state were still importing

    def missing() -> list[str]:
        return [state.value for state in State for _ in range(KILLS_PER_STATE - died[state.value])]

    def kill(victim: Member, target: str | None) -> str:
        if target is None:
            time.sleep(dice.uniform(0, 3))
        elif target != State.ABORTING.value:
            victim.freeze_in(target, 15)
        else:
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                crawl.oversized()
                if victim.freeze_in(target, 4):
                    break
        return victim.kill()

    try:
        while (killed() < KILLS or missing()) and died.total() < _MOST_KILLS:
            wanted = missing()
            dice.shuffle(wanted)
            victims = dice.sample(alive, dice.choice((1, 2, 2)) if len(alive) == 3 else 1)
            # Two of three are aimed at a state that is still missing, the rest are killed at any moment.
            targets = [wanted.pop() if wanted and dice.random() < 0.67 else None for _ in victims]
            with ThreadPoolExecutor(len(victims)) as pool:
                died.update(pool.map(kill, victims, targets))
            alive = [member for member in alive if member not in victims]
            # Before it shows a state, a process is still importing, and SIGTERM is not yet its own to handle.
            if len(alive) > 1 and alive[0].state and dice.random() < 0.3:
                assert alive.pop(0).process.terminate(10) == 0, "a member did not leave when it was told to"
                left += 1
            time.sleep(dice.uniform(0, 0.5))
            while len(alive) < (3 if dice.random() < 0.8 else 2):
                alive.append(Member(process, config, tmp_path))
    finally:
        published = crawl.stop()
    table = ", ".join(f"{state.value} {died[state.value]}" for state in State)
    said = f"{killed()} kills by state (seed {seed}): {table}; {left} left when told to; {published} events"
    record_property("said", said)
    assert not missing(), f"too few kills in {sorted(set(missing()))}"

    wait_until_screened(config, 180, lambda: alive[0].process.stderr[-3000:])
    for member in alive:
        assert member.process.terminate(10) == 0
    counts = prove(config, crawl, process)
    assert set(counts) == {"clean", "quarantined", "dead"}
