"""Keeps what this process holds in memory out of core dumps and debuggers."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def harden() -> None:
    """No core dump, and no other process of this user may read this one's memory (prctl(2)). Raises OSError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
