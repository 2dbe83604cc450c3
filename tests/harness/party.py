"""A third party on the loopback that a relay asks over HTTP; it comes and goes on the same port."""

import ssl
from typing import Self

from aiohttp import web

from tests.harness.process import free_port

__all__ = ["Party"]


class Party:
    """Answers one path with `_serve`."""

    def __init__(self, path: str, *, tls: ssl.SSLContext | None = None) -> None:
        """Choose a port."""
        self.port = free_port()
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._path = path
        self._tls = tls
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen."""
        app = web.Application()
        app.router.add_get(self._path, self._serve)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True).start()

    async def stop(self) -> None:
        """Be gone."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError
