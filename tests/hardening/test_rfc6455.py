"""
RFC 6455 to the letter: what a viewer may put on the wire, told to the real server frame by frame.

The groups are those of the Autobahn test suite, of which nothing is needed here: each case is bytes on a socket, all
that came back, and how it ended.  Where this server goes another way than others may expect, the case is in DEVIATIONS.
"""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import urlsplit

import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.raw import SECONDS, UPGRADE, masked

TEXT, BINARY, CLOSE, PING, PONG, MORE = 0x81, 0x82, 0x88, 0x89, 0x8A, 0x80
"""First bytes of whole frames; MORE is the last of several."""

LIMIT = 64 * 1024
SAYS_PING, HEARS_PONG = masked(TEXT, b"ping"), (1, b"pong")
FAREWELL = b"\x03\xe8"
BEAT = (9, b"")

Sent = bytes
Case = tuple[str, Sent, list[tuple[int, bytes]], int]
"""Name, what is sent, what comes back before the close frame, and the code of that."""


def padded(size: int) -> bytes:
    """Return a ping in JSON of so many bytes."""
    frame = b'{"type":"ping","pad":""}'
    return frame[:-2] + b"x" * (size - len(frame)) + frame[-2:]


def saying(text: bytes) -> bytes:
    """Return a ping in JSON with some text in it."""
    return b'{"type":"ping","pad":"' + text + b'"}'


