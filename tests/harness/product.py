"""The product's own API on the loopback: says who may see what, or does what APIs should not do, and remembers all."""

import asyncio
import ssl
from typing import NamedTuple

from aiohttp import web

from tests.harness.party import Party

__all__ = ["Asked", "ProductApi"]


class Asked(NamedTuple):
    """One question as it came."""

    project_id: str
    token: str
    target: str
    """Path and query as they were sent."""
    headers: dict[str, str]


class ProductApi(Party):
    """An API that grants what the test has not decided otherwise, by (token, project), by project, or for all."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        """Choose a port."""
        super().__init__("/projects/{project_id}/access", tls=tls)
        self.asked: list[Asked] = []
        self.decisions: dict[str | tuple[str, str], int] = {}
        """Project, or token and project → status."""
        self.status = 200
        self.body = b'{"access": true}'
        self.headers: dict[str, str] = {}
        self.under_way = 0
        self.most_at_once = 0
        self.url = f"{self.address}/projects/{{project_id}}/access?from=relayd"
        self._go = asyncio.Event()
        self._go.set()

    def hang(self) -> None:
        """Answer nobody from now on, and keep those who ask waiting."""
        self._go.clear()

    def go_on(self) -> None:
        """Answer again, and those who wait."""
        self._go.set()

    def projects(self) -> list[str]:
        """Return which projects were asked for, in order."""
        return [asked.project_id for asked in self.asked]

    async def _serve(self, request: web.Request) -> web.Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        assert scheme == "Bearer"
        project_id = request.match_info["project_id"]
        self.asked.append(Asked(project_id, token, request.raw_path, dict(request.headers)))
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await self._go.wait()
        finally:
            self.under_way -= 1
        status = self.decisions.get((token, project_id), self.decisions.get(project_id, self.status))
        return web.Response(status=status, body=b"" if status == 204 else self.body, headers=self.headers)
