"""Where a viewer begins: fresh with a tail, from the very beginning, or with a cursor that is of no use (section 3)."""

from collections.abc import Iterable

from relayd.conformance.clause import NEEDS_EVENTS, SOME_EVENTS, Clause
from relayd.conformance.reading import Reading, Way, greeted
from relayd.conformance.scene import Past, Scene
from relayd.doctor.finding import Finding
from relayd.protocol.cursor import BEGINNING, Cursor, identity

__all__ = ["beginning", "elsewhere", "tails"]

TAIL = 2
MEND = "nothing on the way may take `tail` or `after` away, or answer out of a cache"

TAILS = {way: Clause(4, f"a tail over {way.value}", MEND) for way in Way}
ZERO = Clause(3, "after=0 is whole or a gap", MEND)
FOREIGN = Clause(3, "a cursor of another log is a gap", MEND)

WAYS = (Way.MODERN, Way.STREAM, Way.POLL)


async def tails(scene: Scene) -> Iterable[Finding]:
    """Say whether a fresh viewer gets as much history as it asks for, and a cursor that stands before it."""
    past = await scene.past()
    if not past.enough:
        return [clause.unchecked(NEEDS_EVENTS, SOME_EVENTS) for clause in TAILS.values()]
    findings = []
    for way, clause in TAILS.items():
        reading = await scene.read(way, {"tail": str(TAIL)}, lambda reading: len(reading.messages) >= TAIL)
        findings.append(clause.judge(await tail_mistakes(scene, past, reading), f"{TAIL} events, replay 'tail'"))
    return findings


async def tail_mistakes(scene: Scene, past: Past, reading: Reading) -> list[str]:
    """Return what is wrong with a tail."""
    if reading.trouble:
        return [reading.trouble]
    found = []
    greeting = reading.greeting
    if (greeting.get("replay"), greeting.get("recovered")) != ("tail", False):
        found.append(f"`replay` is {greeting.get('replay')!r}, `recovered` {greeting.get('recovered')}")
    known = [str(message["id"]) for message in past.messages]
    if reading.ids[0] in known[:-TAIL]:
        found.append(f"it began {len(known) - known.index(reading.ids[0])} events before the end, not {TAIL}")
    if reading.way is not Way.POLL and not found:
        behind = await scene.read(Way.POLL, {"after": str(greeting.get("cursor"))}, greeted)
        if behind.ids[:1] != reading.ids[:1]:
            found.append("what follows its `cursor` is not what came first")
    return found


async def beginning(scene: Scene) -> Iterable[Finding]:
    """Say whether the cursor 0 is answered with everything, or with a gap and the state."""
    mistakes, replays = [], set()
    for way in WAYS:
        reading = await scene.read(way, {"after": BEGINNING, "limit": "2"}, greeted)
        replays.add(str(reading.greeting.get("replay")))
        mistakes += opening_mistakes(reading, ("resume", "gap"))
    if len(replays) > 1:
        mistakes.append(f"one way says {' and another '.join(sorted(replays))}")
    return [ZERO.judge(mistakes, f"replay {', '.join(replays)}")]


async def elsewhere(scene: Scene) -> Iterable[Finding]:
    """Say whether a cursor of another log is answered with a gap."""
    strange = Cursor(identity(f"relayd conformance {scene.visit.nonce}"), 1, 0, 0, b"\0" * 6)
    mistakes = []
    for way in WAYS:
        reading = await scene.read(way, {"after": str(strange)}, greeted)
        mistakes += opening_mistakes(reading, ("gap",))
    return [FOREIGN.judge(mistakes, "replay 'gap'")]


def opening_mistakes(reading: Reading, allowed: tuple[str, ...]) -> list[str]:
    """Return what is wrong with how a resume was answered."""
    way, greeting = reading.way.value, reading.greeting
    if not greeting:
        return [f"{way}: {reading.trouble}"]
    if greeting.get("replay") not in allowed:
        return [f"{way}: `replay` is {greeting.get('replay')!r}, not {' or '.join(allowed)}"]
    if greeting.get("recovered") != (greeting["replay"] == "resume"):
        return [f"{way}: `recovered` is {greeting.get('recovered')} with `replay` {greeting['replay']!r}"]
    return []
