"""A whole relay inside of the test: the daemon's own rooms, routes and listener on a free port, without a process."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from relayd.app.listening import listen
from relayd.app.rooms import Rooms, furnish
from relayd.app.routes import public_app
from relayd.config import load
from relayd.plugins import settings_of
from relayd.ports import Closing, Ingest
from relayd.relay.recheck import Recheck
from relayd.web.pages import Pages
from tests.harness.settled import Addresses, Event, Tables, write_settings

__all__ = ["InsideRelay", "inside"]


@dataclass
class InsideRelay(Addresses):
    """A running relay and its rooms, to look at and to turn at."""

    url: str
    rooms: Rooms
    http: aiohttp.ClientSession
    """A client that names no user; see `bearer`."""

    def bearer(self, user: str = "ada", **more: Any) -> dict[str, str]:  # noqa: ANN401  # what `signed` takes
        """Return headers that name a user."""
        return {"Authorization": f"Bearer {self.token(user, **more)}"}

    async def publish(self, *events: Event, message_id: str | None = None) -> dict[str, Any]:
        """Publish events as one body and return the ingest's answer once they are durable."""
        status, answer = await self.post(json.dumps(events).encode(), message_id=message_id)
        assert status == 200, answer
        return answer

    async def post(self, body: bytes, **more: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 - see below
        """Post a body as a worker (`message_id`, `headers`, or a token's `projects`); return status and answer."""
        headers = {**self.bearer("worker", worker=True, projects=more.get("projects", ())), **more.get("headers", {})}
        if more.get("message_id") is not None:
            headers["Message-Id"] = more["message_id"]
        async with self.http.post(self.ingest, data=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, address: str, **headers: str) -> tuple[int, Any]:
        """Return status and JSON of an answer, asked as ada unless `Authorization` is given."""
        async with self.http.get(address, headers={**self.bearer(), **headers}) as answer:
            return answer.status, await answer.json()

    def places(self) -> int:
        """Return how many connections hold a place."""
        return sum(self.rooms.presence.counts().values())

    async def until(self, condition: Any, *, seconds: float = 10) -> None:  # noqa: ANN401  # () -> bool
        """Return when something holds that nobody tells of; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  # nobody tells
                await asyncio.sleep(0.005)


@asynccontextmanager
async def inside(folder: Path, *tables: Tables) -> AsyncGenerator[InsideRelay]:
    """Serve with the tables of a configuration until the block ends."""
    config = load(write_settings(folder, *tables), {}, settings_of)
    rooms = await furnish(config)
    app = public_app(
        rooms.admission,
        rooms.lobby,
        transports=config.transport_settings,
        origins=rooms.origins,
        proxies=rooms.proxies,
        ingest=rooms.source if isinstance(rooms.source, Ingest) else None,
        redactor=lambda: rooms.intake.redactor,
        clock=rooms.clock,
        aliases=config.server.legacy_prefix,
    )
    if config.server.dashboard:
        Pages().mount(app.router)
    listener = await listen(app, host="127.0.0.1", port=0, path="")
    work = [rooms.intake.run(rooms.position()), rooms.journaling.keeper.write(), rooms.lobby.turn()]
    work += [Recheck(rooms.engine).run(), rooms.engine.vigil.run()]
    tasks = [asyncio.create_task(one) for one in work]
    try:
        async with aiohttp.ClientSession() as http:
            yield InsideRelay(listener.address, rooms, http)
    finally:
        rooms.admission.draining = True
        await rooms.lobby.empty(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await listener.stop()
        for authorizer in rooms.engine.authorizers:
            if isinstance(authorizer, Closing):
                await authorizer.close()
        if rooms.journal is not None:
            await rooms.journal.close()
