"""A real server that speaks the wire contract from a script: each connection plays the next scene."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

Json = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """What one WebSocket connection hears; without an ending it stays open until the client goes."""

    frames: Sequence[str] = ()
    close: tuple[int, str] | None = None
    vanish: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    mute: bool = False
    pongs: int = 1_000
    """It vanishes after so many answers to pings."""


@dataclass(frozen=True)
class Seen:
    """What a request brought."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class SmallRelay:
    """The script, and what was seen while it was played."""

    scenes: list[Scene] = field(default_factory=list)
    polls: list[tuple[int, Json]] = field(default_factory=list)
    answers: list[tuple[int, Json]] = field(default_factory=list)
    sockets: list[Seen] = field(default_factory=list)
    polled: list[Seen] = field(default_factory=list)
    posted: list[Seen] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    first_post: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def on_socket(self, request: web.Request) -> web.StreamResponse:
        """Play the next scene."""
        self.sockets.append(seen(request))
        scene = self.scenes.pop(0) if self.scenes else Scene()
        if scene.status is not None:
            return web.Response(status=scene.status, headers=scene.headers)
        socket = web.WebSocketResponse(protocols=("relayd.v1",))
        await socket.prepare(request)
        for frame in scene.frames:
            await socket.send_str(frame)
        if scene.close is not None:
            await socket.close(code=scene.close[0], message=scene.close[1].encode())
            return socket
        if not scene.vanish:
            await self.converse(socket, scene)
        if request.transport is not None:
            request.transport.abort()
        return socket

    async def converse(self, socket: web.WebSocketResponse, scene: Scene) -> None:
        """Answer pings until the client goes or the play is over."""
        ending = asyncio.create_task(self.over.wait())
        while not ending.done():
            hearing = asyncio.create_task(socket.receive())
            await asyncio.wait({hearing, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not hearing.done():
                hearing.cancel()
                break
            message = hearing.result()
            if message.type is not WSMsgType.TEXT:
                break
            self.heard.append(message.data)
            if not scene.mute:
                await socket.send_str(json.dumps({"type": "pong", "cursor": f"pong-{len(self.heard)}"}))
            if len(self.heard) >= scene.pongs:
                break
        ending.cancel()

    async def on_poll(self, request: web.Request) -> web.StreamResponse:
        """Give the next answer; hold the request when there is none."""
        self.polled.append(seen(request))
        if not self.polls:
            await self.over.wait()
            return web.Response(status=503)
        status, answer = self.polls.pop(0)
        return web.json_response(answer, status=status)

    async def on_request(self, request: web.Request) -> web.StreamResponse:
        """Give the next answer to anything else: ingest and admin."""
        self.posted.append(seen(request, await request.read()))
        self.first_post.set()
        status, answer = self.answers.pop(0)
        headers = {"Retry-After": "7"} if status in {429, 503} else None
        return web.json_response(answer, status=status, headers=headers)


def seen(request: web.Request, body: bytes = b"") -> Seen:
    """Return what a request brought, as plain values."""
    return Seen(f"{request.method} {request.path}", dict(request.query), dict(request.headers), body)


@asynccontextmanager
async def on_stage(relay: SmallRelay, port: int = 0) -> AsyncGenerator[SmallRelay]:
    """Serve the script on the loopback, on a free port unless one is given."""
    app = web.Application()
    app.router.add_get("/ws/admin/agent-swarm/{project}", relay.on_socket)
    app.router.add_get("/v1/public/agent-swarms/projects/{project}/events", relay.on_poll)
    app.router.add_route("*", "/{rest:.*}", relay.on_request)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    relay.url = "http://{}:{}".format(*runner.addresses[0])
    try:
        yield relay
    finally:
        relay.over.set()
        await runner.cleanup()


def established(cursor: str | None = None, **fields: object) -> Json:
    """Return the first message of a subscription."""
    opening = {
        "type": "connection_established",
        "project_id": "p",
        "timestamp": 1.0,
        "message": "Real-time updates active",
    }
    return opening | ({"cursor": cursor} if cursor else {}) | fields


def log(cursor: str, message: str = "hello", level: str = "info", **fields: object) -> Json:
    """Return one line of log."""
    line = {"type": "workflow_log", "project_id": "p", "timestamp": 2.0, "id": cursor, "received_at": 2.5}
    return line | {"level": level, "message": message} | fields


def progress(cursor: str, percent: float, message: str = "Building components...") -> Json:
    """Return how far the project is."""
    moved = {"type": "project_progress", "project_id": "p", "timestamp": 3.0, "id": cursor, "received_at": 3.5}
    return moved | {"progress": percent, "message": message}


def agent(cursor: str, name: str, status: str, percent: float = 50, **fields: object) -> Json:
    """Return what one agent does."""
    update = {"type": "agent_status_update", "project_id": "p", "timestamp": 4.0, "id": cursor, "received_at": 4.5}
    return update | {"agent": name, "status": status, "progress": percent} | fields


def batch(cursor: str, *messages: Json) -> str:
    """Return an envelope."""
    return json.dumps({"type": "batch", "cursor": cursor, "sent_at": 5.0, "messages": messages})
