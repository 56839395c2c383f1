"""The transactional id: `<group>-<host>-<slot>`, unique among live processes, reused by the slot's next process.

Reuse is what settles a dead process's transaction at once: the next process in its slot calls init_transactions() with
the same id, and no reader waits for the time-out of a transaction that nobody will end.
"""

import hashlib
import socket


class Slot:
    """The lowest number that no live process of this group on this host holds.

    The hold is a socket in Linux's abstract name space: the kernel frees it with the process, however that ends, and
    nothing is left on disk.
    """

    def __init__(self, group: str) -> None:
        """Raises OSError when 1,024 slots are taken."""
        lock = hashlib.sha256(group.encode()).hexdigest()[:32]  # an address holds 107 bytes, a group's name more
        for number in range(1024):
            held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                held.bind(f"\0crawlsieve/{lock}/{number}")
            except OSError:
                held.close()
                if number == 1023:
                    raise
            else:
                self._held = held
                self.transactional_id = f"{group}-{socket.gethostname()}-{number}"
                return

    def release(self) -> None:
        """Gives the slot to whoever comes next."""
        self._held.close()
