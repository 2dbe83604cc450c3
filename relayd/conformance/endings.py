"""Endings that can be provoked from outside: code, status, name and reason are those of the table (section 6)."""

from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from urllib.parse import urlencode

from relayd.client.http import Unreachable
from relayd.client.visitor import Answer, Closed, Shaken
from relayd.conformance.clause import GIVE_TOKEN, Clause
from relayd.conformance.errors import shape_mistakes
from relayd.conformance.reading import Query, Way, greeted
from relayd.conformance.scene import Scene
from relayd.doctor.finding import Finding
from relayd.doctor.visit import Visit
from relayd.protocol.disconnect import Advice, Disconnect

__all__ = ["crowds", "frames", "reason_mistakes", "refusals"]

MEND = "close codes, reasons, statuses and JSON of refusals must pass as they are (`proxy_intercept_errors off;`)"
BAD_TOKEN = Clause(6, "a token that opens nothing", MEND)
BAD_CURSOR = Clause(6, "a cursor that can't be read", MEND)
NOT_YOURS = Clause(6, "somebody else's project", MEND)
CROWD = Clause(6, "one connection too many", MEND)
BROKEN: Mapping[str, tuple[Clause, str | bytes, Disconnect]] = {
    "binary": (Clause(6, "a binary frame", MEND), b"\0", Disconnect.BAD_REQUEST),
    "no JSON": (Clause(6, "a frame that is no JSON", MEND), "{", Disconnect.BAD_REQUEST),
    "large": (Clause(6, "a frame over 64 KiB", MEND), "x" * 65_537, Disconnect.MESSAGE_TOO_BIG),
}

REASON_BYTES = 123
"""RFC 6455 5.5."""
MOST_PLACES = 20
RETRIED = {Advice.RETRY, Advice.RESUME}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "cmVsYXlkLWNvbmZvcm1hbg==",
}
"""A handshake by hand: the library tells no body of a refusal."""


async def refusals(scene: Scene) -> Iterable[Finding]:
    """Say how those are refused who come with a bad token, with a bad cursor, or for another's project."""
    if scene.visit.token is None:
        every = (BAD_TOKEN, BAD_CURSOR, NOT_YOURS)
        return [clause.unchecked("there is no token to compare with", GIVE_TOKEN) for clause in every]
    nobody = scene.bearing(f"relayd-conformance-{scene.visit.nonce}")
    findings = [
        BAD_TOKEN.judge(await refused(scene, nobody, {}, Disconnect.AUTH_FAILED), "4401, 401"),
        BAD_CURSOR.judge(await refused(scene, scene.visit, {"after": "x"}, Disconnect.BAD_REQUEST), "4400, 400"),
    ]
    if scene.other is None:
        mend = "give the token of somebody who may not see the project with --other-token-file"
        return [*findings, NOT_YOURS.unchecked("it needs a second token", mend)]
    other = scene.bearing(scene.other)
    return [*findings, NOT_YOURS.judge(await refused(scene, other, {}, Disconnect.FORBIDDEN), "4403, 403")]


async def refused(scene: Scene, visit: Visit, query: Query, wanted: Disconnect) -> list[str]:
    """Return what is wrong with how a visit is refused in each of the four ways."""
    # Who has been refused often is told late; one that was let in is not.
    await scene.at_peace()
    found = [f"{Way.MODERN.value}: {one}" for one in await closed(scene, visit, query, wanted)]
    asked = f"?{urlencode(query)}" if query else ""
    for way, path in paths(visit).items():
        answer = await scene.ask(path + asked, UPGRADE if way is Way.LEGACY else None, visit=visit)
        found += [f"{way.value}: {one}" for one in status_mistakes(answer, wanted)]
    return found


def paths(visit: Visit) -> Mapping[Way, str]:
    """Return where each way that is refused by a status is."""
    return {Way.LEGACY: visit.socket, Way.STREAM: visit.path("/stream"), Way.POLL: visit.path("/events")}


async def closed(scene: Scene, visit: Visit, query: Query, wanted: Disconnect) -> list[str]:
    """Return what is wrong with how a modern viewer is refused: behind the upgrade, by a close code."""
    await scene.turn()
    path = f"{visit.socket}?{urlencode(query)}" if query else visit.socket
    async with visit.visitor() as visitor, visitor.shake(path, protocols=visit.protocols) as shaken:
        if shaken.socket is None:
            return [f"HTTP {shaken.status} before the upgrade, which a browser can't read"]
        return await close_mistakes(scene, visit, shaken, wanted)


