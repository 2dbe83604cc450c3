"""Selections: who asks for a part gets that part, all of it, and a cursor that moves on (section 4)."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from relayd.conformance.clause import NEEDS_EVENTS, SOME_EVENTS, Clause
from relayd.conformance.reading import Reading, Way, has, told
from relayd.conformance.scene import Past, Scene
from relayd.conformance.signs import heard
from relayd.conformance.words import Words, is_cursor
from relayd.doctor.finding import Finding

__all__ = ["filters", "selections"]

MEND = "nothing on the way may take `types`, `level`, `agent` or `q` away, or answer one selection with another's"
TYPES = {way: Clause(4, f"`types` over {way.value}", MEND) for way in Way}
OTHERS = Clause(4, "`level`, `agent` and `q`", MEND)
FILTER = Clause(2, "the command `filter`", "what a viewer says on its socket must reach the relay as it is")

WORDS = 24
TEXTS = ("message", "error", "task", "stage", "agent", "name", "description")
RANKS = {"info": 0, "success": 1, "warning": 2, "error": 3}


async def selections(scene: Scene) -> Iterable[Finding]:
    """Say whether each selection lets pass what it should, and nothing else."""
    past = await scene.past()
    if not past.enough:
        return [clause.unchecked(NEEDS_EVENTS, SOME_EVENTS) for clause in (*TYPES.values(), OTHERS)]
    kind = str(past.messages[-1]["type"])
    wanted = [message for message in past.behind if message["type"] == kind]
    findings = []
    for way, clause in TYPES.items():
        reading = await scene.read(way, {"after": past.first, "types": kind}, has(past.last))
        findings.append(clause.judge(picked_mistakes(wanted, past, reading), f"{kind}: {len(wanted)} events"))
    mistakes = []
    for query, picked in choices(past).items():
        name, _, value = query.partition("=")
        last = str(picked[-1]["id"]) if picked else past.last
        reading = await scene.read(Way.POLL, {"after": past.first, name: value}, has(last))
        if not picked:
            # There may be nothing to come, and then a poll ends with no more.
            reading.trouble = ""
        mistakes += [f"{query}: {one}" for one in picked_mistakes(picked, past, reading)]
    return [*findings, OTHERS.judge(mistakes, ", ".join(choices(past)))]


def choices(past: Past) -> Mapping[str, Sequence[Words]]:
    """Return selections that tell the past's events apart, and what each lets pass."""
    found = {"level=error": [message for message in past.behind if rank(message) >= RANKS["error"]]}
    named = [str(message["agent"]) for message in past.behind if "agent" in message]
    if named:
        found[f"agent={named[-1]}"] = [m for m in past.behind if m.get("agent", named[-1]) == named[-1]]
    texts = [str(message["message"]) for message in past.behind if message.get("message")]
    if texts:
        # In another case than it was written.
        text = texts[-1][:WORDS].swapcase()
        found[f"q={text}"] = [message for message in past.behind if contains(message, text)]
    return found


def contains(message: Words, text: str) -> bool:
    """Return whether a text stands in what a message says."""
    return any(text.casefold() in str(message.get(name, "")).casefold() for name in TEXTS)


def rank(message: Words) -> int:
    """Return the rank of a line of log; what is none passes every level."""
    return RANKS.get(str(message.get("level")), 0) if message["type"] == "workflow_log" else RANKS["error"]


def picked_mistakes(wanted: Sequence[Words], past: Past, reading: Reading) -> list[str]:
    """Return what a selection let pass of a past beside what it should, and what it held back."""
    known = {str(message["id"]) for message in past.messages}
    ids = [str(message["id"]) for message in wanted]
    # What happened since is not known.
    came = [one for one in reading.ids if one in known]
    found = [f"{one} was let pass" for one in came if one not in ids]
    found += [f"{one} was held back" for one in ids if one not in came]
    return found or ([reading.trouble] if reading.trouble else [])


async def filters(scene: Scene) -> Iterable[Finding]:
    """Say whether a viewer may change its selection on an open socket."""
    visit = scene.visit
    await scene.turn()
    async with visit.visitor() as visitor, visitor.shake(f"{visit.socket}?tail=0", protocols=visit.protocols) as shaken:
        if shaken.socket is None:
            return [FILTER.judge([f"refused with HTTP {shaken.status}"], "")]
        await heard(shaken, '"connection_established"', visit.seconds)
        await shaken.say(msgspec.json.encode({"type": "filter", "filter": {"level": "error"}}).decode())
        # Other notices may come between: of agents, of what is spent, of others' views.
        text = await heard(shaken, '"FILTERED"', visit.seconds)
    notice = told(text.encode())
    if notice.get("code") != "FILTERED":
        return [FILTER.judge([text or f"no notice within {visit.seconds:g} s"], "")]
    mistakes = [] if is_cursor(notice.get("cursor")) else ["it names no cursor from which it holds"]
    return [FILTER.judge(mistakes, "a notice FILTERED with its cursor")]
