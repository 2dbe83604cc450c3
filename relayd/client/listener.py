"""What the admin listener answers, whatever that is: for those who look at a relay that may be unwell."""

from types import TracebackType
from typing import Any, Self

import msgspec
from aiohttp import ClientError, ClientTimeout
from msgspec import Struct

from relayd.client.ending import why_unreachable
from relayd.client.http import Unreachable, listener_at

__all__ = ["Listener", "Said"]

MOST_BYTES = 8 * 1024 * 1024
"""A relay's answers are far smaller; what answers there may be anything."""


class Said(Struct, frozen=True):
    """One answer."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def told(self) -> dict[str, Any]:
        """Return the JSON object that it is, an empty one for anything else."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except msgspec.DecodeError:
            return {}


class Listener:
    """A listener at `http://host:port` or `unix:/path/of/socket`; an async context manager."""

    def __init__(self, url: str, *, seconds: float) -> None:
        """Take its address and the longest wait for an answer; raises ValueError."""
        self.url = url
        self._base, self._http = listener_at(url, ClientTimeout(total=seconds))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def get(self, path: str) -> Said:
        """Return what stands at a path; raises Unreachable."""
        try:
            async with self._http.get(f"{self._base}{path}", allow_redirects=False) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_any():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise Unreachable(f"what answers at {self.url} is no relay: it says too much")
                return Said(answer.status, bytes(body))
        except (ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{self.url} can't be reached: {why_unreachable(error)}") from error
