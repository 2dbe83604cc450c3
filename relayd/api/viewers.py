"""Who is watching, and which connections are one's own."""

from aiohttp import web

from relayd.api.asking import Authenticate, answer
from relayd.protocol.endpoints import PREFIX, PROJECT
from relayd.relay.admission import Admission, public
from relayd.relay.refusal import NotFound

__all__ = ["ViewersApi"]


class ViewersApi:
    """Answers from the places that are taken."""

    def __init__(self, admission: Admission, authenticate: Authenticate) -> None:
        """Answer those whom admission would let watch."""
        self._admission = admission
        self._presence = admission.engine.presence
        self._authenticate = authenticate

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the paths below a prefix."""
        router.add_get(prefix + PROJECT + "/viewers", self.viewers)
        router.add_get(prefix + PREFIX + "/connections", self.own)
        router.add_delete(prefix + PREFIX + "/connections/{connection_id}", self.end)

    async def viewers(self, request: web.Request) -> web.Response:
        """`GET /projects/{id}/viewers`: `{viewers: [{user, transport, since}], total}`."""
        proof = self._authenticate(request)
        project = await self._admission.authorize(proof, request.match_info["project_id"])
        holders = await self._presence.of_project(project.id)
        watching = [{"user": held.user, "transport": held.transport, "since": held.since} for held in holders]
        return answer({"viewers": watching, "total": len(watching)})

    async def own(self, request: web.Request) -> web.Response:
        """`GET /connections`: `{connections: […], limit}`, the caller's own."""
        viewer = self._authenticate(request).viewer
        held = await self._presence.of_user(viewer.user)
        limit = self._admission.engine.limits.connections_per_user
        return answer({"connections": [public(holder) for holder in held], "limit": limit})

    async def end(self, request: web.Request) -> web.Response:
        """`DELETE /connections/{connection_id}`: end one of the caller's own."""
        viewer = self._authenticate(request).viewer
        if not await self._presence.evict(request.match_info["connection_id"], user=viewer.user):
            sentence = "you have no such connection; GET …/connections lists yours"
            raise NotFound(sentence)
        return web.Response(status=204)
