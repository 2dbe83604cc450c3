"""
Celery's own events: a root task is a project, the tasks below it are its stages (events of Celery 5).

A worker tells name and root of a task once, when it is sent or received; what follows knows only its uuid.  So they are
remembered (`canvas`).  An event whose task was never seen here can't be said to belong to any project, and is rejected
with the mend.

A root that ends last answers for all below it: it may have caught what failed.  Where tasks go on behind it, as in a
chain or a group, the project ends with the last of them, and is complete if none has failed.  Who starts a task says so
over another connection than who has ended: a task may show up behind the end of its project, which then begins again.

Arguments, results and tracebacks are left out: they are texts of whatever objects there were, secrets among them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from relayd.dialects.bodies import MAX_EVENTS, cut
from relayd.dialects.canvas import Canvas, Family, Task, end
from relayd.dialects.delivery import Delivery, Item, Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.normalise import Misunderstood, normalise
from relayd.dialects.values import read_name, read_project, shown
from relayd.protocol.messages import Message

__all__ = ["TASKS", "CeleryDialect"]

EXCHANGE = "celeryev"
TASKS = 100_000
"""So many tasks are remembered; each takes some 300 bytes, a root some 500."""

SILENT = frozenset({"worker-online", "worker-offline", "worker-heartbeat"})
"""They speak of a worker, which belongs to no project."""

RETRY = re.compile(r"Retry\(Retry\(\.\.\.\), (.*), (?:None|[\d.]+|datetime\.datetime\(.*\))\)", re.DOTALL)
"""How an exception is written that asks for another try: around the one that is meant."""

JSON = msgspec.json.Decoder()

Fields = dict[str, Any]


class Known(Struct, frozen=True):
    """An event together with what is known of its task."""

    event: Mapping[str, Any]
    uuid: str
    task: Task
    family: Family
    again: bool
    """The task was introduced before: sent, and now received."""

    @property
    def is_root(self) -> bool:
        """The task is the project itself."""
        return self.task.root == self.uuid

    def text(self, name: str) -> str:
        """Return a field as a text, empty if there is none."""
        value = self.event.get(name)
        return "" if value is None else str(value)

    def stage(self, status: str, message: str) -> Fields:
        """Return a stage of the project; several tasks of one name are one, which is as far as all of them are."""
        part = self.family.parts[self.task.name]
        if part.total > 1:
            status, message = part.status, part.message
        return {"type": "workflow_stage_update", "stage": self.task.name, "status": status, "message": message}

    def line(self, level: str, message: str) -> Fields:
        """Return a line of log."""
        return {"type": "workflow_log", "level": level, "message": message, "source": self.task.name}


def begun(known: Known) -> list[Fields]:
    """A task was sent or received."""
    if known.is_root:
        return [project_started(known.task.name)]
    family, again = known.family, []
    if family.told:
        family.told, again = False, [project_started(family.root)]
    return [*again, known.stage("pending", "queued")]


def project_started(name: str) -> Fields:
    """Return the beginning of a project."""
    return {"type": "project_started", "name": name, "project_type": "celery"}


def running(known: Known) -> list[Fields]:
    """A worker has taken it."""
    if known.is_root:
        return [{"type": "project_progress", "progress": 0, "message": f"{known.task.name} runs"}]
    known.family.parts[known.task.name].started = True
    return [known.stage("running", "running")]


def succeeded(known: Known) -> list[Fields]:
    """It is done."""
    runtime = known.event.get("runtime")
    ended(known)
    took = {"duration_seconds": runtime} if isinstance(runtime, int | float) else {}
    family = known.family
    if known.is_root:
        family.root = known.task.name
    if known.is_root and family.open:
        return [known.line("info", f"{known.task.name} succeeded; still open below it: {tasks(family.open)}")]
    if known.is_root:
        family.told, family.failed, family.failure = True, 0, ""
        return [{"type": "project_completed", "message": f"{known.task.name} succeeded", **took}]
    message = f"done in {runtime:.3g} s" if took else "done"
    return [known.stage("completed", message), *after(known)]


def failed(known: Known) -> list[Fields]:
    """It raised, and is not tried again."""
    error = f"{known.task.name}: {known.text('exception') or 'failed'}"
    if known.is_root:
        return [{"type": "project_error", "error": error}]
    ended(known, error)
    return [known.stage("failed", "failed"), known.line("error", error), *after(known)]


def retried(known: Known) -> list[Fields]:
    """It raised, and is tried again: no failure of the project."""
    why = known.text("exception")
    if match := RETRY.fullmatch(why):
        why = match[1]
    told = known.line("warning", f"{known.task.name} is tried again: {why}")
    return [told] if known.is_root else [known.stage("pending", "retrying"), told]


def rejected(known: Known) -> list[Fields]:
    """A worker refused it."""
    requeued = known.event.get("requeue") is True
    if known.is_root and not requeued:
        return [{"type": "project_error", "error": f"{known.task.name} was rejected", "code": "rejected"}]
    if known.is_root:
        return [known.line("warning", f"{known.task.name} was rejected and queued again")]
    if requeued:
        return [known.stage("pending", "queued again")]
    ended(known, f"{known.task.name} was rejected")
    return [known.stage("failed", "rejected"), *after(known)]


def cancelled(known: Known) -> list[Fields]:
    """Somebody revoked it, or it expired."""
    why = "expired" if known.event.get("expired") is True else "was cancelled"
    if known.is_root:
        return [{"type": "project_error", "error": f"{known.task.name} {why}", "code": "cancelled"}]
    ended(known, f"{known.task.name} {why}")
    return [known.stage("failed", why), *after(known)]


def ended(known: Known, failure: str = "") -> None:
    """Take note that a task below a root has ended; of a root its family knows nothing."""
    if not known.is_root:
        end(known.task, known.family, failure)


def after(known: Known) -> list[Fields]:
    """Return how the project has ended, where the last task behind its root now has."""
    family = known.family
    if not family.root or family.told or family.open:
        return []
    family.told = True
    if family.failed:
        error = f"{family.failed} of {tasks(family.total)} below {family.root} failed: {family.failure}"
        return [{"type": "project_error", "error": error}]
    return [{"type": "project_completed", "message": f"{family.root} and {tasks(family.total)} below it are done"}]


def tasks(count: int) -> str:
    """Return a number of tasks in words."""
    return f"{count} task" if count == 1 else f"{count} tasks"


SAYS: dict[str, Callable[[Known], list[Fields]]] = {
    "task-sent": begun,
    "task-received": begun,
    "task-started": running,
    "task-succeeded": succeeded,
    "task-failed": failed,
    "task-retried": retried,
    "task-rejected": rejected,
    "task-revoked": cancelled,
    "task-cancelled": cancelled,
}

INTRODUCE = frozenset({"task-sent", "task-received"})


class CeleryDialect:
    """One event or an array of them (`task.multi`) a body."""

    name = "celery"

    def __init__(self, settings: object = None, *, tasks: int = TASKS) -> None:  # noqa: ARG002  # see below
        """Remember so many tasks; there are no settings, the parameter is every dialect's."""
        self._canvas = Canvas(tasks)

    def claims(self, delivery: Delivery) -> bool:
        """Return whether it came over Celery's exchange."""
        return delivery.exchange == EXCHANGE

    def feed(self, delivery: Delivery) -> list[Item]:
        """Return one item for each event."""
        pieces = cut(delivery.body.strip())
        if pieces is None or len(pieces.raws) > MAX_EVENTS:
            detail = f"an array of events that can't be told apart, or of more than {MAX_EVENTS}"
            return [Item(reason=Reason.NOT_JSON, detail=detail, raw=delivery.body)]
        return [self._read(raw, delivery.received_at) for raw in pieces.raws]

    def _read(self, raw: bytes, received_at: float) -> Item:
        try:
            event = read_event(raw)
            kind = event.get("type")
            if kind in SILENT:
                return Item()
            say = SAYS.get(kind) if isinstance(kind, str) else None
            if say is None:
                detail = f"type: {shown(kind)} is no event of a task or worker that is known; map it by a rule"
                raise Misunderstood(Reason.UNKNOWN_TYPE, detail)
            known = self._known(event)
            said = [] if kind in INTRODUCE and known.again else say(known)
            return Item(messages=[message(fields, known, received_at) for fields in said])
        except Misunderstood as error:
            return Item(reason=error.reason, detail=error.detail, raw=raw)

    def _known(self, event: Mapping[str, Any]) -> Known:
        """Return the event with what is known of its task; raises Misunderstood for a task that is not."""
        uuid = read_project(event.get("uuid"))
        if uuid is None:
            detail = f"uuid: {shown(event.get('uuid'))} can't name a project; Celery's own are texts of 36 characters"
            raise Misunderstood(Reason.BAD_PROJECT, detail)
        again = True
        if event["type"] in INTRODUCE:
            root = read_project(event.get("root_id")) or uuid
            task = Task(read_name(event.get("name")) or "task", root, read_name(event.get("parent_id")))
            again = not self._canvas.introduce(uuid, task)
        found = self._canvas.find(uuid)
        if found is None:
            mend = "let Celery send `task-sent` (task_send_sent_event) and keep its queue bound while relayd restarts"
            raise Misunderstood(Reason.BAD_PROJECT, f"uuid: of task {uuid} neither name nor root was seen here; {mend}")
        return Known(event, uuid, *found, again)


def read_event(raw: bytes) -> dict[str, Any]:
    """Return an event; raises Misunderstood."""
    if len(raw) > MAX_EVENT_BYTES:
        raise Misunderstood(Reason.EVENT_TOO_LARGE, f"an event of {len(raw)} bytes; {MAX_EVENT_BYTES} are the most")
    try:
        event = JSON.decode(raw)
    except (ValueError, RecursionError) as error:
        raise Misunderstood(Reason.NOT_JSON, f"no JSON: {error}") from error
    if not isinstance(event, dict):
        raise Misunderstood(Reason.NOT_AN_OBJECT, "an event of Celery is one JSON object")
    return event


def message(fields: Fields, known: Known, received_at: float) -> Message:
    """Return a message of the task's project; raises Misunderstood."""
    common = {
        "project_id": known.task.root,
        "timestamp": known.event.get("timestamp"),
        "agent": known.event.get("hostname"),
        "key": known.uuid,
        "parent_id": known.task.parent,
        "root_id": known.task.root,
    }
    said = normalise({**common, **fields}, received_at)
    said.dialect = CeleryDialect.name
    return said
