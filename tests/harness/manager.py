"""A service manager's end of sd_notify(3), for a relay in a process of its own."""

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

__all__ = ["Manager"]

MOST = 4_096
SECONDS = 60.0


class Manager:
    """A socket that hears what a relay tells; give the relay its `env`."""

    def __init__(self, folder: Path, *, watchdog_seconds: float = 0.5) -> None:
        """Listen in a folder; a sign of life is asked for twice within `watchdog_seconds`."""
        address = str(folder / "notify")
        self.env: Mapping[str, str] = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(watchdog_seconds * 1e6))}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def __enter__(self) -> Self:
        """Listen."""
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._socket.close()

    def until(self, word: str, *, seconds: float = SECONDS) -> str:
        """Return the next that begins with a word; what comes before it is passed over; raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            said = self._socket.recv(MOST).decode()
            if said.startswith(word):
                return said

    def heard(self) -> list[str]:
        """Return what was told and not yet looked at."""
        self._socket.setblocking(False)
        told: list[str] = []
        try:
            while True:
                told.append(self._socket.recv(MOST).decode())
        except BlockingIOError:
            return told
