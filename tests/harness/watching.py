"""Viewers over each transport, each watching until it is told why it ends."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from websockets.exceptions import ConnectionClosed

from tests.harness.daemon import PrivateRelay
from tests.harness.viewer import Viewer, watch

__all__ = ["WAYS", "Watching", "watching"]

WAYS = ("modern", "legacy", "many", "sse", "longpoll")


class Watching:
    """One viewer, over whatever transport, until it is told why it ends."""

    def __init__(self, relay: PrivateRelay, way: str, *, token: str) -> None:
        self.relay = relay
        self.way = way
        self.token = token
        self.lines: list[str] = []
        self.began = asyncio.Event()
        self.task = asyncio.create_task(self._watch())

    async def _watch(self) -> tuple[int, str]:
        """Return the close code, or an HTTP status, and the reason."""
        if self.way == "longpoll":
            return await self._poll()
        if self.way == "sse":
            return await self._stream()
        project_id = None if self.way == "many" else "p"
        async with watch(self.relay, project_id, token=self.token, legacy=self.way == "legacy", tail=0) as viewer:
            if self.way == "many":
                await viewer.says({"type": "subscribe", "project_id": "p"})
            return await self._socket(viewer)

    async def _socket(self, viewer: Viewer) -> tuple[int, str]:
        with suppress(ConnectionClosed):
            while True:
                frame: dict[str, Any] = json.loads(await viewer.socket.recv())
                for message in frame.get("messages", [frame]):
                    self._note(message)
        return viewer.socket.close_code or 0, viewer.socket.close_reason or ""

    async def _stream(self) -> tuple[int, str]:
        address = self.relay.project("p", "/stream", token=self.token, tail=0)
        async with aiohttp.ClientSession() as http, http.get(address) as answer:
            assert 200 == answer.status, await answer.text()
            async for line in answer.content:
                if line.startswith(b"data: "):
                    message = json.loads(line[6:])
                    self._note(message)
                    if "close_code" in message.get("data", {}):
                        return message["data"]["close_code"], f"{message['code']}: {message['detail']}"
        return 0, "it just ended"

    async def _poll(self) -> tuple[int, str]:
        after = "0"
        async with aiohttp.ClientSession() as http:
            while True:
                address = self.relay.project("p", "/events", token=self.token, after=after, wait=55)
                asking = asyncio.create_task(http.get(address))
                self.began.set()
                async with await asking as answer:
                    told = await answer.json()
                if answer.status != 200:
                    return answer.status, f"{told['code']}: {told['detail']}"
                after = told["cursor"]
                for message in told["messages"]:
                    self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        if message["type"] == "connection_established":
            self.began.set()
        if message["type"] == "workflow_log":
            self.lines.append(message["message"])

    async def hears(self, text: str) -> None:
        """Return when it was shown a line; raises AssertionError if it ends instead."""
        async with asyncio.timeout(30):
            while text not in self.lines:
                assert not self.task.done(), self.task.result()
                await asyncio.sleep(0.02)


@asynccontextmanager
async def watching(relay: PrivateRelay, **tokens: str) -> AsyncGenerator[dict[str, Watching]]:
    """Give viewers by the name of their way, each with its token, all of them there."""
    viewers = {name: Watching(relay, name.partition("_")[0], token=token) for name, token in tokens.items()}
    try:
        for viewer in viewers.values():
            await viewer.began.wait()
        polls = sum(viewer.way == "longpoll" for viewer in viewers.values())
        await asyncio.to_thread(relay.wait_for_metric, 'relayd_connections{transport="longpoll"}', polls)
        yield viewers
    finally:
        for viewer in viewers.values():
            viewer.task.cancel()
        await asyncio.gather(*(viewer.task for viewer in viewers.values()), return_exceptions=True)
