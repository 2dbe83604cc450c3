"""Single questions over HTTP: publish events to the embedded ingest, ask the admin listener."""

from collections.abc import Mapping
from http import HTTPStatus
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, UnixConnector
from msgspec import Struct, field

from relayd.client.address import Address
from relayd.client.ending import why_unreachable

__all__ = [
    "Accepted",
    "Admin",
    "Publisher",
    "Purged",
    "Refusal",
    "Refused",
    "RejectedEvent",
    "RejectedPage",
    "Unreachable",
    "listener_at",
    "post_events",
    "request",
]

TIMEOUT = ClientTimeout(total=60, connect=10)
"""An ingest answers after its events are on disk, which may take a while on a busy one."""
PATIENT = ClientTimeout(total=None, connect=10)
"""A journal of gigabytes is written anew by a purge."""
CONTENT_TYPE = "application/json"

Answer = TypeVar("Answer")


class Unreachable(Exception):
    """Nobody answered; whether a request was processed is not known."""


class Refused(Exception):
    """The relay said no; `status` and `code` are of docs/protocol.md section 4, the message is its sentence."""

    def __init__(self, status: int, code: str, sentence: str, retry_after: float = 0.0) -> None:
        """Keep what the answer said; `retry_after` in seconds, 0 where it did not say."""
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.retry_after = retry_after


class Refusal(Struct):
    """Why one event of a body was not accepted."""

    reason: str = ""
    detail: str = ""


class Accepted(Struct):
    """What became of a body that was posted: counts of its events, and the cursor behind the last one."""

    cursor: str
    accepted: int = 0
    repeated: int = 0
    rejected: list[Refusal] = []


class RejectedEvent(Struct, kw_only=True):
    """An event that could not be understood; headers and body are only there when one is shown."""

    number: int
    reason: str
    detail: str = ""
    cursor: str = ""
    received_at: float = 0.0
    replayed_at: float | None = None
    size: int = field(default=0, name="bytes")
    truncated: bool = False
    """Only the beginning of the body was kept, so it can't be replayed."""
    headers: dict[str, Any] = {}
    body: bytes = field(default=b"", name="body_base64")


class RejectedPage(Struct):
    """Some rejected events, newest first; `next` is the `before` of the next page, None on the last."""

    rejected: list[RejectedEvent]
    next: int | None = None


class Purged(Struct):
    """What became of a purge: how many events went, and sentences about where else they may be."""

    events: int
    notes: list[str] = []


class Complaint(Struct):
    """The body of every HTTP error."""

    detail: str = ""
    code: str = ""


COMPLAINT = msgspec.json.Decoder(Complaint)


class Publisher:
    """Posts bodies to one relay over one connection; an async context manager."""

    def __init__(self, url: str, token: str | None, *, tls: SSLContext | None = None) -> None:
        """Take the base address of the relay; trust whom `tls` trusts, else whom the system does; raises ValueError."""
        self._url = Address.parse(url).ingest()
        headers = {"Content-Type": CONTENT_TYPE} | ({"Authorization": f"Bearer {token}"} if token else {})
        connector = None if tls is None else TCPConnector(ssl=tls)
        self._http = ClientSession(headers=headers, timeout=TIMEOUT, connector=connector)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def post(self, body: bytes, *, message_id: str | None = None) -> Accepted:
        """
        Return what became of the events of a body once they are durable; raises Refused or Unreachable.

        After Unreachable send the same body with the same id again: the relay recognises the repeat.
        """
        headers = {"Message-Id": message_id} if message_id else None
        return await request(self._http, "POST", self._url, Accepted, body=body, headers=headers)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._http.close()


async def post_events(url: str, token: str | None, body: bytes, *, message_id: str | None = None) -> Accepted:
    """Post one body and return what became of it; raises Refused, Unreachable or ValueError (the address)."""
    async with Publisher(url, token) as publisher:
        return await publisher.post(body, message_id=message_id)


def listener_at(url: str, timeout: ClientTimeout) -> tuple[str, ClientSession]:
    """Return the base address and a session for `http://host:port` or `unix:/path/of/socket`; raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path:
        return "http://localhost", ClientSession(connector=UnixConnector(parts.path), timeout=timeout)
    return Address.parse(url).base, ClientSession(timeout=timeout)


class Admin:
    """The admin listener of a relay, at `http://host:port` or `unix:/path/of/socket`; an async context manager."""

    def __init__(self, url: str) -> None:
        """Take its address; raises ValueError."""
        self._base, self._http = listener_at(url, TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def list_rejected(self, *, limit: int, before: int | None = None) -> RejectedPage:
        """Return rejected events, newest first, those below the number `before`; raises Refused or Unreachable."""
        query = {"limit": str(limit)} | ({} if before is None else {"before": str(before)})
        return await request(self._http, "GET", f"{self._base}/rejected", RejectedPage, query=query)

    async def show_rejected(self, number: int) -> RejectedEvent:
        """Return one rejected event with its bytes; raises Refused or Unreachable."""
        return await request(self._http, "GET", f"{self._base}/rejected/{number}", RejectedEvent)

    async def replay(self, number: int, *, again: bool = False) -> None:
        """Have one published again, `again` even if it was before; raises Refused or Unreachable."""
        query = {"again": "1"} if again else None
        await request(self._http, "POST", f"{self._base}/rejected/{number}/replay", dict[str, Any], query=query)

    async def purge(self, what: Mapping[str, str]) -> Purged:
        """Have a `project` or an `event` (a cursor) removed for good; raises Refused or Unreachable."""
        body = msgspec.json.encode(what)
        return await request(self._http, "POST", f"{self._base}/purge", Purged, body=body, patience=PATIENT)

    async def order(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        *,
        order: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to an order or a question below the listener's address; raises Refused or Unreachable."""
        body = None if order is None else msgspec.json.encode(order)
        return await request(self._http, method, f"{self._base}{path}", kind, body=body, query=query)


async def request(
    http: ClientSession,
    method: str,
    url: str,
    kind: type[Answer],
    *,
    body: bytes | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    patience: ClientTimeout = TIMEOUT,
) -> Answer:
    """Return the answer read as `kind`; raises Refused or Unreachable."""
    try:
        async with http.request(method, url, data=body, params=query, headers=headers, timeout=patience) as response:
            said = await response.read()
            status, answered = response.status, response.headers
    except (ClientError, TimeoutError, OSError) as error:
        raise Unreachable(f"{url} can't be reached: {why_unreachable(error)}") from error
    if status >= HTTPStatus.BAD_REQUEST:
        raise complaint(status, answered, said)
    try:
        return msgspec.json.decode(said or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Unreachable(f"what answers at {url} is no relay of this version: {error}") from error


def complaint(status: int, headers: Mapping[str, str], body: bytes) -> Refused:
    """Return what an HTTP error says, whoever wrote it: the relay or something in front of it."""
    try:
        said = COMPLAINT.decode(body)
    except msgspec.DecodeError:
        said = Complaint()
    asked = headers.get("Retry-After", "")
    retry_after = float(asked) if asked.isascii() and asked.isdigit() else 0.0
    return Refused(status, said.code, said.detail or f"the answer was HTTP {status}", retry_after)