async def close_mistakes(scene: Scene, visit: Visit, shaken: Shaken, wanted: Disconnect) -> list[str]:
    """Return what is wrong with how a socket is ended."""
    while isinstance(heard := await shaken.hear(visit.seconds), str):
        scene.note(visit, Way.MODERN.value, heard.encode())
        if '"connection_established"' in heard and wanted not in {Disconnect.BAD_REQUEST, Disconnect.MESSAGE_TOO_BIG}:
            return ["it was let in"]
    if heard is None:
        return [f"it was not ended within {visit.seconds:g} s"]
    scene.note(visit, f"{Way.MODERN.value}, close", heard.reason.encode())
    return reason_mistakes(heard, wanted)


def reason_mistakes(heard: Closed, wanted: Disconnect) -> list[str]:
    """Return what is wrong with a close frame: `NAME: sentence; retry_after_ms=N`, 123 bytes at most."""
    if heard.code != wanted.code:
        return [f"closed with {heard.code or 'no code'}, not {wanted.code}"]
    name, colon, rest = heard.reason.partition(": ")
    sentence, _, wait = rest.partition("; retry_after_ms=")
    found = []
    if name != wanted.name or not colon or not sentence:
        found.append(f"the reason of {wanted.code} is {heard.reason!r}, not '{wanted.name}: ' and a sentence")
    if len(heard.reason.encode()) > REASON_BYTES:
        found.append(f"a reason of {len(heard.reason.encode())} bytes")
    if wanted.advice in RETRIED and not wait.isdecimal():
        found.append(f"the reason of {wanted.code} says no retry_after_ms")
    return found


def status_mistakes(answer: Answer, wanted: Disconnect) -> list[str]:
    """Return what is wrong with how a request is refused."""
    if answer.status != wanted.http_status:
        return [f"HTTP {answer.status}, not {wanted.http_status}"]
    found = shape_mistakes(answer, wanted.http_code)
    if wanted.advice in RETRIED and "retry-after" not in answer.headers:
        found.append(f"{answer.status} without Retry-After")
    return found


async def frames(scene: Scene) -> Iterable[Finding]:
    """Say how a socket ends on which something is said that can't be read."""
    findings = []
    for clause, words, wanted in BROKEN.values():
        await scene.turn()
        visit = scene.visit
        async with visit.visitor() as visitor, visitor.shake(visit.socket, protocols=visit.protocols) as shaken:
            if shaken.socket is None:
                findings.append(clause.judge([f"refused with HTTP {shaken.status}"], ""))
                continue
            mistakes = await said(scene, shaken, words, wanted)
        findings.append(clause.judge(mistakes, str(wanted.code)))
    return findings


async def said(scene: Scene, shaken: Shaken, words: str | bytes, wanted: Disconnect) -> list[str]:
    """Return what is wrong with how a socket is ended for what was said on it."""
    first = await shaken.hear(scene.visit.seconds)
    if not isinstance(first, str):
        return ["there was no first message"]
    try:
        await shaken.say(words)
    except Unreachable as error:
        return [str(error)]
    return await close_mistakes(scene, scene.visit, shaken, wanted)


async def crowds(scene: Scene) -> Iterable[Finding]:
    """Say how the connection is refused that is one more than a user may have."""
    visit = scene.visit
    greeting = (await scene.read(Way.MODERN, {"tail": "0"}, greeted)).greeting
    places = greeting.get("limits", {}).get("connections_per_user")
    if not isinstance(places, int) or places > MOST_PLACES:
        return [CROWD.unchecked(f"a user may have {places} connections", "try it where that is no more than twenty")]
    wanted = Disconnect.TOO_MANY_CONNECTIONS
    async with AsyncExitStack() as stack:
        for _ in range(places):
            await scene.turn()
            visitor = await stack.enter_async_context(visit.visitor())
            shaken = await stack.enter_async_context(visitor.shake(f"{visit.socket}?tail=0", protocols=visit.protocols))
            if shaken.socket is None or not isinstance(await shaken.hear(visit.seconds), str):
                # Others of this user hold the rest.
                break
        mistakes = [f"{Way.MODERN.value}: {one}" for one in await closed(scene, visit, {}, wanted)]
        for way, path in paths(visit).items():
            answer = await scene.ask(path, UPGRADE if way is Way.LEGACY else None)
            mistakes += [f"{way.value}: {one}" for one in status_mistakes(answer, wanted)]
    return [CROWD.judge(mistakes, f"4429, 429 beyond {places}")]