def parted(payload: bytes, count: int, *, between: bytes = b"") -> bytes:
    """Return a text in so many fragments, with something between each two."""
    step = max(1, -(-len(payload) // count))
    parts = [payload[at : at + step] for at in range(0, len(payload), step)]
    first, *others = parts
    frames = [masked(0x01, first), *(masked(0x00, part) for part in others[:-1]), masked(MORE, others[-1])]
    return between.join(frames)


ANSWER = [(1, b"a pong in JSON")]
"""Its text is another one each time, so it stands for any."""


def frames() -> Iterator[Case]:
    """1: lengths of payloads."""
    for size in (24, 125, 126, 127, 128, 65_535, LIMIT):
        yield f"1 text of {size}", masked(TEXT, padded(size)), ANSWER, 1000
    yield "1 text of one byte too many", masked(TEXT, padded(LIMIT + 1)), [], 1009
    yield "1 a text that is empty is no command", masked(TEXT, b""), [], 4400


def pings() -> Iterator[Case]:
    """2: each ping has its pong, with what was in it."""
    for name, payload in {"nothing": b"", "text": b"hello", "bytes": bytes(range(256))[-125:]}.items():
        yield f"2 ping of {name}", masked(PING, payload), [(10, payload)], 1000
    yield "2 ping of 126 bytes", masked(PING, bytes(126)), [], 1002
    yield "2 pongs that nobody asked for", masked(PONG, b"") + masked(PONG, b"x"), [], 1000
    yield "2 pong, ping", masked(PONG, b"x") + masked(PING, b"y"), [(10, b"y")], 1000
    many = [str(number).encode() for number in range(10)]
    yield "2 ten pings", b"".join(masked(PING, one) for one in many), [(10, one) for one in many], 1000


def reserved_bits() -> Iterator[Case]:
    """3: what no extension has given a meaning breaks the connection."""
    for bits in range(1, 8):
        yield f"3 text with bits {bits}", masked(TEXT | bits << 4, b"ping"), [], 1002
    for name, first in {"binary": BINARY, "ping": PING, "pong": PONG, "close": CLOSE}.items():
        yield f"3 {name} with a bit", masked(first | 0x40, b"\x03\xe8"), [], 1002
    yield "3 a good one, then a bit", SAYS_PING + masked(TEXT | 0x20, b"ping") + SAYS_PING, [HEARS_PONG], 1002


def opcodes() -> Iterator[Case]:
    """4: there are six kinds of frames."""
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield f"4 opcode {opcode}", masked(0x80 | opcode, b""), [], 1002
        yield f"4 opcode {opcode} behind a good one", SAYS_PING + masked(0x80 | opcode, b"x"), [HEARS_PONG], 1002


def fragments() -> Iterator[Case]:
    """5: a message may come in parts, a control frame may not, and may come between them."""
    yield "5 ping in parts", masked(0x09, b"a") + masked(MORE, b"b"), [], 1002
    yield "5 pong in parts", masked(0x0A, b"a") + masked(MORE, b"b"), [], 1002
    yield "5 close in parts", masked(0x08, FAREWELL) + masked(MORE, b"b"), [], 1002
    yield "5 two parts", parted(b"ping", 2), [HEARS_PONG], 1000
    yield "5 four parts", parted(b"ping", 4), [HEARS_PONG], 1000
    yield "5 a ping between", parted(b"ping", 2, between=masked(PING, b"!")), [(10, b"!"), HEARS_PONG], 1000
    empty = masked(0x01, b"") + masked(0x00, b"") + masked(MORE, b"ping")
    yield "5 parts of nothing", empty, [HEARS_PONG], 1000
    yield "5 a last part of nothing", masked(0x01, b"ping") + masked(MORE, b""), [HEARS_PONG], 1000
    yield "5 a part of no message", masked(0x00, b"ping"), [], 1002
    yield "5 the last part of no message", masked(MORE, b"ping"), [], 1002
    yield "5 a part behind a whole message", SAYS_PING + masked(MORE, b"ping"), [HEARS_PONG], 1002
    yield "5 a text within a text", masked(0x01, b"pi") + masked(TEXT, b"ng"), [], 1002
    yield "5 a binary within a text", masked(0x01, b"pi") + masked(0x02, b"ng"), [], 1002
    yield "5 two messages in parts", parted(b"ping", 2) + parted(b"ping", 3), [HEARS_PONG] * 2, 1000


GOOD_TEXTS = {"greek": "κόσμε", "emoji": "\N{PARTY POPPER}", "last": "\U0010ffff", "no character": "\ufffe\uffff"}
BAD_TEXTS = {
    "overlong slash": b"\xc0\xaf",
    "overlong NUL": b"\xe0\x80\x80",
    "overlong in four": b"\xf0\x80\x80\xaf",
    "high surrogate": b"\xed\xa0\x80",
    "low surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\x80\xed\xb0\x80",
    "beyond the last": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "continuation alone": b"\x80",
    "cut short": b"\xce\xba\xe1\xbd",
    "FE": b"\xfe",
    "FF": b"\xff",
}


def texts() -> Iterator[Case]:
    """6: a text is UTF-8, as a whole; a fragment may end within a character."""
    for name, text in GOOD_TEXTS.items():
        yield f"6 {name}", masked(TEXT, saying(text.encode())), ANSWER, 1000
        yield f"6 {name} in parts", parted(saying(text.encode()), 9), ANSWER, 1000
    for name, bad in BAD_TEXTS.items():
        yield f"6 {name}", masked(TEXT, saying(bad)), [], 1007
        yield f"6 {name} in parts", parted(saying(bad), 5), [], 1007


def closes() -> Iterator[Case]:
    """7: a farewell is answered by one, and is the last that is heard."""
    yield "7 without a code", masked(CLOSE, b""), [], 1000
    yield "7 with a reason", masked(CLOSE, FAREWELL + b"bye"), [], 1000
    yield "7 with the longest reason", masked(CLOSE, FAREWELL + b"x" * 123), [], 1000
    yield "7 with one that is too long", masked(CLOSE, FAREWELL + b"x" * 124), [], 1002
    yield "7 with half a code", masked(CLOSE, b"\x03"), [], 1002
    yield "7 with a reason that is no text", masked(CLOSE, FAREWELL + b"\xce\xba\xe1\xbd"), [], 1007
    yield "7 twice", masked(CLOSE, FAREWELL) * 2, [], 1000
    yield "7 a ping behind it", masked(CLOSE, FAREWELL) + masked(PING, b""), [], 1000
    yield "7 a text behind it", masked(CLOSE, FAREWELL) + SAYS_PING, [], 1000
    yield "7 in the middle of a message", masked(0x01, b"pi") + masked(CLOSE, FAREWELL) + masked(MORE, b"ng"), [], 1000
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999):
        yield f"7 code {code}", masked(CLOSE, code.to_bytes(2)), [], 1000
    for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535):
        yield f"7 code {code}", masked(CLOSE, code.to_bytes(2)), [], 1002


def limits() -> Iterator[Case]:
    """9: as large as may be, in one and in parts; one byte more is refused before it has come."""
    for count in (2, 16, 64):
        yield f"9 {LIMIT} bytes in {count} parts", parted(padded(LIMIT), count), ANSWER, 1000
    yield "9 too large by its head", masked(TEXT, b"", size=LIMIT + 1)[:14], [], 1009
    yield "9 2^63 bytes", masked(BINARY, b"", size=2**63)[:14], [], 1009
    yield "9 too large in parts", parted(padded(LIMIT + 1), 64), [], 1009
    yield "9 90 pings", masked(PING, b"p" * 125) * 90, [(10, b"p" * 125)] * 90, 1000


