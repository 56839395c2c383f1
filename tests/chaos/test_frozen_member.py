"""A screener stands still within a transaction until others have its partitions, and then goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.crawl import Crawl
from tests.chaos.members import Member
from tests.chaos.proof import prove, wait_for_progress, wait_until_screened
from tests.kafka.fixtures import MadeConfig, Process
from tests.waiting import wait_for

_ABORTS = "crawlsieve_transaction_aborts_total"


@pytest.mark.parametrize("state", ["open", "sending-offsets", "committing"])
def test_a_frozen_screener_can_not_commit_what_others_have_screened(
    state: str, listed: Callable[..., MadeConfig], process: Callable[..., Process], tmp_path: Path
) -> None:
    config = listed(2)
    crawl = Crawl(config, 2, rate=300, seed=1).start()
    try:
        frozen, other = Member(process, config, tmp_path), Member(process, config, tmp_path)
        wait_for(lambda: "ready" in (frozen.state, other.state), 60, lambda: frozen.process.stderr[-3000:])
        assert frozen.freeze_in(state, 60), frozen.process.stderr[-3000:]
        # The session ends before the other is given these partitions, and the transaction before the session.
        wait_for_progress(config, 200, 60, lambda: other.process.stderr[-3000:])
        frozen.thaw()
        if state != "committing":  # frozen there, it may have committed already
            wait_for(lambda: frozen.process.metric(_ABORTS) > 0, 30, lambda: frozen.process.stderr[-3000:])
        wait_for_progress(config, 100)
    finally:
        crawl.stop()
    wait_until_screened(config, 60, lambda: frozen.process.stderr[-3000:])
    assert [member.process.terminate(10) for member in (frozen, other)] == [0, 0]
    prove(config, crawl, process)
