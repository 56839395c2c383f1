"""Screeners as a test sees them from outside: the state of their transaction, and a kill in a chosen one."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.kafka.fixtures import MadeConfig, Process


class Member:
    """One `crawlsieve screen` that shows the state of its transaction in a file."""

    def __init__(self, process: Callable[..., Process], config: MadeConfig, folder: Path) -> None:
        self._shown = folder / f"state-{random.getrandbits(64):x}"
        self.process = process("screen", config, environ={"CRAWLSIEVE_STATE_FILE": str(self._shown)})
        self._file = -1

    @property
    def state(self) -> str:
        """The state's name; "" before there is one."""
        if self._file < 0:
            try:
                self._file = os.open(self._shown, os.O_RDONLY)
            except FileNotFoundError:
                return ""
        return os.pread(self._file, 16, 0).decode().strip()

    def freeze_in(self, state: str, seconds: float) -> bool:
        """Stops it (SIGSTOP) in this state; False if it was not seen there, stopped, within `seconds`.

        Stopped first and looked at then: a state may last shorter than a signal takes.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.running:
            if self.state == state:
                self.freeze()
                if self.state == state:
                    return True
                self.thaw()
            time.sleep(0.0001)
        return False

    def freeze(self) -> None:
        """SIGSTOP; returns once every thread stands still."""
        self.process.signal(signal.SIGSTOP)
        while not all(_stopped(task) for task in Path(f"/proc/{self.process.pid}/task").iterdir()):
            time.sleep(0.0001)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.signal(signal.SIGCONT)

    def kill(self) -> str:
        """SIGKILL; returns the state that it died in."""
        self.process.kill()
        state = self.state
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
            self._shown.unlink()
        return state


def _stopped(task: Path) -> bool:
    try:
        # The command's name stands in brackets and may hold anything; the state follows.
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in {"T", "t", "Z", "X"}
    except OSError:
        return True
