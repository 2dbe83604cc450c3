"""What the next transaction will hold."""

from collections.abc import Sequence

import msgspec

from relayd.core.floor import Floor
from relayd.core.staging import Staging
from relayd.core.timeline import Entry
from relayd.ports import Body, Doomed, Position, ProjectRow, Rejected
from relayd.protocol.cursor import Place
from relayd.relay.subscription import Watched

__all__ = ["Pending", "row"]

BODY_BYTES, REJECTED_BYTES = 64, 512
"""What a body and a rejected event take beside their bytes: repeats have none, and a flood of them must count."""


class Pending:
    """Bodies, their events, and what could not be understood of them."""

    def __init__(self, rejected: Sequence[Rejected] = ()) -> None:
        """Begin with what is left over of another one."""
        self.bodies: list[Body] = []
        self.entries: dict[str, list[Entry]] = {}
        self.rejected: list[Rejected] = []
        self.floor: Floor | None = None
        self.events = 0
        self.nbytes = 0
        self.reject(rejected)

    def add(self, staging: Staging, rejected: Sequence[Rejected]) -> None:
        """Add a batch."""
        for body in staging.bodies:
            self.bodies.append(Body(staging.epoch, body.offset, body.fingerprint, body.repeat_keys))
            self.events += len(body.entries)
        for project_id, said in staging.projects.items():
            self.entries.setdefault(project_id, []).extend([entry for _, entry in said])
        self.nbytes += staging.nbytes + BODY_BYTES * len(staging.bodies)
        self.reject(rejected)

    def reject(self, rejected: Sequence[Rejected]) -> None:
        """Add events that could not be understood."""
        self.rejected += rejected
        self.nbytes += sum(map(weight, rejected))

    def shed(self, nbytes: int) -> None:
        """Let go of the oldest events that could not be understood, until no more than so many bytes are left."""
        while self.rejected and self.nbytes > nbytes:
            self.nbytes -= weight(self.rejected.pop(0))

    def purge(self, doomed: Doomed) -> int:
        """Let go of what is doomed and return how many that were; their bodies stay."""

        def stays(place: Place) -> bool:
            return not doomed.after < place < doomed.before

        held = [] if doomed.project_id is None else self.entries.get(doomed.project_id, [])
        left = [entry for entry in held if stays(entry.place)]
        if doomed.project_id is not None and len(left) < len(held):
            self.entries[doomed.project_id] = left
        rejected = [one for one in self.rejected if stays(one.place) or doomed.named not in one.body]
        gone = len(held) - len(left) + len(self.rejected) - len(rejected)
        self.rejected = rejected
        return gone

    @property
    def position(self) -> Position | None:
        """Where the log has been read to, once this is written; None if it holds no body."""
        if not self.bodies:
            return None
        last = self.bodies[-1]
        return Position(last.epoch, last.offset, last.fingerprint)


def weight(rejected: Rejected) -> int:
    """Return the bytes that an event counts which could not be understood."""
    return len(rejected.body) + REJECTED_BYTES


def row(project: Watched) -> ProjectRow | None:
    """Return a project as the journal keeps it; None if it has no event, or if its state is not whole."""
    if project.place is None or project.partial:
        return None
    state = project.state
    return ProjectRow(
        project_id=project.id,
        place=project.place,
        snapshot=msgspec.json.encode(state),
        status=state.status,
        owner=state.owner,
        team=state.team,
        started_at=state.started_at,
        completed_at=state.completed_at,
        updated_at=state.updated_at,
    )
