"""Signs of life: pings and their answers, heartbeats, polls that wait, and what is ignored (sections 2 and 4)."""

import asyncio
import time
from collections.abc import Iterable

from relayd.client.visitor import Shaken
from relayd.conformance.clause import Clause
from relayd.conformance.reading import Reading, Way, greeted, told
from relayd.conformance.scene import Scene
from relayd.conformance.stream import Block
from relayd.conformance.words import is_cursor, mistake_in
from relayd.doctor.finding import Finding

__all__ = ["heard", "heartbeats", "pings", "waits"]

MEND = "what a viewer says on its socket must reach the relay, and the answer the viewer, as they are"
JSON = Clause(2, "the answer to a ping", MEND)
BARE = Clause(2, "the answer to a bare ping", MEND)
UNKNOWN = Clause(2, "an unknown `type` is ignored", MEND)
WAIT = Clause(
    4, "a long poll waits", "a proxy must wait longer than 55 s for an answer, and nothing may answer instead"
)
BEAT = Clause(
    4, "the heartbeat of an event stream", "`proxy_buffering off;`, and `proxy_read_timeout` above three heartbeats"
)

WAIT_SECONDS = 1
EARLY, BUSY_MS = 0.1, 1_000


async def pings(scene: Scene) -> Iterable[Finding]:
    """Say whether pings are answered, in both forms, and what nobody knows is passed over."""
    visit, clauses = scene.visit, (JSON, BARE, UNKNOWN)
    await scene.turn()
    async with visit.visitor() as visitor, visitor.shake(f"{visit.socket}?tail=0", protocols=visit.protocols) as shaken:
        if shaken.socket is None:
            return [clause.judge([f"refused with HTTP {shaken.status}"], "") for clause in clauses]
        # A pong may come before the first message, and then it has no cursor yet.
        await heard(shaken, '"connection_established"', visit.seconds)
        await shaken.say('{"type":"ping"}')
        answer = await heard(shaken, '"pong"', visit.seconds)
        if not answer:
            # What comes behind it would be waited for as long.
            return [clause.judge(["no ping is answered"], "") for clause in clauses]
        await shaken.say("ping")
        bare = await heard(shaken, "pong", visit.seconds)
        await shaken.say('{"type":"relayd-conformance"}')
        await shaken.say('{"type":"ping"}')
        after = await heard(shaken, '"pong"', visit.seconds)
    return [
        JSON.judge(pong_mistakes(answer), "with `server_time`, `cursor` and `head`"),
        BARE.judge([] if bare == "pong" else [bare or "none came"], "`pong`"),
        UNKNOWN.judge([] if told(after.encode()).get("type") == "pong" else [after or "silence"], "it goes on"),
    ]


async def heard(shaken: Shaken, sign: str, seconds: float) -> str:
    """Return the next text with a sign in it, or why there is none."""
    try:
        async with asyncio.timeout(seconds):
            while isinstance(text := await shaken.hear(seconds), str):
                if sign in text[:100]:
                    return text
    except TimeoutError:
        return ""
    return "" if text is None else f"closed with {text.code} {text.reason}"


def pong_mistakes(text: str) -> list[str]:
    """Return what is wrong with the answer to a ping in JSON."""
    pong = told(text.encode())
    if pong.get("type") != "pong":
        return [text or "none came"]
    found = [mistake] if (mistake := mistake_in(text.encode())) else []
    found += [f"`{name}` is missing" for name in ("server_time", "cursor", "head") if name not in pong]
    return found + [f"`{name}` is no cursor" for name in ("cursor", "head") if not is_cursor(pong.get(name, "0"))]


async def waits(scene: Scene) -> Iterable[Finding]:
    """Say whether a poll waits for news and then says where it stands, and a hasty one is told when to come again."""
    now = await scene.read(Way.POLL, {"tail": "0"}, greeted)
    if now.trouble:
        return [WAIT.judge([now.trouble], "")]
    found = [] if now.greeting.get("next_poll_ms", 0) >= BUSY_MS else ["with wait=0 `next_poll_ms` is below a second"]
    began = time.monotonic()
    later = await scene.read(Way.POLL, {"after": now.cursor, "wait": str(WAIT_SECONDS)}, greeted)
    took = time.monotonic() - began
    found += waited_mistakes(later, took)
    return [WAIT.judge(found, f"{took:.1f} s for wait={WAIT_SECONDS}, then a cursor")]


def waited_mistakes(reading: Reading, took: float) -> list[str]:
    """Return what is wrong with the answer to a poll that might wait."""
    if not reading.greeting:
        return [reading.trouble]
    found = []
    if not reading.messages and took < WAIT_SECONDS - EARLY:
        found.append(f"answered after {took:.1f} s with nothing, for wait={WAIT_SECONDS}")
    if reading.greeting.get("next_poll_ms", 0) > BUSY_MS * 10:
        found.append(f"`next_poll_ms` is {reading.greeting['next_poll_ms']} after a poll that may wait")
    return found


async def heartbeats(scene: Scene) -> Iterable[Finding]:
    """Say whether an event stream shows that it lives while nothing happens."""
    if not scene.idle_seconds:
        return [BEAT.unchecked("it takes as long as a heartbeat", "--idle 30 waits for one")]
    patient = scene.patient()
    reading = await scene.read(
        Way.STREAM, {"tail": "0"}, lambda reading: any(map(is_beat, reading.blocks)), visit=patient
    )
    beats = [block for block in reading.blocks if is_beat(block)]
    mistakes = [] if beats else [reading.trouble]
    mistakes += [f"its `id:` is {beat.id}" for beat in beats if beat.id is not None and not is_cursor(beat.id)]
    return [BEAT.judge(mistakes, "a comment, with the cursor in its `id:` line")]


def is_beat(block: Block) -> bool:
    """Return whether a block of a stream is a sign of life and nothing else."""
    return block.comments > 0 and block.data is None
