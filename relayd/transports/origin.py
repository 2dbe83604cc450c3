"""Which web pages may talk to the relay: browsers tell where a page came from, and nothing else stops a foreign one."""

from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from relayd.protocol.disconnect import Disconnect
from relayd.relay.refusal import Refused

__all__ = ["Origins"]


class Origins:
    """The exact allow-list; empty means pages from the relay's own host only."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """Keep the list; `*` is not a member, each origin is spelt out."""
        self.allowed = frozenset(allowed)

    def check(self, request: web.BaseRequest) -> str | None:
        """
        Return the origin of the page, None for a client that is no browser; raises Refused.

        A request without an origin is let through: it can't ride on a browser, and there are no cookies to ride on.
        """
        origin = request.headers.get("Origin")
        if origin is None or origin in self.allowed:
            return origin
        if not self.allowed and urlsplit(origin).netloc == request.host:
            return origin
        raise Refused(Disconnect.FORBIDDEN, "this page's origin is not in `server.origins`", "origin")

    def middleware(self) -> Middleware:
        """Return what answers preflights and names the origin on answers (Fetch Standard, CORS protocol)."""

        @web.middleware
        async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
            origin = self.check(request)
            if request.method == "OPTIONS":
                answer: web.StreamResponse = web.Response(status=204)
                answer.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
                answer.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Last-Event-ID"
                answer.headers["Access-Control-Max-Age"] = "600"
            else:
                answer = await handler(request)
            if origin is not None and not answer.prepared:
                answer.headers["Access-Control-Allow-Origin"] = origin
                answer.headers["Vary"] = "Origin"
            return answer

        return cors
