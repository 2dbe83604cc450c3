"""Fetching tickets, and coming with one over whatever transport."""

import itertools
import json
from contextlib import suppress
from typing import Any

import aiohttp
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.harness.settled import Addresses
from tests.harness.viewer import watch

__all__ = ["WAYS", "comes", "fetched", "issued"]

WAYS = ("modern", "legacy", "sse", "longpoll")
"""How one project is watched; `many` is the socket for many."""

ADDRESSES = itertools.count(1)


async def issued(
    relay: Addresses, project_id: str | None = "p", *, token: str | None = None, origin: str | None = None
) -> dict[str, Any]:
    """Return a ticket and until when it is good."""
    headers = {"Authorization": f"Bearer {relay.token() if token is None else token}", **of_page(origin)}
    wish = {} if project_id is None else {"project_id": project_id}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(relay.api("/tickets"), json=wish) as answer,
    ):
        assert answer.status == 201, await answer.text()
        told: dict[str, Any] = await answer.json()
        return told


async def fetched(relay: Addresses, project_id: str | None = "p", **how: Any) -> str:  # noqa: ANN401 - see `issued`
    """Return the text of a ticket."""
    ticket: str = (await issued(relay, project_id, **how))["ticket"]
    return ticket


async def comes(
    relay: Addresses,
    way: str,
    ticket: str,
    project_id: str = "p",
    *,
    origin: str | None = None,
    **query: Any,  # noqa: ANN401  # the parameters of a viewer's address
) -> tuple[int, str]:
    """
    Return what a viewer with a ticket was told: 101 or 200 if it was let in, else a status or close code and sentence.

    It comes from another address each time, for who is refused often is answered late; and leaves at once.
    """
    number = next(ADDRESSES)
    headers = {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", **of_page(origin)}
    asked = {"ticket": ticket, **query}
    if way in {"sse", "longpoll"}:
        what = {"sse": "/stream", "longpoll": "/events"}[way]
        address = relay.project(project_id, what, wait=0 if way == "longpoll" else None, **asked)
        async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as answer:
            return answer.status, "" if answer.status == 200 else (await answer.json())["detail"]
    offered = [] if way == "legacy" else ["relayd.v1"]
    try:
        async with watch(
            relay, None if way == "many" else project_id, subprotocols=offered, headers=headers, **asked
        ) as viewer:
            with suppress(ConnectionClosed):
                if way == "many":
                    await viewer.says({"type": "ping"})
                while (await viewer.frame())["type"] not in {"connection_established", "pong"}:
                    pass
                return 101, ""
            reason = viewer.socket.close_reason or ""
            return viewer.socket.close_code or 0, reason.partition(": ")[2].partition("; retry_after_ms")[0]
    except InvalidStatus as error:
        return error.response.status_code, json.loads(error.response.body or b"{}")["detail"]


def of_page(origin: str | None) -> dict[str, str]:
    """Return what a browser says of the page that asks."""
    return {} if origin is None else {"Origin": origin}
