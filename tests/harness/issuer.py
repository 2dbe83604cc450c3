"""An address on the loopback where an issuer publishes its keys, or does what such addresses should not do."""

import asyncio
import json
import ssl

from aiohttp import web

from tests.harness.pairs import Jwk
from tests.harness.party import Party

__all__ = ["Issuer"]


class Issuer(Party):
    """An address that says what it is told to say, and counts who asks; it comes and goes on the same port."""

    def __init__(self, *keys: Jwk, tls: ssl.SSLContext | None = None) -> None:
        """Choose a port and publish these keys."""
        super().__init__("/{path:.*}", tls=tls)
        self.asked = 0
        self.url = f"{self.address}/jwks.json"
        self.publish(*keys)

    def publish(self, *keys: Jwk) -> None:
        """Say a JWK set from now on."""
        self.say(json.dumps({"keys": keys}))

    def say(self, body: str | bytes, *, status: int = 200, **headers: str) -> None:
        """Say this from now on; headers with _ for -."""
        self._said: tuple[bytes, int, dict[str, str]] | None = (
            body.encode() if isinstance(body, str) else body,
            status,
            {name.replace("_", "-"): value for name, value in headers.items()},
        )
        self._drips = False

    def hang(self) -> None:
        """Say nothing from now on, and keep those who ask waiting."""
        self._said = None

    def drip(self) -> None:
        """Say what was said byte by byte from now on, so that it never comes to an end."""
        self._drips = True

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self._said is None:
            await asyncio.Event().wait()
            raise AssertionError("woken")
        body, status, headers = self._said
        if not self._drips:
            return web.Response(body=body, status=status, headers=headers)
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b" ")
            await asyncio.sleep(0.02)
