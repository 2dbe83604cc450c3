"""What is published is heard at once, in each way, with the cursor that the worker was told (sections 4 and 8)."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from relayd.client.http import Accepted, Publisher, Refused, Unreachable
from relayd.conformance.clause import Clause
from relayd.conformance.reading import Reading, Way, greeted
from relayd.conformance.scene import Scene
from relayd.conformance.words import mistake_in
from relayd.doctor.finding import Finding
from relayd.doctor.visit import claims_of
from relayd.protocol.endpoints import INGEST

__all__ = ["lives", "published", "repeats"]

MEND = "nothing on the way may hold back what comes live"
MEND_WORKER = f"a worker's token, and --publish-url where {INGEST} is reached: proxies keep it inside"
GIVE_WORKER = "--worker-token-file publishes a small project of its own, and watches it come"

TAKEN = Clause(8, "what a worker publishes is taken", MEND_WORKER)
AGAIN = Clause(8, "a repeat is taken once", "`Message-Id` must reach the relay")
LIVE = {way: Clause(4, f"live over {way.value}", MEND) for way in Way}


async def published(scene: Scene) -> Iterable[Finding]:
    """Publish a small project, so that there is a past; say whether it was taken."""
    if scene.worker is None:
        return [TAKEN.unchecked("nobody may publish", GIVE_WORKER)]
    events = small_project(scene)
    try:
        accepted = await publish(scene, events, "past")
    except (Refused, Unreachable) as error:
        return [TAKEN.judge([str(error)], "")]
    mistakes = [] if accepted.accepted == len(events) else [f"{accepted.accepted} of {len(events)} were accepted"]
    return [
        TAKEN.judge([*mistakes, *(f"{one.reason}: {one.detail}" for one in accepted.rejected)], f"{len(events)} events")
    ]


async def repeats(scene: Scene) -> Iterable[Finding]:
    """Say whether the same body with the same id is taken once."""
    if scene.worker is None:
        return [AGAIN.unchecked("nobody may publish", GIVE_WORKER)]
    events = [line(scene, "twice")]
    try:
        answers = [await publish(scene, events, "twice") for _ in range(2)]
    except (Refused, Unreachable) as error:
        return [AGAIN.judge([str(error)], "")]
    counts = [(one.accepted, one.repeated) for one in answers]
    return [AGAIN.judge([] if counts == [(1, 0), (0, 1)] else [f"accepted and repeated: {counts}"], "told as repeated")]


async def lives(scene: Scene) -> Iterable[Finding]:
    """Say whether a viewer of each kind hears an event that is published while it watches."""
    if scene.worker is None:
        return [clause.unchecked("nobody may publish", GIVE_WORKER) for clause in LIVE.values()]
    return [LIVE[way].judge(await live_mistakes(scene, way), "heard while it was watched") for way in Way]


async def live_mistakes(scene: Scene, way: Way) -> list[str]:
    """Return what is wrong with how an event comes that is published while somebody watches."""
    now = await scene.read(Way.POLL, {"tail": "0"}, greeted)
    if now.trouble:
        return [now.trouble]
    text = f"live over {way.value}"
    wait = {"wait": str(int(scene.visit.seconds))} if way is Way.POLL else {}
    ready = asyncio.Event()

    def enough(reading: Reading) -> bool:
        if reading.greeting:
            ready.set()
        return text in texts(reading)

    if way is Way.POLL:
        # Nothing tells that it waits: one that comes too late is answered at once.
        ready.set()
    watching = asyncio.create_task(scene.read(way, {"after": now.cursor, **wait}, enough))
    try:
        await asyncio.wait({watching, waiting := asyncio.create_task(ready.wait())}, return_when=FIRST_COMPLETED)
        waiting.cancel()
        accepted = await publish(scene, [line(scene, text)], way.value)
        reading = await watching
    except (Refused, Unreachable) as error:
        watching.cancel()
        return [str(error)]
    found = [mistake for raw in reading.frames if (mistake := mistake_in(raw))]
    if reading.trouble:
        return [*found, reading.trouble]
    (came,) = [message for message in reading.messages if message.get("message") == text][:1]
    return found + (
        [] if came["id"] == accepted.cursor else [f"its id is {came['id']}, the worker was told {accepted.cursor}"]
    )


def texts(reading: Reading) -> Sequence[str]:
    """Return what the events say."""
    return [str(message.get("message")) for message in reading.messages]


async def publish(scene: Scene, events: Sequence[dict[str, Any]], name: str) -> Accepted:
    """Return what became of events; raises Refused or Unreachable."""
    message_id = f"relayd-conformance-{scene.visit.nonce}-{name.replace(' ', '-')}"
    async with Publisher(scene.publish_url, scene.worker, tls=scene.visit.trusted) as publisher:
        return await publisher.post(msgspec.json.encode(events), message_id=message_id)


def small_project(scene: Scene) -> Sequence[dict[str, Any]]:
    """Return the events of a small project: each message of a worker, and lines of every level."""
    project = {"project_id": scene.visit.project}
    owner = claims_of(scene.visit.token or "").get("sub")
    started: dict[str, Any] = {
        "type": "project_started",
        **project,
        "name": "relayd conformance",
        "agents": ["checker"],
    }
    return [
        # Whoever may see what is its own sees it.
        started | ({"owner": owner} if isinstance(owner, str) else {}),
        {"type": "workflow_stage_update", **project, "stage": "testing", "message": "Checking", "status": "running"},
        {"type": "agent_status_update", **project, "agent": "checker", "status": "working", "progress": 10},
        *(
            line(scene, f"a line of {level}", level=level, agent="checker")
            for level in ("info", "success", "warning", "error")
        ),
        line(scene, "of another agent", agent="other"),
        {"type": "project_progress", **project, "progress": 50, "message": "Half way"},
        {"type": "project_error", **project, "error": "one that is survived", "fatal": False},
        line(scene, "nearly done"),
        {"type": "project_completed", **project, "message": "Done"},
    ]


def line(scene: Scene, text: str, **more: str) -> dict[str, Any]:
    """Return a line of log."""
    return {"type": "workflow_log", "project_id": scene.visit.project, "level": "info", "message": text, **more}
