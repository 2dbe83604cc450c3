"""
A relay as a Python program sees it.

    async with RelayClient("https://relay.example", token=token) as relay:
        async for message in relay.watch("shop-1", types=["workflow_log"]):
            print(message.level, message.message)
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from relayd.client.watch import Token, Watcher
from relayd.protocol.commands import Selection

__all__ = ["RelayClient"]


class RelayClient:
    """Watches projects of one relay; what it watches ends with it."""

    def __init__(self, url: str, *, token: Token = None) -> None:
        """Take the relay's base address, and a token or an async function that returns one."""
        self._url = url
        self._token = token
        self._watchers: list[Watcher] = []

    async def __aenter__(self) -> Self:
        """Begin; nothing is connected before something is watched."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End what is still watched."""
        for watcher in self._watchers:
            await watcher.close()

    def watch(
        self,
        project_id: str,
        *,
        types: Iterable[str] | None = None,
        level: str | None = None,
        agent: Iterable[str] | None = None,
        q: str | None = None,
        after: str | None = None,
        tail: int | None = None,
    ) -> Watcher:
        """
        Return an async iterator over a project's messages, typed, resumed after every cut; raises ValueError.

        Its `cursor` is where to go on from in another run: give it as `after`.
        """
        selection = Selection(
            types=None if types is None else frozenset(types),
            level=level,
            agent=None if agent is None else frozenset(agent),
            q=q,
        )
        watcher = Watcher(self._url, self._token, project_id, after=after, tail=tail, selection=selection)
        self._watchers.append(watcher)
        return watcher
