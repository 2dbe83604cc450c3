"""A broadcast as one writes it first, each viewer awaited in turn; storms are measured by its handshakes, too."""

import json
import sys

import uvloop
from aiohttp import WSMsgType, web

viewers: set[web.WebSocketResponse] = set()


async def watch(request: web.Request) -> web.WebSocketResponse:
    """Serve one viewer."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    viewers.add(socket)
    try:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
    finally:
        viewers.discard(socket)
    return socket


async def publish(request: web.Request) -> web.Response:
    """Send each event of an array to each viewer."""
    for event in json.loads(await request.read()):
        text = json.dumps(event, separators=(",", ":"))
        for socket in list(viewers):
            try:
                await socket.send_str(text)
            except ConnectionError:
                viewers.discard(socket)
    return web.Response()


if __name__ == "__main__":
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.add_routes([web.get("/watch", watch), web.post("/publish", publish)])
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        backlog=1024,
        access_log=None,
        print=None,
        loop=uvloop.new_event_loop(),
    )
