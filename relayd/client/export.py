"""A project's kept events, read page by page from the first to the last that there is when it is reached."""

import asyncio
import random
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from msgspec import Raw, Struct

from relayd.client.address import Address
from relayd.client.backoff import PATIENCE, Backoff
from relayd.client.http import Refused, Unreachable, request

__all__ = ["Page", "export"]

TIMEOUT = ClientTimeout(total=60, connect=10)
PAGE = 500
TRIES = 8
"""So often one page is asked for of a relay that gave others before."""


class Page(Struct, frozen=True):
    """Some events in order, as bytes of JSON without a line feed."""

    project_id: str
    protocol: int
    whole: bool
    """None is missing before the first of them."""
    events: list[Raw]
    redacted: int = 0
    """Events in which a secret was hidden only now."""
    next: str | None = None
    """Cursor behind which it goes on; None on the last page."""
    snapshot: dict[str, Any] = {}
    """What the project had come to; on the last page only."""


async def export(
    url: str, token: str | None, project_id: str, *, limit: int = PAGE, backoff: Backoff = PATIENCE
) -> AsyncGenerator[Page]:
    """Yield pages until the last; raises ValueError (address or id), Refused, Unreachable."""
    address = Address.parse(url).export(project_id)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with ClientSession(headers=headers) as http:
        page = await ask(http, address, {"limit": str(limit)})
        yield page
        while page.next is not None:
            page = await insist(http, address, {"limit": str(limit), "after": page.next}, backoff)
            yield page


async def insist(http: ClientSession, address: str, query: dict[str, str], backoff: Backoff) -> Page:
    """Return a page of a relay that was there a moment ago, and may be restarting; raises Refused, Unreachable."""
    attempt = 0
    while True:
        try:
            return await ask(http, address, query)
        except (Refused, Unreachable) as error:
            attempt += 1
            retry_after = 0.0
            if isinstance(error, Refused):
                if error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status != HTTPStatus.TOO_MANY_REQUESTS:
                    raise
                retry_after = error.retry_after
            if attempt == TRIES:
                raise
            # Jitter against a herd, no secret.
            delay = backoff.delay(attempt, retry_after=retry_after, chance=random.random())  # noqa: S311
            await asyncio.sleep(delay)


async def ask(http: ClientSession, address: str, query: dict[str, str]) -> Page:
    """Return one page; raises Refused, Unreachable."""
    return await request(http, "GET", address, Page, query=query, patience=TIMEOUT)
