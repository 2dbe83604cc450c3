"""Which web pages may talk to the relay: browsers tell where a page came from, and nothing else stops a foreign one."""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from relayd.protocol.disconnect import Disconnect
from relayd.relay.refusal import Refused

__all__ = ["Origins", "foreign"]

EXPOSED = "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
"""What a page may read beside the body: when to come back."""


def foreign(request: web.BaseRequest) -> str | None:
    """
    Return the origin of a page of another host, None for a page of the relay's own host and for who is no page.

    Those two are not told apart: a browser names no origin when a page asks its own host with GET.
    """
    origin = request.headers.get("Origin")
    return None if origin is None or is_own(request, origin) else origin


def is_own(request: web.BaseRequest, origin: str) -> bool:
    """Tell whether a page of that origin came from the host that is asked."""
    try:
        return urlsplit(origin).netloc == request.host
    except ValueError:
        return False


class Origins:
    """The exact allow-list; empty means pages from the relay's own host only."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """Keep the list; `*` is not a member, each origin is spelt out."""
        self.allowed = frozenset(allowed)

    def allows(self, request: web.BaseRequest, origin: str) -> bool:
        """Tell whether a page of that origin may ask."""
        return origin in self.allowed if self.allowed else is_own(request, origin)

    def check(self, request: web.BaseRequest) -> str | None:
        """
        Return the origin of the page, None for a client that is no browser; raises Refused.

        A request without an origin is let through: it can't ride on a browser, and there are no cookies to ride on.
        """
        origin = request.headers.get("Origin")
        if origin is None or self.allows(request, origin):
            return origin
        raise Refused(Disconnect.FORBIDDEN, "this page's origin is not in `server.origins`", "origin")

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign pages and answer preflights (Fetch Standard, CORS protocol)."""
        self.check(request)
        if request.method != "OPTIONS":
            return await handler(request)
        headers = {
            "Access-Control-Allow-Methods": "GET, POST, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
            "Access-Control-Max-Age": "600",
        }
        return web.Response(status=204, headers=headers)

    async def name(self, request: web.Request, answer: web.StreamResponse) -> None:
        """
        Name the page's origin on an answer that is about to begin.

        Not in the middleware: that never sees refusals, and sees a stream only when it has ended.  Without it a page
        can read neither the stream nor why it was refused.
        """
        origin = request.headers.get("Origin")
        if origin is not None and self.allows(request, origin):
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Expose-Headers"] = EXPOSED
            answer.headers["Vary"] = ", ".join([*answer.headers.getall("Vary", []), "Origin"])
