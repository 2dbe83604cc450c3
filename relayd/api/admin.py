"""
The admin listener: probes, metrics and rejected events for operators and their tools.

It asks for no token, so it listens on loopback or a unix socket, and the proxy in front of the relay never leads here.
A browser on the same machine could be made to call it by any web page; requests that say they come from one and
change something are therefore refused.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from relayd.api.rejected import Replay, problem, rejected_routes
from relayd.api.unmapped import unmapped_routes
from relayd.ports import Clock, Journal

__all__ = ["Probes", "admin_app"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Probes(Protocol):
    """Who knows how the relay is."""

    def ready(self) -> tuple[bool, Mapping[str, str]]:
        """Return whether viewers should come, and a sentence for each check that says no."""
        ...

    def notes(self) -> Mapping[str, str]:
        """Return a sentence for each thing that is amiss and keeps no viewer away."""
        ...

    def live(self) -> tuple[bool, Mapping[str, object]]:
        """Return whether the relay keeps up, and figures."""
        ...


def admin_app(
    *,
    render_metrics: Callable[[], tuple[bytes, str]],
    health: Probes,
    clock: Clock,
    journal: Journal | None = None,
    replay: Replay | None = None,
    routes: Iterable[web.AbstractRouteDef] = (),
) -> web.Application:
    """
    Return the application.

    `GET /metrics`: Prometheus text.
    `GET /livez`: 200 or 503, `{"alive": bool, "loop_lag_seconds": float, "task_restarts": {task: count}}`.
    `GET /readyz`: 200 or 503, `{"ready": bool, "reasons": {check: sentence}, "notes": {check: sentence}}`.
    `/rejected…`, `/unmapped`, `/inspect`: see `relayd.api.rejected` and `unmapped`; absent without a journal.
    `routes`: what else operators may do (connections, revocations).
    """

    async def metrics(_request: web.Request) -> web.Response:
        body, content_type = render_metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def livez(_request: web.Request) -> web.Response:
        alive, figures = health.live()
        return _probe(alive, {"alive": alive, **figures})

    async def readyz(_request: web.Request) -> web.Response:
        ready, reasons = health.ready()
        return _probe(ready, {"ready": ready, "reasons": dict(reasons), "notes": dict(health.notes())})

    app = web.Application(middlewares=[_no_pages])
    app.add_routes([web.get("/metrics", metrics), web.get("/livez", livez), web.get("/readyz", readyz)])
    if journal is not None:
        app.add_routes([*rejected_routes(journal, clock, replay), *unmapped_routes(journal)])
    app.add_routes(routes)
    return app


@web.middleware
async def _no_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method not in {"GET", "HEAD"} and "Origin" in request.headers:
        return problem(403, "FORBIDDEN", "the admin listener takes no orders from web pages")
    return await handler(request)


def _probe(fine: bool, data: Mapping[str, object]) -> web.Response:  # noqa: FBT001 - the first half of a probe's answer
    # A proxy or browser that keeps an old answer would hide an outage.
    headers = {"Cache-Control": "no-store"}
    status = 200 if fine else 503
    return web.Response(body=msgspec.json.encode(data), status=status, headers=headers, content_type="application/json")
