"""`POST /tickets`: a token in a header becomes a ticket that may stand in an address."""

from collections.abc import Callable

import msgspec
from aiohttp import web

from relayd.api.asking import answer, bad
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import PREFIX
from relayd.protocol.messages import ProjectId
from relayd.relay.admission import Proof
from relayd.relay.refusal import Refused, judging
from relayd.relay.tickets import Tickets

__all__ = ["TicketsApi"]

MAX_BODY = 4 * 1024
"""Bytes of a body; a project's name takes 128 of them."""

MEND = 'send {"project_id": "…"}, or nothing at all for a socket of many projects'


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a ticket is asked for."""

    project_id: ProjectId | None = None
    """None: a socket for many projects."""


class TicketsApi:
    """Hands out tickets to those who have a token."""

    def __init__(
        self,
        tickets: Tickets,
        prove: Callable[[web.Request], Proof],
        origin: Callable[[web.Request], str | None],
    ) -> None:
        """Ask `prove` who a request is from (it raises Refused), and `origin` whose page made it."""
        self._tickets = tickets
        self._prove = prove
        self._origin = origin

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the path below a prefix."""
        router.add_post(prefix + PREFIX + "/tickets", self.post)

    async def post(self, request: web.Request) -> web.Response:
        """Return 201 and `{ticket, expires_at}`; whether its user may see the project is asked when it is used."""
        proof = self._prove(request)
        wish = wished(await body(request))
        with judging():
            issued = self._tickets.issue(
                proof.token,
                project_id=wish.project_id,
                origin=self._origin(request),
                until=proof.viewer.expires_at,
            )
        return answer({"ticket": issued.text, "expires_at": issued.expires_at}, status=201)


async def body(request: web.Request) -> bytes:
    """Return the body; raises Refused for one over the bound, before the rest of it is read."""
    read = bytearray()
    async for chunk in request.content.iter_any():
        read += chunk
        if len(read) > MAX_BODY:
            raise Refused(Disconnect.MESSAGE_TOO_BIG, f"a body is at most {MAX_BODY} bytes; {MEND}", "malformed")
    return bytes(read)


def wished(read: bytes) -> Wish:
    """Return what a body asks for; raises Refused."""
    if not read:
        return Wish()
    try:
        return msgspec.json.decode(read, type=Wish)
    except (msgspec.MsgspecError, ValueError) as error:
        raise bad(f"the body can't be read: {error}; {MEND}") from error
