"""Errors over HTTP, what pages of other origins may read, and that no token comes back (section 4)."""

from collections.abc import Iterable

from relayd.client.visitor import Answer
from relayd.conformance.clause import GIVE_TOKEN, Clause
from relayd.conformance.reading import told
from relayd.conformance.scene import Scene
from relayd.doctor.finding import Finding
from relayd.protocol.endpoints import PREFIX

__all__ = ["echoes", "errors", "pages", "shape_mistakes"]

MEND = "errors must pass as they are: nothing on the way may put pages of its own in their place"
ABSENT = Clause(4, "404 for what is not there", MEND)
METHOD = Clause(4, "405 for another method", MEND)
HEAD = Clause(4, "405 for HEAD", MEND)
UPGRADE = Clause(4, "426 for a WebSocket's path without one", MEND)
STORE = Clause(
    4, "no answer is kept", "no cache for these paths, and nothing that takes `Cache-Control: no-store` away"
)
PREFLIGHT = Clause(
    4, "the page of --origin", "list it in `server.origins`, and let OPTIONS and its answer pass as they are"
)
ECHO = Clause(
    4, "no token comes back", "nothing may write a token where it is logged or cached: take it out of what is added"
)

NOBODY = "relayd-conformance"


def shape_mistakes(answer: Answer, code: str) -> list[str]:
    """Return what is wrong with the body of an error: `{"detail", "code"}`."""
    body = told(answer.body)
    if not isinstance(body.get("detail"), str) or not body["detail"] or body.get("code") != code:
        kind = answer.headers.get("content-type", "no type")
        return [f"the body of {answer.status} is not {{detail, code: {code}}} but {len(answer.body)} bytes of {kind}"]
    return []


async def errors(scene: Scene) -> Iterable[Finding]:
    """Say whether what HTTP alone knows is answered in the one shape."""
    events = scene.visit.path("/events")
    absent = await scene.ask(f"{PREFIX}/connections/{NOBODY}", method="DELETE")
    # What is only read here others may change under the same path; a ticket is only asked for.
    other = await scene.ask(f"{PREFIX}/tickets")
    head = await scene.ask(events, method="HEAD")
    plain = await scene.ask(scene.visit.socket)
    kept = await scene.ask(f"{events}?wait=0&tail=0")
    allow = other.headers.get("allow", "")
    return [
        ABSENT.judge(error_mistakes(absent, 404, "NOT_FOUND"), "NOT_FOUND, with a sentence"),
        METHOD.judge(
            [*error_mistakes(other, 405, "BAD_REQUEST"), *([] if "POST" in allow else [f"`Allow` is {allow!r}"])],
            f"BAD_REQUEST, Allow {allow}",
        ),
        HEAD.judge([] if head.status == 405 else [f"HTTP {head.status}"], "these paths are for GET"),  # noqa: PLR2004  # a status
        UPGRADE.judge(error_mistakes(plain, 426, "WEBSOCKET_NOT_SUPPORTED"), "WEBSOCKET_NOT_SUPPORTED"),
        STORE.judge(store_mistakes(kept), "no-store"),
    ]


def error_mistakes(answer: Answer, status: int, code: str) -> list[str]:
    """Return what is wrong with an error."""
    return shape_mistakes(answer, code) if answer.status == status else [f"HTTP {answer.status}, not {status}"]


def store_mistakes(answer: Answer) -> list[str]:
    """Return what would let an answer be kept."""
    control = answer.headers.get("cache-control", "")
    found = [] if "no-store" in control else [f"Cache-Control is {control or 'missing'}"]
    return found + (["it comes out of a cache (Age)"] if "age" in answer.headers else [])


async def pages(scene: Scene) -> Iterable[Finding]:
    """Say whether pages of an origin may ask and read."""
    if scene.origin is None:
        return [PREFLIGHT.unchecked("none was named", "--origin https://app.example asks as a page of it would")]
    events = scene.visit.path("/events")
    wish = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    before = await scene.ask(events, {"Origin": scene.origin, **wish}, method="OPTIONS")
    answer = await scene.ask(f"{events}?wait=0&tail=0", {"Origin": scene.origin})
    mistakes = [] if 200 <= before.status < 300 else [f"the preflight was answered {before.status}"]  # noqa: PLR2004  # statuses
    for name, one in (("the preflight", before), ("the answer", answer)):
        allowed = one.headers.get("access-control-allow-origin")
        if allowed != scene.origin:
            mistakes.append(f"{name} names {allowed or 'no origin'}")
    if "authorization" not in before.headers.get("access-control-allow-headers", "").lower():
        mistakes.append("the preflight does not allow `Authorization`")
    return [PREFLIGHT.judge(mistakes, f"{scene.origin} may ask and read")]


async def echoes(scene: Scene) -> Iterable[Finding]:
    """Say whether a token came back in any answer so far, and in those where it stands in the address."""
    if scene.visit.token is None:
        return [ECHO.unchecked("there is no token that could", GIVE_TOKEN)]
    guess = scene.bearing(f"relayd-conformance-{scene.visit.nonce}")
    for path in (scene.visit.path("/events"), f"/{scene.visit.nonce}"):
        await scene.ask(f"{path}?wait=0&token={guess.token}", visit=guess)
    return [ECHO.judge(scene.echoes, "in no answer, handshake or frame")]
