"""Between an AMQP client and its broker: a wire over which everything goes but messages."""

from collections.abc import Callable

from tests.harness.proxy import Proxy

__all__ = ["Withholding"]

METHOD, HEADER, BODY = 1, 2, 3
DELIVER = b"\0\x3c\0\x3c"
HEAD, END = 7, 1
"""Bytes around the payload of a frame."""


class Withholding(Proxy):
    """
    A proxy that keeps deliveries to itself while it `withholds`.

    Heartbeats and answers go through, so both sides find the connection well.  A connection that was open meanwhile
    never gets another delivery.
    """

    withholds = False
    withheld = 0
    """Frames so far."""

    def sieve(self) -> Callable[[bytes], bytes]:
        """Return a reader of frames."""
        rest = bytearray()
        doomed = False

        def passed(data: bytes) -> bytes:
            nonlocal doomed
            rest.extend(data)
            out = b""
            while len(rest) >= HEAD:
                size = HEAD + int.from_bytes(rest[3:HEAD]) + END
                if len(rest) < size:
                    break
                frame = bytes(rest[:size])
                del rest[:size]
                doomed = doomed or self.withholds
                if doomed and (frame[0] in {HEADER, BODY} or frame[HEAD : HEAD + 4] == DELIVER):
                    self.withheld += 1
                    continue
                out += frame
            return out

        return passed
