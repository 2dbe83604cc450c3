"""
A project over a WebSocket: one connection, from upgrade to ending.

Silence is not peace: after a heartbeat without a word a ping is sent, and after a second one the connection counts as
gone.  The answer to the ping also moves the cursor of a viewer that hears nothing.
"""

from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from relayd.client.ending import Dropped, NoUpgrade, judge_close, judge_status, why_unreachable
from relayd.client.frames import BrokenFrameError, Frame, read_frame
from relayd.protocol.endpoints import SUBPROTOCOL
from relayd.protocol.messages import ConnectionEstablished

__all__ = ["HEARTBEAT", "listen"]

HEARTBEAT = 25.0
"""Seconds of silence until the relay has said its own number."""
LARGEST_FRAME = 16 * 1024 * 1024
"""Bytes; an envelope has at most 256 KiB, but a snapshot of a crowded project is one message."""
PING = '{"type":"ping"}'


async def listen(
    http: ClientSession, url: str, params: Mapping[str, str], *, heartbeat: float = HEARTBEAT
) -> AsyncGenerator[Frame]:
    """
    Yield frames until the relay is done with us (1000), then return.

    Raises Dropped when it is worth coming back, WatchEnded when it is not, NoUpgrade when the way carries no WebSocket.
    """
    socket = await upgrade(http, url, params)
    try:
        patience = heartbeat
        while (text := await hear(socket, patience)) is not None:
            try:
                frame = read_frame(text)
            except BrokenFrameError as error:
                raise Dropped(str(error)) from error
            for received in frame.received:
                if isinstance(received.message, ConnectionEstablished) and received.message.heartbeat_seconds:
                    patience = received.message.heartbeat_seconds
            yield frame
    finally:
        await socket.close()


async def upgrade(http: ClientSession, url: str, params: Mapping[str, str]) -> ClientWebSocketResponse:
    """Return the open socket; raises Dropped, WatchEnded or NoUpgrade."""
    try:
        return await http.ws_connect(url, params=params, protocols=(SUBPROTOCOL,), max_msg_size=LARGEST_FRAME)
    except WSServerHandshakeError as error:
        # 101 with wrong headers: something in between answered in the relay's name.
        if error.status == HTTPStatus.SWITCHING_PROTOCOLS:
            raise NoUpgrade("a proxy spoiled the upgrade") from error
        raise judge_status(error.status, error.headers or {}) from error
    except (ClientError, TimeoutError, OSError) as error:
        raise Dropped(f"the relay can't be reached: {why_unreachable(error)}") from error


async def hear(socket: ClientWebSocketResponse, patience: float) -> str | None:
    """Return the next text frame, None when the relay is done; raises Dropped or WatchEnded."""
    asked = False
    while True:
        try:
            message = await socket.receive(patience)
        except TimeoutError as error:
            if asked:
                raise Dropped(f"the relay has been silent for {2 * patience:.0f} seconds") from error
            asked = True
            try:
                await socket.send_str(PING)
            except (ClientError, OSError) as broken:
                raise Dropped(f"the connection broke: {broken}") from broken
            continue
        if message.type is WSMsgType.TEXT:
            text: str = message.data
            return text
        # The code is believed only when a close frame brought it: aiohttp also says 1000 when the other side
        # vanished without a word, and that is no reason to stop watching.
        closed = message.type is WSMsgType.CLOSE
        if (
            ending := judge_close(message.data if closed else None, str(message.extra or "") if closed else "")
        ) is None:
            return None
        raise ending
