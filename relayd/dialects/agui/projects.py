"""
Of which project an event is.  Most events of AG-UI name neither thread nor run, so it is taken from what is certain.

Law 1: nobody's event gets into another's project.  What came before over the same broker is no sign of whose an event
is, unless an operator says that each user speaks of one run at a time.
Law 2: a thread is a project: its runs come one behind another in it.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from relayd.dialects.belonging import PROJECT_HEADER
from relayd.dialects.delivery import Delivery, Reason
from relayd.dialects.normalise import Misunderstood
from relayd.dialects.values import PROJECT, read_project, shown

__all__ = ["USERS", "Projects", "legal"]

USERS = 10_000
"""So many users' last runs are remembered, the longest unused forgotten first."""

FOREIGN = re.compile(r"[^A-Za-z0-9_~.-]|^\.")
KEPT = 100


class Projects:
    """What one body, and each user's bodies, say of the events in them that say nothing themselves."""

    def __init__(self, *, by_user: bool, users: int = USERS) -> None:
        """Begin; `by_user` if a user's last run is what its events are of."""
        self._by_user = by_user
        self._most = users
        self._last: OrderedDict[str, str] = OrderedDict()

    def of(self, event: Mapping[str, Any], delivery: Delivery, last: str | None) -> str:
        """Return the project; `last` is that of the run which began last in the same body.  Raises Misunderstood."""
        found = named(event, delivery) or last
        if found is None and delivery.user_id is not None:
            found = self._last.get(delivery.user_id)
        if found is None:
            mend = (
                f"send the header {PROJECT_HEADER}, `metadata.project_id`, `threadId`, "
                "or RUN_STARTED in front of it in the same body"
            )
            raise Misunderstood(
                Reason.BAD_PROJECT, f"threadId, runId: {event['type']} says of no run that it is; {mend}"
            )
        return found

    def begin(self, project: str, delivery: Delivery) -> None:
        """Take note that a run has begun."""
        if not self._by_user or delivery.user_id is None:
            return
        self._last[delivery.user_id] = project
        self._last.move_to_end(delivery.user_id)
        while len(self._last) > self._most:
            self._last.popitem(last=False)


def named(event: Mapping[str, Any], delivery: Delivery) -> str | None:
    """
    Return the project that an event or what it came with names, None if they don't; raises Misunderstood.

    The header beats `metadata.project_id`, that beats the only project that the publisher's token grants, and that the
    ids of thread and run.
    """
    header = delivery.headers.get(PROJECT_HEADER)
    if header is not None:
        return exact(header, PROJECT_HEADER)
    metadata = event.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("project_id") is not None:
        return exact(metadata["project_id"], "metadata.project_id")
    if delivery.projects is not None and len(delivery.projects) == 1:
        return next(iter(delivery.projects))
    return next((legal(name) for field in ("threadId", "runId") if (name := text(event.get(field)))), None)


def exact(value: object, where: str) -> str:
    """Return a project that was named on purpose; raises Misunderstood."""
    project = read_project(value)
    if project is None:
        raise Misunderstood(Reason.BAD_PROJECT, f"{where}: expected {PROJECT.expects}, got {shown(value)}")
    return project


def legal(name: str) -> str:
    """
    Return a project's id for the id of a thread: the same one if it can be, else one that is made of it.

    `-` stands for what may not be in it, and behind `~` stand 16 digits, by which it is told from others like it.
    """
    if (same := read_project(name)) is not None:
        return same
    mark = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{FOREIGN.sub('-', name)[:KEPT]}~{mark}"


def text(value: object) -> str:
    """Return an id as a text, empty if it is none."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
