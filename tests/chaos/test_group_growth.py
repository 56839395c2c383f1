"""The group grows from one member to four, and shrinks back to one."""

from collections.abc import Callable
from pathlib import Path

from crawlsieve.kafka import wire
from tests.chaos.crawl import Crawl
from tests.chaos.members import Member
from tests.chaos.proof import prove, wait_for_progress, wait_until_screened
from tests.kafka.fixtures import MadeConfig, Process
from tests.waiting import wait_for


def test_a_group_grows_to_four_and_back(
    listed: Callable[..., MadeConfig], process: Callable[..., Process], tmp_path: Path
) -> None:
    config = listed(4)

    def busy(seen: int) -> set[str]:
        """Who has committed something since the receipt with this number."""
        found = [wire.decode(wire.own("receipt"), r.value or b"") for r in config.read(config.receipts)]
        return {receipt["member"] for receipt in found[seen:]}

    crawl = Crawl(config, 4, rate=300, seed=3).start()
    members = [Member(process, config, tmp_path)]
    try:
        wait_for_progress(config, 50, 60, lambda: members[0].process.stderr[-3000:])
        for size in (2, 3, 4):
            members.append(Member(process, config, tmp_path))
            seen = len(config.read(config.receipts))
            wait_for(lambda: len(busy(seen)) == size, 60, lambda: members[-1].process.stderr[-3000:], pause=0.3)  # noqa: B023
        while len(members) > 1:
            assert members.pop().process.terminate(10) == 0
            wait_for_progress(config, 50, 60, lambda: members[0].process.stderr[-3000:])
    finally:
        crawl.stop()
    wait_until_screened(config, 60, lambda: members[0].process.stderr[-3000:])
    assert members[0].process.terminate(10) == 0
    prove(config, crawl, process)
