"""Waiting for what other processes do."""

import time
from collections.abc import Callable


def wait_for(
    condition: Callable[[], object], seconds: float = 30, why: Callable[[], str] = lambda: "", pause: float = 0.02
) -> None:
    """Returns once the condition holds; fails after `seconds`, which is patience and no claim about speed."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {why()}"
        time.sleep(pause)
