"""What a stranger reads over HTTP when it is not let in (docs/protocol.md section 4)."""

from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from relayd.ports import JournalError
from relayd.protocol.disconnect import Advice, Disconnect
from relayd.relay.refusal import Refused

__all__ = ["middleware", "response"]


def response(refused: Refused) -> web.Response:
    """Return the HTTP answer: `{"detail", "code"}` and what else helps, `Retry-After` where waiting helps."""
    disconnect = refused.disconnect
    headers = {}
    if disconnect.advice in {Advice.RETRY, Advice.RESUME} and disconnect.retry_after_ms:
        headers["Retry-After"] = str(-(-disconnect.retry_after_ms // 1000))
    if disconnect is Disconnect.AUTH_FAILED:
        headers["WWW-Authenticate"] = "Bearer"
    if (limit := refused.data.get("limit")) is not None:
        headers |= {"X-RateLimit-Limit": str(limit), "X-RateLimit-Remaining": "0"}
        headers["X-RateLimit-Reset"] = headers.get("Retry-After", "0")
    body = {"detail": refused.sentence, "code": refused.http_code, **refused.data}
    return web.Response(
        body=msgspec.json.encode(body),
        status=refused.http_status,
        content_type="application/json",
        headers=headers,
    )


def problem(status: int, code: str, sentence: str, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return `{"detail", "code"}` for what only HTTP knows."""
    body = msgspec.json.encode({"detail": sentence, "code": code})
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a refusal into its HTTP answer."""
    try:
        return await handler(request)
    except Refused as refused:
        return response(refused)
    except web.HTTPNotFound:
        return problem(404, "NOT_FOUND", "there is nothing at this path; docs/protocol.md lists what there is")
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return problem(405, "BAD_REQUEST", f"use {allowed} here, not {error.method[:40]}", headers={"Allow": allowed})
    except JournalError:
        # Told to the observer where it happened.
        sentence = "the relay can't read its journal; try again"
        return response(Refused(Disconnect.OVERLOADED, sentence, "journal"))
