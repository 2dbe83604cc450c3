"""Everything that viewers and workers can ask for, on one application."""

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from relayd.api.export import ExportApi
from relayd.api.ingest import MAX_BODY, IngestApi
from relayd.api.projects import ProjectsApi
from relayd.api.tickets import TicketsApi
from relayd.api.viewers import ViewersApi
from relayd.core.redaction import Redactor
from relayd.plugins import TRANSPORTS, find
from relayd.ports import Clock, Ingest
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import ALIASES
from relayd.relay.admission import Admission, Proof
from relayd.relay.lobby import Lobby
from relayd.relay.refusal import Refused
from relayd.transports import asking
from relayd.transports.forwarded import Proxies
from relayd.transports.origin import Origins, foreign
from relayd.transports.refusing import Refusals, forbid_guessing, name_server

__all__ = ["public_app"]


def public_app(  # noqa: PLR0913  # one for each thing that a room needs
    admission: Admission,
    lobby: Lobby,
    *,
    transports: Mapping[str, Any],
    origins: Origins,
    proxies: Proxies,
    ingest: Ingest | None,
    redactor: Callable[[], Redactor],
    clock: Clock,
    aliases: bool,
) -> web.Application:
    """Return the application; `transports` are settings by name, or None; raises PluginError for one there is not."""

    def stay_open() -> None:
        if admission.draining:
            # What is asked or published now may not be answered any more.
            raise Refused(Disconnect.RESTARTING, "this relay is restarting; try again", "draining")

    def known(request: web.Request) -> Proof:
        stay_open()
        return admission.prove(asking.token(request), remote=request.remote or "")

    def authenticate(request: web.Request) -> Proof:
        proof = known(request)
        admission.restraint.request(proof.viewer.user)
        return proof

    def authenticate_worker(request: web.Request) -> Proof:
        proof = known(request)
        admission.restraint.publish(proof.viewer.user)
        return proof

    def prove(request: web.Request) -> Proof:
        stay_open()
        # A token that stands in an address is not worth a ticket any more.
        proof = admission.prove(asking.bearer(request), remote=request.remote or "")
        admission.restraint.request(proof.viewer.user)
        return proof

    refusals = Refusals(admission)
    app = web.Application(
        middlewares=[proxies.middleware, refusals.middleware, origins.middleware], client_max_size=MAX_BODY
    )
    app.on_response_prepare.extend((origins.name, name_server, forbid_guessing))
    rooms = [
        find(TRANSPORTS, name)(*(() if settings is None else (settings,)), admission, lobby)
        for name, settings in transports.items()
    ]
    rooms += [ProjectsApi(admission, authenticate), ViewersApi(admission, authenticate)]
    rooms.append(ExportApi(admission, authenticate, redactor))
    rooms.append(TicketsApi(admission.tickets, prove, foreign))
    if ingest is not None:
        rooms.append(IngestApi(ingest, authenticate_worker, clock))
    for prefix in ALIASES if aliases else ("",):
        for room in rooms:
            room.mount(app.router, prefix)
    return app
