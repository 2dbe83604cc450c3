"""Where a host name led last: a name service that is away is no reason to be away, too."""

import asyncio
import socket

import aiormq
from yarl import URL

__all__ = ["RememberingTransport"]


class RememberingTransport(aiormq.TransportFactory):
    """Connects by name, and while the name can't be looked up, to the address that it had last."""

    def __init__(self, plain: aiormq.TransportFactory) -> None:
        self.plain = plain
        self._known: tuple[str, str] | None = None
        """A name and its address."""

    async def create(self, url: URL, **kwargs: object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return reader and writer of a new connection; raises what the plain factory raises."""
        host = str(url.host)
        try:
            reader, writer = await self.plain.create(url, **kwargs)
        except aiormq.AMQPConnectionError as error:
            if self._known is None or self._known[0] != host or not isinstance(error.__cause__, socket.gaierror):
                raise
            if url.scheme == "amqps":
                # Its certificate is made out to the name.
                kwargs["server_hostname"] = host
            try:
                return await self.plain.create(url.with_host(self._known[1]), **kwargs)
            except aiormq.AMQPConnectionError:
                # What an operator can mend first is the name.
                raise error from error.__cause__
        # One that is reset already has no peer any more.
        if peer := writer.get_extra_info("peername"):
            self._known = (host, str(peer[0]))
        return reader, writer
