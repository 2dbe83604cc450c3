"""Where a text is to be found: in any file of a folder, in anything that a relay tells."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness.settled import Addresses, Event
from tests.harness.viewer import log
from tests.harness.ways import Heard, Way, polls, socket, stream

__all__ = ["END", "TRANSPORTS", "files_with", "history", "told"]

SECONDS = 20.0
END = "the end of what is looked through"
"""A project's last line of log, behind which nothing more is waited for."""

History = Callable[[Way, str, str | None], AsyncGenerator[Heard]]

TRANSPORTS: dict[str, History] = {
    "websocket": lambda way, project, after: socket(way, project, after, legacy=False),
    "longpoll": polls,
    "sse": stream,
}


def files_with(folder: Path, text: str) -> list[str]:
    """Return the names of the files in a folder in which these bytes stand."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes())


async def history(
    relay: Addresses, project: str, after: str | None = "0", *, transport: str = "websocket", tail: int = 1_000
) -> list[Event]:
    """Return what a viewer hears up to the last line, `END`; with `after` None it is a fresh one."""
    query = {"batch": "1"} | ({"tail": str(tail)} if after is None else {})
    found: list[Event] = []
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as http:
        heard = TRANSPORTS[transport](Way(relay, http, relay.token(), query), project, after)
        async for one in heard:
            if one.message is not None:
                found.append(one.message)
            if found and found[-1].get("message") == END:
                break
        await heard.aclose()
    return found


async def told(relay: Any, project: str) -> dict[str, str]:  # noqa: ANN401  # a relay that can be published to
    """Return all that a relay tells of a project, by who asks; a last line of log is published first."""
    await relay.publish(log(project, END))
    answers = {
        f"{transport} {after}": json.dumps(await history(relay, project, after, transport=transport))
        for transport in TRANSPORTS
        for after in ("0", None)
    }
    headers = {"Authorization": f"Bearer {relay.token()}"}
    pages = {"": {}, "/status": {}, "/agents": {}, "/logs": {"limit": 1_000}, "/export": {"limit": 1_000}}
    async with aiohttp.ClientSession(headers=headers) as http:
        for what, query in pages.items():
            async with http.get(relay.project(project, what, **query)) as answer:
                answers[what or "/"] = await answer.text()
        async with http.get(relay.api("/projects")) as answer:
            answers["/projects"] = await answer.text()
        async with http.get(f"{relay.admin_url}/rejected") as answer:
            answers["/rejected"] = await answer.text()
    return answers
