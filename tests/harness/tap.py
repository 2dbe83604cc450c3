"""A wire that is looked at: the frames of one WebSocket as they travel, whatever the libraries at its ends tell."""

from typing import NamedTuple
from urllib.parse import urlsplit

from tests.harness.proxy import Proxy
from tests.harness.settled import Addresses

__all__ = ["PING", "PONG", "Frame", "Tap"]

TEXT, PING, PONG = 1, 9, 10
MASK = 0x80
LENGTHS = {126: 2, 127: 8}
"""How many bytes of length follow which first one (RFC 6455 5.2)."""


class Frame(NamedTuple):
    """The head of a frame."""

    opcode: int
    compressed: bool
    """RSV1 (RFC 7692 6)."""
    size: int
    """Bytes of its payload on the wire."""

    @property
    def text(self) -> bool:
        """Whether it is a message; the others are control frames."""
        return self.opcode == TEXT


class Tap(Proxy):
    """A proxy for the first connection through it; `head`, `up` and `down` are the answer and the frames both ways."""

    def __init__(self, relay: Addresses) -> None:
        port = urlsplit(relay.url).port
        assert port is not None
        super().__init__(port)
        self._up, self._down = Reader(), Reader()

    def through(self, address: str) -> str:
        """Return the address with the tap's port."""
        return urlsplit(address)._replace(netloc=f"127.0.0.1:{self.port}").geturl()

    @property
    def head(self) -> str:
        """What the server answered to the handshake."""
        return self._down.head

    @property
    def up(self) -> list[Frame]:
        """What the client has sent so far."""
        return self._up.frames

    @property
    def down(self) -> list[Frame]:
        """What the server has sent so far."""
        return self._down.frames

    def asked(self, data: bytes) -> None:
        self._up.feed(data)

    def answered(self, data: bytes) -> None:
        self._down.feed(data)


class Reader:
    """One direction: a head of HTTP, then frames."""

    def __init__(self) -> None:
        self.head = ""
        self.frames: list[Frame] = []
        self._left = b""

    def feed(self, data: bytes) -> None:
        """Read on."""
        self._left += data
        if not self.head:
            head, mark, rest = self._left.partition(b"\r\n\r\n")
            if not mark:
                return
            self.head, self._left = head.decode("latin-1"), rest
        while (whole := self._frame()) is not None:
            frame, self._left = whole
            self.frames.append(frame)

    def _frame(self) -> tuple[Frame, bytes] | None:
        """Return the first frame and what follows it, None while it is not whole."""
        data = self._left
        if len(data) < 2:
            return None
        size, begin = data[1] & ~MASK, 2
        if wide := LENGTHS.get(size):
            begin += wide
            size = int.from_bytes(data[2:begin])
        begin += 4 if data[1] & MASK else 0
        if len(data) < begin + size:
            return None
        return Frame(data[0] & 0x0F, bool(data[0] & 0x40), size), data[begin + size :]
