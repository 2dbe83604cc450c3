"""`POST /v1/internal/events`: events over HTTP, answered once they are durable."""

from aiohttp import web

from relayd.api.asking import Authenticate, answer
from relayd.dialects.belonging import PROJECT_HEADER
from relayd.dialects.delivery import Delivery
from relayd.dialects.detect import DIALECT_HEADER
from relayd.ports import Clock, Ingest, Receipt, Unavailable
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.endpoints import INGEST
from relayd.relay.refusal import Refused

__all__ = ["MAX_BODY", "IngestApi"]

MAX_BODY = 8 * 1024 * 1024
"""Bytes of one body."""

MAX_MESSAGE_ID = 256
HEADERS = (DIALECT_HEADER, PROJECT_HEADER)
"""What of a request's headers is for those who read the body."""


class IngestApi:
    """Hands bodies over to the source and tells what became of them."""

    def __init__(self, source: Ingest, authenticate: Authenticate, clock: Clock) -> None:
        """Publish into a source on behalf of workers."""
        self._source = source
        self._authenticate = authenticate
        self._clock = clock

    def mount(self, router: web.UrlDispatcher, prefix: str) -> None:
        """Add the path; it has no alias, for it is no part of the public API."""
        if not prefix:
            router.add_post(INGEST, self.post)

    async def post(self, request: web.Request) -> web.Response:
        """Return `{cursor, accepted, repeated, rejected: [{reason, detail}]}`; 422 if every event was rejected."""
        viewer = self._authenticate(request).viewer
        if not viewer.worker:
            sentence = "this token is a viewer's; publish with a worker token (`relayd token --worker`)"
            raise Refused(Disconnect.FORBIDDEN, sentence, "no_worker")
        message_id = request.headers.get("Message-Id")
        if message_id is not None and len(message_id) > MAX_MESSAGE_ID:
            sentence = f"Message-Id: at most {MAX_MESSAGE_ID} characters"
            raise Refused(Disconnect.BAD_REQUEST, sentence, "malformed")
        delivery = Delivery(
            offset=0,
            body=await body(request),
            received_at=self._clock.now(),
            message_id=message_id or None,
            content_type=request.content_type,
            user_id=viewer.user,
            headers={name: request.headers[name] for name in HEADERS if name in request.headers},
            projects=None if not viewer.projects or "*" in viewer.projects else viewer.projects,
        )
        try:
            receipt = await self._source.offer(delivery)
        except Unavailable as error:
            raise Refused(Disconnect.OVERLOADED, str(error), "ingest") from error
        nothing = receipt.rejected and not receipt.accepted and not receipt.repeated
        return answer(shape(receipt), status=422 if nothing else 200)


async def body(request: web.Request) -> bytes:
    """Return the body; raises Refused for one over the bound, whatever its length was said to be."""
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        sentence = f"a body is at most {MAX_BODY} bytes; send the events in several"
        raise Refused(Disconnect.MESSAGE_TOO_BIG, sentence, "malformed") from error


def shape(receipt: Receipt) -> dict[str, object]:
    """Return the answer for a receipt."""
    rejected = [
        {"reason": item.reason.value if item.reason is not None else "", "detail": item.detail}
        for item in receipt.rejected
    ]
    return {
        "cursor": receipt.cursor,
        "accepted": receipt.accepted,
        "repeated": receipt.repeated,
        "rejected": rejected,
        **({"detail": rejected[0]["detail"], "code": "BAD_REQUEST"} if rejected and not receipt.accepted else {}),
    }
