"""A project by long poll, for ways that carry no WebSocket; heard as if it were one."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import Any, Literal

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Raw, Struct

from relayd.client.ending import Dropped, NoUpgrade, WatchEnded, judge_status, why_unreachable
from relayd.client.frames import BrokenFrameError, Frame, Received, read_message
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import ConnectionEstablished

__all__ = ["poll"]

WAIT = 25
"""Seconds that the relay may hold a request."""
MARGIN = 15
"""Seconds that the way there and back may take beyond it."""


class Answer(Struct):
    """What the relay says to one poll."""

    cursor: str
    messages: list[Raw]
    recovered: bool = True
    next_poll_ms: float = 0
    snapshot: dict[str, Any] | None = None


class Detail(Struct):
    """What the relay says when it refuses."""

    detail: str = ""


ANSWER = msgspec.json.Decoder(Answer)
DETAIL = msgspec.json.Decoder(Detail)


async def poll(
    http: ClientSession, url: str, project_id: str, params: Mapping[str, str], *, wait: int = WAIT
) -> AsyncGenerator[Frame]:
    """
    Yield frames for ever, the first one and every gap with a `connection_established` as a socket would say it.

    Raises Dropped when it is worth coming back, WatchEnded when it is not.
    """
    query = dict(params)
    fresh = True
    while True:
        # The first question is answered at once: a viewer wants to know that it is connected, not only what is new.
        answer = await ask(http, url, query | {"wait": "0" if fresh else str(wait)})
        gap = "after" in query and not answer.recovered
        try:
            received = [read_message(bytes(each)) for each in answer.messages]
        except BrokenFrameError as error:
            raise Dropped(str(error)) from error
        if fresh or gap:
            received.insert(0, opening(project_id, answer, after=query.get("after"), gap=gap))
        yield Frame(received, answer.cursor)
        if answer.next_poll_ms > 0 and not fresh:
            await asyncio.sleep(answer.next_poll_ms / 1000)
        query["after"] = answer.cursor
        query.pop("tail", None)
        fresh = False


async def ask(http: ClientSession, url: str, query: Mapping[str, str]) -> Answer:
    """Return the answer to one poll; raises Dropped or WatchEnded."""
    timeout = ClientTimeout(total=int(query["wait"]) + MARGIN)
    try:
        async with http.get(url, params=query, timeout=timeout) as response:
            body = await response.read()
            status, headers = response.status, response.headers
    except (ClientError, TimeoutError, OSError) as error:
        raise Dropped(f"the relay can't be reached: {why_unreachable(error)}") from error
    if status != HTTPStatus.OK:
        ending = judge_status(status, headers, said(body))
        # There is no third way: what answers neither as a socket nor as a poll is no relay.
        if isinstance(ending, NoUpgrade):
            raise WatchEnded(Disconnect.BAD_REQUEST, f"no relay answers at {url} (HTTP {status}); check the address")
        raise ending
    try:
        return ANSWER.decode(body)
    except msgspec.DecodeError as error:
        raise Dropped(f"the relay sent what is no answer: {error}") from error


def said(body: bytes) -> str:
    """Return the sentence of a refusal, empty when there is none."""
    try:
        return DETAIL.decode(body).detail
    except msgspec.DecodeError:
        return ""


def opening(project_id: str, answer: Answer, *, after: str | None, gap: bool) -> Received:
    """Return the `connection_established` that a socket would have said; its cursor stands before what follows."""
    replay: Literal["gap", "resume", "tail"] = "gap" if gap else "resume" if after else "tail"
    message = ConnectionEstablished(
        project_id=project_id,
        timestamp=time.time(),
        message="Updates by long poll",
        cursor=None if gap else after,
        recovered=not gap and after is not None,
        replay=replay,
        snapshot=answer.snapshot,
        synthetic=True,
    )
    return Received(message, msgspec.json.encode(message))
