"""What compression saves on the wire, by how many messages travel in a frame."""

import asyncio
from collections.abc import Sequence

from benchmarks.publish.feed import Sink, Stream
from benchmarks.publish.sinks import client_frame, websocket_request
from benchmarks.rows.row import Bench, Cell, Result, Table, Target
from benchmarks.servers.relayd import Relayd

__all__ = ["deflate"]

COUNTS = (1, 2, 5, 10, 20)
LIMITS = {5: 60, 20: 80}
OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover"}
COMPRESSED = 0x40
FRAMES = 10

SENTENCES = (
    "Writing the tests for the payment form before the form itself",
    "The build of the front end took {n} seconds, {m} modules were new",
    "Asked the reviewer about the migration of table orders_{n}",
    "Retrying the download of the design system, attempt {n} of 5",
    "Moved {n} components to the shared folder and removed {m} duplicates",
    "Waiting for the security scan of commit {n:08x}",
)
"""Padding of one letter would flatter the compressor; these are what agents say."""


class Socket:
    """A viewer that looks at frames, not at messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        """Take over an upgraded connection."""
        self._reader = reader
        self._writer = writer
        self.compresses = b"permessage-deflate" in head.lower()

    async def frame(self) -> tuple[int, int]:
        """Return size on the wire and first byte of the next data frame; pings are answered."""
        while True:
            first, second = await self._reader.readexactly(2)
            size, head = second & 0x7F, 2
            if size >= 126:
                more = 2 if size == 126 else 8
                size, head = int.from_bytes(await self._reader.readexactly(more)), 2 + more
            payload = await self._reader.readexactly(size)
            if first & 0x0F < 8:
                return size + head, first
            if first & 0x0F == 9:
                self._writer.write(client_frame(payload, opcode=10))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


async def deflate(bench: Bench) -> Result:
    """Compare the frames of a viewer that offers compression with those of one that does not."""
    result = Result(title="Deflate: bytes saved by messages a frame")
    server = Relayd(bench.server_folder(), bench.cores.server)
    server.start()
    try:
        plain, compressed = await connect(server, {}), await connect(server, OFFER)
        if compressed.compresses:
            async with server.sink() as sink:
                await compare(result, sink, plain, compressed)
        else:
            for count, limit in LIMITS.items():
                result.targets.append(
                    Target(
                        what=f"bytes saved at {count} messages a frame",
                        limit=f"≥ {limit} %",
                        figure="not built",
                        met=None,
                    )
                )
            result.notes.append("Not built: relayd does not negotiate permessage-deflate.")
        plain.close()
        compressed.close()
    finally:
        server.stop()
    return result


async def connect(server: Relayd, headers: dict[str, str]) -> Socket:
    """Return a viewer that has read its greeting."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(websocket_request("/ws/admin/agent-swarm/bench?tail=0", {**server.offer("viewer"), **headers}))
    socket = Socket(reader, writer, await reader.readuntil(b"\r\n\r\n"))
    await socket.frame()
    return socket


async def compare(result: Result, sink: Sink, plain: Socket, compressed: Socket) -> None:
    """Publish arrays of each size, one frame each, and compare sizes."""
    stream = Stream()
    lines: list[list[Cell]] = []
    said = 0
    for count in COUNTS:
        sizes = [0, 0]
        for _ in range(FRAMES):
            events = spoken(stream.take(count), said)
            said += count
            await sink.send(events)
            for index, socket in enumerate((plain, compressed)):
                size, _ = await asyncio.wait_for(socket.frame(), 10)
                sizes[index] += size
            # The next array is to find a full bucket, or two of them would share a frame.
            await asyncio.sleep(0.05)
        saved = 100 * (1 - sizes[1] / sizes[0])
        lines.append([count, sizes[0] // FRAMES, sizes[1] // FRAMES, f"{saved:.0f}"])
        if count in LIMITS:
            result.targets.append(
                Target(
                    what=f"bytes saved at {count} messages a frame",
                    limit=f"≥ {LIMITS[count]} %",
                    figure=f"{saved:.0f} %",
                    met=saved >= LIMITS[count],
                )
            )
    head = ["messages a frame", "bytes plain", "bytes deflated", "% saved"]
    result.tables.append(Table(title="Bytes of a frame", head=head, lines=lines))


def spoken(events: Sequence[bytes], said: int) -> list[bytes]:
    """Return events of the same size whose padding is language."""
    told = []
    for number, event in enumerate(events, said):
        room = event.count(b"x", event.index(b";"))
        words = " ".join(
            SENTENCES[(number + i) % len(SENTENCES)].format(n=number * 37 % 9_973, m=number) for i in range(4)
        )
        text = words[:room].ljust(room, ".").encode()
        told.append(event.replace(b"x" * room, text))
    return told