DEVIATIONS: dict[str, tuple[str, Sent, list[tuple[int, bytes]], int]] = {
    "a binary message": ("nothing is said in binary here, so it ends with 4400", masked(BINARY, b"x"), [], 4400),
    "the code of a farewell": (
        "it is answered by 1000, whatever it was: what the viewer meant is in the log, and 1000 is what it hears",
        masked(CLOSE, (1001).to_bytes(2)),
        [],
        1000,
    ),
    "a length in more bytes than it needs": (
        "RFC 6455 5.2 asks the sender for the shortest; a longer one has only one reading, so it is read",
        b"\x81\xff" + (4).to_bytes(8) + bytes(4) + b"ping",
        [HEARS_PONG],
        1000,
    ),
    "a bad byte in the first of several parts": (
        "a text is judged when it is whole, at most 64 KiB later; until then pings are answered",
        masked(0x01, b"\xff") + masked(PING, b"") + masked(MORE, b""),
        [(10, b"")],
        1007,
    ),
    "more than 100 frames in a second": (
        "RFC 6455 knows no bound; here every frame counts, fragments, too, and 4430 says so",
        parted(padded(300), 300),
        [],
        4430,
    ),
}
"""What others may expect otherwise: why, what is sent, what comes back, and how it ends."""

GROUPS = (frames, pings, reserved_bits, opcodes, fragments, texts, closes, limits)
CASES: list[Case] = [case for group in GROUPS for case in group()]
SMALL = 300
"""Bytes up to which a case is told octet by octet, too."""


async def told(relay: PrivateRelay, user: str, pieces: list[bytes]) -> tuple[list[tuple[int, bytes]], int]:
    """Return what comes back before the close frame, and its code, once all was said and a farewell behind it."""
    path = f"/ws/admin/agent-swarm/rfc?token={relay.token(user)}"
    came = await asyncio.to_thread(conversation, relay, path, [*pieces, masked(CLOSE, FAREWELL)])
    # A sign of life is due to everybody from time to time, whatever they say.
    (opcode, _), *frames = [frame for frame in came if frame != BEAT]
    assert 1 == opcode
    ends = [opcode for opcode, _ in frames].index(8)
    code = int.from_bytes(frames[ends][1][:2])
    frames[ends][1][2:].decode()
    if code == 1000:
        # Both have said goodbye, and the server is the one who hangs up (RFC 6455 7.1.1).
        assert [] == frames[ends + 1 :]
    return frames[:ends], code


def conversation(relay: PrivateRelay, path: str, pieces: list[bytes]) -> list[tuple[int, bytes]]:
    """
    Say the pieces behind the greeting and return all frames up to the farewell, or to the end where both have said it.

    On a plain socket: what came is there to be read, although the server has hung up while something was still said.
    """
    address = urlsplit(relay.url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(UPGRADE.format(path).encode())
        with connection.makefile("rb") as reader:
            while reader.readline().strip():
                pass
            frames = [frame(reader)]
            with suppress(ConnectionError):
                for piece in pieces:
                    connection.sendall(piece)
            with suppress(ConnectionError, EOFError):
                while frames[-1][0] != 8 or frames[-1][1][:2] == FAREWELL:
                    frames.append(frame(reader))
            return frames


def frame(reader: BinaryIO) -> tuple[int, bytes]:
    """Return opcode and payload of the next frame (RFC 6455 5.2); raises EOFError where there is none."""
    if len(head := reader.read(2)) < 2:
        raise EOFError
    first, size = head
    if size >= 126:
        size = int.from_bytes(reader.read(2 if size == 126 else 8))
    return first & 0x0F, reader.read(size)


def heard(frames: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return what came back, with every pong in JSON as ANSWER has it."""
    return [ANSWER[0] if payload[:1] == b"{" and json.loads(payload)["type"] == "pong" else (opcode, payload)
            for opcode, payload in frames]  # fmt: skip


@pytest.mark.parametrize(("data", "back", "code"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
async def test_the_answer_is_that_of_the_standard(
    daemon: PrivateRelay, data: bytes, back: list[tuple[int, bytes]], code: int
) -> None:
    """The same answer whether it comes in one piece or octet by octet; and the server serves the next."""
    ways = [[data], [data[at : at + 1] for at in range(len(data))] if len(data) <= SMALL else [data]]
    for number, pieces in enumerate(ways):
        came, ended = await told(daemon, f"rfc-{number}", pieces)
        assert (back, code) == (heard(came), ended)


@pytest.mark.parametrize("name", DEVIATIONS)
async def test_a_deviation_is_exactly_that(daemon: PrivateRelay, name: str) -> None:
    """Each is meant, has its reason, and goes no further."""
    reason, data, back, code = DEVIATIONS[name]
    came, ended = await told(daemon, "rfc", [data])
    assert (back, code) == (heard(came), ended), reason
