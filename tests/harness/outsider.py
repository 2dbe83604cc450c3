"""
Viewers that stop: one in a process of its own, to be frozen or killed, and a socket that is cut off without a word.

Both are made of the standard library alone.
"""

import ctypes
import json
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tests.harness.process import Process
from tests.harness.raw import UPGRADE
from tests.harness.settled import Addresses

__all__ = ["Outsider", "deafen", "get", "upgrade"]

SCRIPT = """
import json, os, signal, socket, sys

asked = json.loads(sys.argv[1])
viewer = socket.socket()
if asked["narrow"]:
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
viewer.connect((asked["host"], asked["port"]))
viewer.sendall(asked["request"].encode())
print("asked", flush=True)
if asked["reads"] == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
heard = viewer.recv(65536)
print("heard", flush=True)
while heard:
    if 0x89 in heard:
        viewer.sendall(bytes([0x8A, 0x80, 0, 0, 0, 0]))
    heard = viewer.recv(65536)
"""
"""Reads what comes; what may be a ping (RFC 6455 5.5.2) is answered."""

SO_ATTACH_FILTER = 26
DROP_ALL = struct.pack("HBBI", 6, 0, 0, 0)
"""One instruction of the classic packet filter: return 0, keep nothing (Linux: Documentation/networking/filter)."""


class Deafened(Protocol):
    """A socket, or what an event loop shows of one."""

    def setsockopt(self, level: int, option: int, value: bytes, /) -> None:
        """Set an option."""
        ...


class Outsider(Process):
    """One that asks; a `narrow` one keeps next to nothing unread; one that is `frozen` stops before it reads a byte."""

    def __init__(
        self, relay: Addresses, request: str, *, folder: Path, narrow: bool = False, frozen: bool = False
    ) -> None:
        address = urlsplit(relay.url)
        asked = {"host": address.hostname, "port": address.port, "request": request}
        asked |= {"narrow": narrow, "reads": 0 if frozen else 1}
        super().__init__([sys.executable, "-S", "-c", SCRIPT, json.dumps(asked)], folder=folder, name="outsider")

    def freeze(self) -> None:
        """Let it do nothing any more, while its machine still confirms what comes."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)


def get(address: str) -> str:
    """Return a request for an address, which has the token in its query."""
    parts = urlsplit(address)
    return f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: relay\r\n\r\n"


def upgrade(address: str) -> str:
    """Return the same for a WebSocket."""
    parts = urlsplit(address)
    return UPGRADE.format(f"{parts.path}?{parts.query}")


def deafen(viewer: Deafened) -> None:
    """Let nothing reach a socket any more, not even what its machine would confirm: a cable that was pulled."""
    program = ctypes.create_string_buffer(DROP_ALL)
    viewer.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
