"""
What the service manager is told: sd_notify(3) in the standard library.

Law: whoever tells of life must be the one that lives.  `WATCHDOG=1` comes from the event loop and only while it keeps
up; a thread would hide a loop that is stuck.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping

__all__ = ["Notifier"]


class Notifier:
    """
    Sends datagrams to `$NOTIFY_SOCKET`; does nothing where there is none.

    Every verb returns whether the manager's socket took it.  A manager that is away is no reason to stop serving.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        # Kept: made for each sign of life it could not be made while descriptors are short, and the manager would kill
        # a relay that serves.
        self._socket = None if self._address is None else socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.watchdog_interval = _watchdog_interval(environ)
        """Seconds between two signs of life, half of what the manager allows; None when it asks for none."""

    def close(self) -> None:
        """Tell nothing any more."""
        if self._socket is not None:
            self._socket.close()

    def ready(self, status: str = "") -> bool:
        """Tell that start-up, or a reload, is over."""
        return self._send("READY=1", *_status(status))

    def reloading(self, monotonic: float) -> bool:
        """Tell that the configuration is read again; `monotonic` is CLOCK_MONOTONIC in seconds."""
        return self._send("RELOADING=1", f"MONOTONIC_USEC={int(monotonic * 1_000_000)}")

    def stopping(self, status: str = "") -> bool:
        """Tell that the end has begun."""
        return self._send("STOPPING=1", *_status(status))

    def status(self, sentence: str) -> bool:
        """Set the line that `systemctl status` shows."""
        return self._send(*_status(sentence))

    def watchdog(self) -> bool:
        """Tell that the relay lives."""
        return self._send("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> bool:
        """Ask for that much more time, from now on, to start or to stop."""
        return self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    async def keep_alive(self, alive: Callable[[], bool]) -> None:
        """Send signs of life while `alive` says so, for ever; returns at once when the manager asks for none."""
        if self.watchdog_interval is None:
            return
        while True:
            if alive():
                self.watchdog()
            await asyncio.sleep(self.watchdog_interval)

    def _send(self, *lines: str) -> bool:
        if self._address is None or self._socket is None or not lines:
            return False
        try:
            # A manager that does not read must not hold up the event loop.
            self._socket.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)
        except OSError:
            return False
        return True


def _address(text: str) -> str | None:
    if text.startswith("@"):
        # The abstract namespace: a zero byte stands for the at sign.
        return f"\0{text[1:]}"
    return text if text.startswith("/") else None


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    usec = environ.get("WATCHDOG_USEC", "")
    pid = environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        # Another process's watchdog, inherited with the environment.
        return None
    return int(usec) / 2_000_000


def _status(sentence: str) -> tuple[str, ...]:
    # A line feed would end the field and let the rest pass for another one.
    return (f"STATUS={' '.join(sentence.split())}",) if sentence else ()
