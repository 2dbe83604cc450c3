"""What a stranger reads over HTTP when it is not let in (docs/protocol.md section 4)."""

from collections.abc import Mapping

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from relayd.ports import JournalError
from relayd.protocol.disconnect import Advice, Disconnect
from relayd.relay.admission import Admission
from relayd.relay.refusal import Refused
from relayd.relay.restraint import FAILED_LOGINS

__all__ = ["Refusals", "fault", "forbid_guessing", "name_server", "response"]

HTTP = "http"
"""Stands for the transport where a request has none."""


def response(refused: Refused) -> web.Response:
    """Return the HTTP answer: `{"detail", "code"}` and what else helps, `Retry-After` where waiting helps."""
    disconnect = refused.disconnect
    headers = {}
    if disconnect.advice in {Advice.RETRY, Advice.RESUME} and refused.retry_after_ms:
        headers["Retry-After"] = str(-(-refused.retry_after_ms // 1000))
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


def fault(admission: Admission, error: Exception) -> Refused:
    """Return the refusal for a fault of ours: the observer is told, and the viewer learns the incident's number."""
    incident = admission.engine.observer.failed("request", error)
    return Refused(Disconnect.SERVER_ERROR, f"a fault of ours, incident {incident}", "fault")


class Refusals:
    """Turns whatever ends a request early into its HTTP answer."""

    def __init__(self, admission: Admission) -> None:
        """Tell an admission's observer."""
        self._admission = admission

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer with what the handler says, or why it does not."""
        try:
            return await handler(request)
        except Refused as refused:
            self._admission.count(HTTP, refused)
            if refused.reason == FAILED_LOGINS:
                await self._admission.restraint.hold_back(request.remote or "", refused)
            return response(refused)
        except web.HTTPNotFound:
            return problem(404, "NOT_FOUND", "there is nothing at this path; docs/protocol.md lists what there is")
        except web.HTTPMethodNotAllowed as error:
            use = ", ".join(sorted(error.allowed_methods))
            return problem(405, "BAD_REQUEST", f"use {use} here, not {error.method[:40]}", headers={"Allow": use})
        except web.HTTPException:
            raise
        except JournalError:
            # Told to the observer where it happened.
            sentence = "the relay can't read its journal; try again"
            return response(Refused(Disconnect.OVERLOADED, sentence, "journal"))
        except Exception as error:  # noqa: BLE001  # the net for one broken request: a session's over HTTP
            return response(fault(self._admission, error))


async def name_server(_request: web.Request, answer: web.StreamResponse) -> None:
    """Say who serves, and not in which version of what: that helps only those who look for a known hole."""
    answer.headers["Server"] = "relayd"


async def forbid_guessing(_request: web.Request, answer: web.StreamResponse) -> None:
    """Let no browser take an answer for anything but what it is: what a worker wrote stands in it (Fetch, nosniff)."""
    answer.headers["X-Content-Type-Options"] = "nosniff"
