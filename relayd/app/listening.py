"""The two listeners: one for viewers and workers, one for operators."""

import socket
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

__all__ = ["KEPT_SECONDS", "Listener", "listen"]

KEPT_SECONDS = 75.0
"""So long a connection waits for its next request; a proxy must let go of it before, or would send one to nobody."""

BACKLOG = 1024
MAX_HEADER = 16 * 1024
"""Bytes of the request line and of each header."""


class Reception(web.RequestHandler):
    """
    The library's side of a connection, that tells strangers nothing of what it is made of.

    A request that can't be read comes to no handler and no middleware of ours: the library would answer with its name,
    its version and the line that it tripped over, and write a traceback of it into the log, which anybody could fill.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what is no request, in the shape of all errors; a fault of ours is logged, too."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            answer = super().handle_error(request, status, exc, message)
        else:
            detail = "this can't be read as a request; send what RFC 9112 asks for, in at most 16 KiB a line"
            answer = web.json_response({"detail": detail, "code": "BAD_REQUEST"}, status=status)
            answer.force_close()
        answer.headers["Server"] = "relayd"
        return answer


class Server(web.Server):
    """Gives each connection its reception."""

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return Reception(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on such a server; the library has no other way to choose one (aiohttp 3.14)."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,  # noqa: SLF001  # what it was made with
            **made._kwargs,  # noqa: SLF001  # the same
        )


class Listener:
    """A running server on a port or a unix socket."""

    def __init__(self, runner: web.AppRunner, site: web.BaseSite, address: str) -> None:
        """Keep what is needed to stop it."""
        self._runner = runner
        self._site = site
        self.address = address
        """`http://host:port`, or `unix:/path`."""

    async def close_doors(self) -> None:
        """Accept nobody any more; those who are in stay."""
        await self._site.stop()

    async def stop(self) -> None:
        """End it with all that is still open."""
        await self._runner.cleanup()


async def listen(app: web.Application, *, host: str, port: int, path: str, patience: float | None = None) -> Listener:
    """
    Return a running server; raises OSError when the address is taken.

    A connection that takes no byte for `patience` seconds with data waiting is lost: its peer is frozen or gone.
    """
    runner = Runner(
        app,
        # Tokens may stand in an address, so the library writes no access log.
        access_log=None,
        # Without it a viewer that went away keeps its handler, and with it its place, until the handler writes.
        handler_cancellation=True,
        shutdown_timeout=1.0,
        keepalive_timeout=KEPT_SECONDS,
        max_line_size=MAX_HEADER,
        max_field_size=MAX_HEADER,
    )
    await runner.setup()
    try:
        if path:
            unix = web.UnixSite(runner, path, backlog=BACKLOG)
            await unix.start()
            # The proxy has an account of its own; the folder says who may come near.
            Path(path).chmod(0o660)  # noqa: ASYNC240  # one call at start
            return Listener(runner, unix, f"unix:{path}")
        site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_address=True)
        await site.start()
        if patience is not None:
            bound_silence(site, patience)
    except BaseException:
        await runner.cleanup()
        raise
    return Listener(runner, site, f"http://{shown(host)}:{runner.addresses[0][1]}")


def bound_silence(site: web.TCPSite, patience: float) -> None:
    """Let the kernel give up (TCP_USER_TIMEOUT, tcp(7)); else it asks a silent peer for a quarter of an hour."""
    server = site._server  # noqa: SLF001  # the sockets are nowhere else
    for listening in getattr(server, "sockets", ()):
        # Those that are accepted take it over.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(patience * 1_000))


def shown(host: str) -> str:
    """Return a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host
