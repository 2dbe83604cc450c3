"""
Celery's own events: a root task is a project, the tasks below it are its stages (events of Celery 5).

A worker tells name and root of a task once, when it is sent or received; what follows knows only its uuid.  So they are
remembered, the longest unused forgotten first.  An event whose task was never seen here can't be said to belong to any
project, and is rejected with the mend.

Arguments, results and tracebacks are left out: they are texts of whatever objects there were, secrets among them.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from relayd.dialects.bodies import MAX_EVENTS, cut
from relayd.dialects.delivery import Delivery, Item, Reason
from relayd.dialects.native import MAX_EVENT_BYTES
from relayd.dialects.normalise import Misunderstood, normalise
from relayd.dialects.values import read_name, read_project, shown
from relayd.protocol.messages import Message

__all__ = ["TASKS", "CeleryDialect"]

EXCHANGE = "celeryev"
TASKS = 100_000
"""So many tasks are remembered; each takes some 300 bytes."""

SILENT = frozenset({"worker-online", "worker-offline", "worker-heartbeat"})
"""They speak of a worker, which belongs to no project."""

JSON = msgspec.json.Decoder()

Fields = dict[str, Any]


class Task(Struct, frozen=True, gc=False):
    """What later events of a task do not repeat."""

    name: str
    root: str
    parent: str | None


class Known(Struct, frozen=True):
    """An event together with what is known of its task."""

    event: Mapping[str, Any]
    uuid: str
    task: Task
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
        """Return a stage of the project."""
        return {"type": "workflow_stage_update", "stage": self.task.name, "status": status, "message": message}

    def line(self, level: str, message: str) -> Fields:
        """Return a line of log."""
        return {"type": "workflow_log", "level": level, "message": message, "source": self.task.name}


def begun(known: Known) -> list[Fields]:
    """A task was sent or received."""
    if known.is_root:
        return [{"type": "project_started", "name": known.task.name, "project_type": "celery"}]
    return [known.stage("pending", "queued")]


def running(known: Known) -> list[Fields]:
    """A worker has taken it."""
    if known.is_root:
        return [{"type": "project_progress", "progress": 0, "message": f"{known.task.name} runs"}]
    return [known.stage("running", "running")]


def succeeded(known: Known) -> list[Fields]:
    """It is done."""
    runtime = known.event.get("runtime")
    took = {"duration_seconds": runtime} if isinstance(runtime, int | float) else {}
    if known.is_root:
        return [{"type": "project_completed", "message": f"{known.task.name} succeeded", **took}]
    message = f"done in {runtime:.3g} s" if took else "done"
    return [known.stage("completed", message)]


def failed(known: Known) -> list[Fields]:
    """It raised, and is not tried again."""
    error = f"{known.task.name}: {known.text('exception') or 'failed'}"
    if known.is_root:
        return [{"type": "project_error", "error": error}]
    return [known.stage("failed", "failed"), known.line("error", error)]


def retried(known: Known) -> list[Fields]:
    """It raised, and is tried again: no failure of the project."""
    told = known.line("warning", f"{known.task.name} is tried again: {known.text('exception')}")
    return [told] if known.is_root else [known.stage("pending", "retrying"), told]


def rejected(known: Known) -> list[Fields]:
    """A worker refused it."""
    requeued = known.event.get("requeue") is True
    if known.is_root and not requeued:
        return [{"type": "project_error", "error": f"{known.task.name} was rejected", "code": "rejected"}]
    if known.is_root:
        return [known.line("warning", f"{known.task.name} was rejected and queued again")]
    return [known.stage("pending" if requeued else "failed", "queued again" if requeued else "rejected")]


def cancelled(known: Known) -> list[Fields]:
    """Somebody revoked it, or it expired."""
    why = "expired" if known.event.get("expired") is True else "was cancelled"
    if known.is_root:
        return [{"type": "project_error", "error": f"{known.task.name} {why}", "code": "cancelled"}]
    return [known.stage("failed", why)]


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
        self._most = tasks
        self._tasks: OrderedDict[str, Task] = OrderedDict()

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
        again = uuid in self._tasks
        if event["type"] in INTRODUCE:
            root = read_project(event.get("root_id")) or uuid
            self._tasks[uuid] = Task(read_name(event.get("name")) or "task", root, read_name(event.get("parent_id")))
            while len(self._tasks) > self._most:
                self._tasks.popitem(last=False)
        task = self._tasks.get(uuid)
        if task is None:
            mend = "let Celery send `task-sent` (task_send_sent_event) and keep its queue bound while relayd restarts"
            raise Misunderstood(Reason.BAD_PROJECT, f"uuid: of task {uuid} neither name nor root was seen here; {mend}")
        self._tasks.move_to_end(uuid)
        return Known(event, uuid, task, again)


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
