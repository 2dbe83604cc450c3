"""
Cursors: strictly forward, the same in every way, and a resume from each of them whole (section 3).

The newest events, as a long poll tells them, are what is compared with: each way must tell the same behind the first
of them, whatever else happens in the project meanwhile.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from relayd.conformance.clause import NEEDS_EVENTS, SOME_EVENTS, Clause
from relayd.conformance.reading import Reading, Way, has, told
from relayd.conformance.scene import Past, Scene
from relayd.conformance.words import Words, forward, mistake_in
from relayd.doctor.finding import Finding

__all__ = ["resumes", "whole_mistakes"]

MEND_WHOLE = "nothing on the way may drop, repeat, gather or reorder frames, nor take `after` or `Last-Event-ID` away"
MEND_WORDS = (
    "the relay's messages must come as they are; a relay of its own compares them with docs/protocol.schema.json"
)
MEND_KIND = (
    "envelopes are for those who offer `relayd.v1` or ask `batch=1`, notices for all but legacy viewers: pass both on"
    " as they are"
)

VALID = {way: Clause(1, f"messages over {way.value} obey the schema", MEND_WORDS) for way in Way}
KINDS = Clause(1, "envelopes and notices for modern viewers only", MEND_KIND)
FORWARD = {way: Clause(3, f"cursors over {way.value} go forward", MEND_WHOLE) for way in Way}
WHOLE = {way: Clause(3, f"a resume over {way.value} is whole", MEND_WHOLE) for way in Way}
MARKS = Clause(
    4, "ids of the event stream", "pass the lines of the stream on as they are: `id:` is what browsers resume by"
)
ACROSS = {
    (came, goes): Clause(3, f"from {came.value} to {goes.value}", MEND_WHOLE)
    for came, goes in (
        (Way.MODERN, Way.STREAM),
        (Way.STREAM, Way.POLL),
        (Way.POLL, Way.LEGACY),
        (Way.LEGACY, Way.MODERN),
    )
}


async def resumes(scene: Scene) -> Iterable[Finding]:
    """Say whether each way tells the same behind a cursor, by itself and from another's."""
    past = await scene.past()
    every = [*VALID.values(), KINDS, *FORWARD.values(), *WHOLE.values(), MARKS, *ACROSS.values()]
    if not past.enough:
        return [clause.unchecked(NEEDS_EVENTS, SOME_EVENTS) for clause in every]
    readings = {way: await scene.read(way, {"after": past.first}, has(past.last)) for way in Way}
    findings = [*(VALID[way].judge(word_mistakes(one), f"{len(one.frames)} frames") for way, one in readings.items())]
    findings.append(KINDS.judge(kind_mistakes(readings), "an envelope to the one, single messages to the others"))
    for way, one in readings.items():
        findings.append(FORWARD[way].judge(forward([past.first, *one.ids]), f"{len(one.ids)} events"))
        findings.append(WHOLE[way].judge(whole_mistakes(past, one), f"{len(past.behind)} events, none missing"))
    findings.append(MARKS.judge(mark_mistakes(readings[Way.STREAM]), "each is its message's"))
    for (came, goes), clause in ACROSS.items():
        findings.append(await across(scene, past, readings[came], goes, clause))
    return findings


async def across(scene: Scene, past: Past, came: Reading, goes: Way, clause: Clause) -> Finding:
    """Judge a resume in one way from a cursor that another gave."""
    ids = [one for one in came.ids if one in {message.get("id") for message in past.behind}]
    if not ids:
        return clause.unchecked(f"{came.way.value} gave no cursor", "mend the lines above first")
    middle = ids[(len(ids) - 1) // 2]
    known = [str(message["id"]) for message in past.messages]
    left = Past(past.messages[known.index(middle) :], past.cursor)
    if not left.behind:
        return clause.unchecked(NEEDS_EVENTS, SOME_EVENTS)
    reading = await scene.read(goes, {"after": middle}, has(past.last))
    return clause.judge(whole_mistakes(left, reading), f"{len(left.behind)} events, none missing")


def word_mistakes(reading: Reading) -> list[str]:
    """Return what the schema has against what was heard, and which events lack what each has."""
    found = [mistake for raw in reading.frames if (mistake := mistake_in(raw))]
    if any("received_at" not in message for message in reading.messages):
        found.append("an event without `received_at`")
    return found or ([] if reading.frames else [reading.trouble])


def kind_mistakes(readings: dict[Way, Reading]) -> list[str]:
    """Return who got what is for others."""
    found = []
    heard = {way: Counter(str(frame.get("type")) for frame in one.heard) for way, one in readings.items()}
    if readings[Way.MODERN].messages and not heard[Way.MODERN]["batch"]:
        found.append(f"{Way.MODERN.value}: no envelope, though it offered relayd.v1")
    for way, kind in ((Way.LEGACY, "batch"), (Way.LEGACY, "notice"), (Way.STREAM, "batch")):
        found += [f"{way.value}: a {kind}"] if heard[way][kind] else []
    return found


def mark_mistakes(reading: Reading) -> list[str]:
    """Return which messages of an event stream have another `id:` line than their cursor."""
    read = [(block.id, told(block.data.encode())) for block in reading.blocks if block.data is not None]
    marked = [(mark, message["id"]) for mark, message in read if "id" in message]
    found = [f"{mark or 'no `id:` line'} stands above {one}" for mark, one in marked if mark != one]
    return found or ([] if marked or not reading.trouble else [reading.trouble])


def whole_mistakes(past: Past, reading: Reading) -> list[str]:
    """Return what is missing, too much or changed in what came behind the first event of a past."""
    wanted = {str(message["id"]): message for message in past.behind}
    ids = reading.ids
    came = ids[: ids.index(past.last) + 1] if past.last in ids else ids
    found = [f"{one} is missing" for one in wanted if one not in came]
    found += [f"{one} came {times} times" for one, times in Counter(ids).items() if times > 1]
    found += [f"{one} came, which the long poll does not tell" for one in came if one not in wanted]
    if not found and came != [*wanted]:
        found.append("they came in another order")
    found += changed(wanted, reading.messages)
    if reading.greeting and (reading.greeting.get("recovered"), reading.greeting.get("replay")) != (True, "resume"):
        found.append(f"it was told `replay` {reading.greeting.get('replay')!r}, not 'resume'")
    if reading.trouble:
        found.insert(0, reading.trouble)
    return found


def changed(wanted: dict[str, Words], messages: Sequence[Words]) -> list[str]:
    """Return which events say something else than the long poll says of them."""
    return [
        f"{one['id']} is not what the long poll tells"
        for one in messages
        if str(one.get("id")) in wanted and one != wanted[str(one["id"])]
    ]
