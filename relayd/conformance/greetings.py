"""The first words to a viewer, and what each kind of viewer is told the past in (section 1)."""

from collections.abc import Iterable, Mapping

from relayd.client.http import Unreachable
from relayd.conformance.clause import NEEDS_EVENTS, SOME_EVENTS, Clause
from relayd.conformance.reading import Reading, Way, greeted
from relayd.conformance.scene import Scene
from relayd.conformance.words import Words, greeting_mistakes, is_cursor
from relayd.doctor.finding import Finding

__all__ = ["entrance", "greetings", "states"]

MENDS: Mapping[Way, str] = {
    Way.MODERN: "a proxy must pass frames and `Sec-WebSocket-Protocol` on as they are, in both directions",
    Way.LEGACY: "a proxy must pass frames on as they are; a legacy viewer offers no sub-protocol",
    Way.STREAM: "`proxy_buffering off;` for this path, and nothing that rewrites what passes",
    Way.POLL: "nothing may answer in the relay's place or rewrite what it says",
}
ENTRANCE = Clause(
    4,
    "the way in",
    "give a viewer's token with --token-file that opens the project (--project), and see `relayd doctor --url`",
)
FIRST = {way: Clause(1, f"first message over {way.value}", MENDS[way]) for way in Way if way is not Way.POLL}
BODY = Clause(4, "the body of a long poll", MENDS[Way.POLL])
STATE = Clause(
    1, "the state that a fresh viewer is told", "modern viewers get `snapshot`, legacy ones its words, synthetic"
)

IN_BODY = ("project_id", "cursor", "head", "recovered", "replay", "messages", "next_poll_ms")


async def entrance(scene: Scene) -> Iterable[Finding]:
    """Say whether the token opens the project in one way at least."""
    troubles = []
    for way in (Way.POLL, Way.STREAM, Way.MODERN):
        try:
            reading = await scene.read(way, {"tail": "0"}, greeted)
        except Unreachable as error:
            troubles.append(f"{way.value}: {error}")
            continue
        if reading.greeting and not reading.trouble:
            scene.open = True
            return [ENTRANCE.judge([], f"project {scene.visit.project}")]
        troubles.append(f"{way.value}: {reading.trouble}")
    return [ENTRANCE.judge(troubles, "")]


async def greetings(scene: Scene) -> Iterable[Finding]:
    """Say what the first message is, in each way."""
    findings = []
    for way, clause in FIRST.items():
        reading = await scene.read(way, {"tail": "0"}, greeted)
        mistakes = greeting_mistakes(reading.greeting, scene.visit.project) if reading.greeting else [reading.trouble]
        findings.append(clause.judge(mistakes, f"connection_established, replay {reading.greeting.get('replay')!r}"))
    polled = await scene.read(Way.POLL, {"tail": "0"}, greeted)
    mistakes = body_mistakes(polled.greeting, scene.visit.project) if polled.greeting else [polled.trouble]
    findings.append(BODY.judge(mistakes, ", ".join(IN_BODY)))
    return findings


def body_mistakes(body: Words, project_id: str) -> list[str]:
    """Return what is wrong with the answer to a poll."""
    found = [f"`{name}` is missing" for name in IN_BODY if name not in body]
    if body.get("project_id", project_id) != project_id:
        found.append(f"`project_id` is {body['project_id']!r}")
    found += [f"`{name}` is no cursor" for name in ("cursor", "head") if not is_cursor(body.get(name, "0"))]
    if not isinstance(body.get("next_poll_ms", 0), int):
        found.append("`next_poll_ms` is no number of milliseconds")
    return found


async def states(scene: Scene) -> Iterable[Finding]:
    """Say whether the state is told to each kind of viewer in its own words, before the tail."""
    past = await scene.past()
    if not past.enough:
        return [STATE.unchecked(NEEDS_EVENTS, SOME_EVENTS)]
    mistakes = []
    for way in (Way.MODERN, Way.POLL):
        reading = await scene.read(way, {"tail": "1"}, greeted)
        snapshot = reading.greeting.get("snapshot") or {}
        if snapshot.get("project_id") != scene.visit.project:
            mistakes.append(f"{way.value}: {reading.trouble or 'no `snapshot` of the project'}")
    legacy = await scene.read(Way.LEGACY, {"tail": "1"}, lambda reading: bool(reading.messages))
    return [STATE.judge([*mistakes, *spoken_mistakes(legacy)], "a snapshot, and to legacy viewers its words")]


def spoken_mistakes(reading: Reading) -> list[str]:
    """Return what is wrong with how a legacy viewer is told the state."""
    if reading.trouble:
        return [f"{reading.way.value}: {reading.trouble}"]
    words = [message for message in reading.beside if message.get("type") != "connection_established"]
    found = [] if words else [f"{reading.way.value}: the state is not told in messages"]
    if any(message.get("synthetic") is not True for message in words):
        found.append(f"{reading.way.value}: a message without `id` is not `synthetic`")
    if "snapshot" in reading.greeting:
        found.append(f"{reading.way.value}: a `snapshot`, which it does not know")
    return found
