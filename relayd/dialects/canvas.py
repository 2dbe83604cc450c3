"""
What is remembered of Celery's tasks: whose root is whose, and what below it has not ended yet.

A task that starts others ends before they do: a root that has succeeded says nothing yet about its project.
Bounded: the longest unused task is forgotten first, and a stage or a family with its last task.
"""

from collections import OrderedDict

from msgspec import Struct, field

__all__ = ["Canvas", "Family", "Part", "Task", "end"]


class Task(Struct, gc=False):
    """What later events of a task do not repeat."""

    name: str
    root: str
    parent: str | None
    ended: bool = False


class Part(Struct, gc=False):
    """All tasks of one name below a root: viewers see them as one stage."""

    remembered: int = 0
    """Tasks that are not forgotten yet."""
    total: int = 0
    done: int = 0
    failed: int = 0
    started: bool = False

    @property
    def status(self) -> str:
        """What the stage is."""
        if self.done + self.failed < self.total:
            return "running" if self.started or self.done or self.failed else "pending"
        return "failed" if self.failed else "completed"

    @property
    def message(self) -> str:
        """How far it is."""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} done{failed}"


class Family(Struct):
    """The tasks below one root."""

    parts: dict[str, Part] = field(default_factory=dict)
    remembered: int = 0
    """Tasks that are not forgotten yet, the root among them."""
    total: int = 0
    open: int = 0
    """How many have not ended."""
    failed: int = 0
    failure: str = ""
    """What the first of them said that failed."""
    root: str = ""
    """The root's name, once it has succeeded."""
    told: bool = False
    """How the project ended was told."""


class Canvas:
    """Tasks by uuid, and families by the uuid of their root."""

    def __init__(self, most: int) -> None:
        """Remember so many tasks."""
        self._most = most
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._families: dict[str, Family] = {}

    def introduce(self, uuid: str, task: Task) -> bool:
        """Remember a task; return False for one that is known already."""
        if uuid in self._tasks:
            return False
        self._tasks[uuid] = task
        family = self._families.setdefault(task.root, Family())
        family.remembered += 1
        if uuid != task.root:
            family.total += 1
            family.open += 1
            part = family.parts.setdefault(task.name, Part())
            part.total += 1
            part.remembered += 1
        while len(self._tasks) > self._most:
            self._forget(*self._tasks.popitem(last=False))
        return True

    def find(self, uuid: str) -> tuple[Task, Family] | None:
        """Return a task and its family, None for one that is not known."""
        task = self._tasks.get(uuid)
        if task is None:
            return None
        self._tasks.move_to_end(uuid)
        return task, self._families[task.root]

    def _forget(self, uuid: str, task: Task) -> None:
        family = self._families[task.root]
        family.remembered -= 1
        if uuid != task.root:
            # Nothing that is said of it can be understood any more, so nobody must wait for it.
            family.open -= not task.ended
            part = family.parts[task.name]
            part.remembered -= 1
            if not part.remembered:
                del family.parts[task.name]
        if not family.remembered:
            del self._families[task.root]


def end(task: Task, family: Family, failure: str) -> None:
    """Count the end of a task below a root, once; a failure has a text."""
    if task.ended:
        return
    task.ended = True
    part = family.parts[task.name]
    family.open -= 1
    if failure:
        part.failed += 1
        family.failed += 1
        family.failure = family.failure or failure
    else:
        part.done += 1
