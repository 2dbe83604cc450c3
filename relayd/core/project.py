"""The fold of a project's events into its snapshot, and all that the relay holds of a project."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic

from relayd.core.access import ProjectFacts
from relayd.core.burn import Burn
from relayd.core.channel import Channel, Member
from relayd.core.evidence import work_in
from relayd.core.floor import BELOW_ALL
from relayd.core.snapshot import MAX_TASK, MAX_TEXT, Agent, Failure, Snapshot
from relayd.core.timeline import Entry, Timeline
from relayd.core.usage import spend
from relayd.protocol import codec
from relayd.protocol.cursor import Place
from relayd.protocol.messages import (
    MAX_NAME,
    TYPES,
    AgentStatusUpdate,
    Message,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from relayd.protocol.usage import MAX_USAGE

__all__ = ["Project", "fold"]

MAX_AGENTS = 1_000
MAX_STAGES = 100
MAX_ERRORS = 10
MAX_USAGE_KEYS = 32
URLS = ("url", "completion_url", "deployment_url")


def fold(state: Snapshot, message: Message, received_at: float) -> None:
    """Bring the state up to a message; idle times use the relay's clock, durations the producer's."""
    name, follow = FOLDS[type(message)]
    if message.agent is None:
        follow(state, message, received_at)
    else:
        before = state.agents.get(message.agent)
        evidence = work_in(message, before, state)
        follow(state, message, received_at)
        card = state.agents.get(message.agent)
        if card is not None:
            credit(card, evidence, received_at, before=before or card)
    state.counts[name] = state.counts.get(name, 0) + 1
    state.updated_at = received_at
    if message.usage:
        add_usage(state, message.usage)
        spend(state.spent, message.agent, message.usage)


def credit(card: Agent, evidence: str | None, received_at: float, *, before: Agent) -> None:
    """Note evidence of an agent's work on its card; without any, what was known before stands."""
    if evidence is not None:
        card.worked_at, card.evidence = received_at, evidence
    else:
        card.worked_at, card.evidence = before.worked_at or before.last_seen, before.evidence


def add_usage(state: Snapshot, usage: dict[str, Any]) -> None:
    """Sum the numbers of a usage report by name; long names and those beyond the bound are summed as `other`."""
    for name, value in usage.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            fits = name in state.usage or (len(state.usage) < MAX_USAGE_KEYS and len(name) <= MAX_NAME)
            key = name if fits else "other"
            state.usage[key] = max(-MAX_USAGE, min(MAX_USAGE, state.usage.get(key, 0) + value))


def cut(text: str | None, length: int = MAX_TEXT) -> str | None:
    """Return the beginning of a text that is shown."""
    return None if text is None else text[:length]


def short(text: str | None) -> str | None:
    """Return a text that says who or where; one beyond the bound says nothing, for its beginning may be another's."""
    return text if text is not None and len(text) <= MAX_TEXT else None


def started(state: Snapshot, message: ProjectStarted, _: float) -> None:
    """Begin anew: what an earlier run of the same project left is no longer true; the first owner stands."""
    fresh = Snapshot(
        project_id=state.project_id,
        name=cut(message.name) or state.name,
        description=cut(message.description) or state.description,
        project_type=cut(message.project_type) or state.project_type,
        # Whoever publishes a second start must not take a project over.
        owner=state.owner if state.owner or state.team else short(message.owner),
        team=state.team if state.owner or state.team else short(message.team),
        started_at=message.timestamp,
        estimated_duration_seconds=message.estimated_duration_seconds,
        counts=state.counts,
        usage=state.usage,
        spent=state.spent,
        # What is used goes on over all runs, so a budget is for all of them: the newest that is named.
        allowed=message.budget or state.allowed,
    )
    for name in fresh.__struct_fields__:
        setattr(state, name, getattr(fresh, name))


def alive(state: Snapshot, timestamp: float) -> None:
    """Note that the project works; one that had ended goes on only with a new start."""
    if state.status == "initializing":
        state.status = "in_progress"
    if state.started_at is None:
        state.started_at = timestamp


def progressed(state: Snapshot, message: ProjectProgress, _: float) -> None:
    """Take over how far it is."""
    alive(state, message.timestamp)
    if state.status != "completed":
        # A straggler must not bring a project that is done back to half done.
        state.progress = message.progress
    state.message = cut(message.message)
    if message.stage:
        enter(state, message.stage[:MAX_NAME])


def enter(state: Snapshot, stage: str) -> None:
    """Make a stage the current one; the one before it is done."""
    if state.stage is not None and state.stage != stage:
        complete(state, state.stage)
    state.stage = stage


def complete(state: Snapshot, stage: str) -> None:
    """Note a stage as done, once; the oldest give way beyond the bound."""
    if stage not in state.stages_completed:
        state.stages_completed = [*state.stages_completed, stage][-MAX_STAGES:]


def staged(state: Snapshot, message: WorkflowStageUpdate, _: float) -> None:
    """Follow the workflow."""
    alive(state, message.timestamp)
    if message.status == "completed":
        complete(state, message.stage)
    elif message.status != "pending":
        enter(state, message.stage)
    state.message = cut(message.message)


def agent_moved(state: Snapshot, message: AgentStatusUpdate, received_at: float) -> None:
    """Replace an agent's card; beyond the bound the one that was silent longest goes, and is counted."""
    alive(state, message.timestamp)
    state.agents[message.agent] = Agent(
        status=message.status,
        progress=message.progress,
        last_seen=received_at,
        task=cut(message.task, MAX_TASK),
        activity=message.activity,
    )
    if len(state.agents) > MAX_AGENTS:
        # Not this one, even if the clock was set back.
        others = (name for name in state.agents if name != message.agent)
        del state.agents[min(others, key=lambda name: state.agents[name].last_seen)]
        state.agents_forgotten += 1


def logged(state: Snapshot, message: WorkflowLog, _: float) -> None:
    """Keep the last warnings; a line of log is no state otherwise."""
    alive(state, message.timestamp)
    if message.level == "warning":
        state.warnings = [*state.warnings, message.message[:MAX_TASK]][-MAX_ERRORS:]


def completed(state: Snapshot, message: ProjectCompleted, _: float) -> None:
    """End well."""
    state.status = "completed"
    state.progress = 100
    state.completed_at = message.timestamp
    if message.message:
        state.message = cut(message.message)
    if state.stage is not None:
        complete(state, state.stage)
    for name in URLS:
        if url := short(getattr(message, name)):
            state.urls[name] = url


def erred(state: Snapshot, message: ProjectError, _: float) -> None:
    """Keep the last errors; a fatal one ends the project."""
    error, code = message.error[:MAX_TEXT], cut(message.code, MAX_NAME)
    failure = Failure(timestamp=message.timestamp, error=error, code=code, fatal=message.fatal)
    state.errors = [*state.errors, failure][-MAX_ERRORS:]
    if message.fatal:
        state.status = "failed"
        state.completed_at = message.timestamp
        state.message = error


FOLLOWING: dict[type[Message], Callable[[Snapshot, Any, float], None]] = {
    ProjectStarted: started,
    ProjectProgress: progressed,
    AgentStatusUpdate: agent_moved,
    WorkflowStageUpdate: staged,
    WorkflowLog: logged,
    ProjectCompleted: completed,
    ProjectError: erred,
}

FOLDS: dict[type[Message], tuple[str, Callable[[Snapshot, Any, float], None]]] = {
    kind: (name, FOLLOWING[kind]) for name, kind in TYPES.items()
}
"""By message: under which name it is counted, and what it changes."""


class Project(Generic[Member]):
    """What the relay holds of one project: its state, its recent events and who watches."""

    __slots__ = ("burn", "channel", "dirty", "id", "partial", "place", "state", "timeline")

    def __init__(self, project_id: str, *, state: Snapshot | None = None, timeline: Timeline | None = None) -> None:
        """Begin empty, or with what the journal kept."""
        self.id = project_id
        self.state = state or Snapshot(project_id=project_id)
        self.timeline = Timeline() if timeline is None else timeline
        self.channel: Channel[Member] = Channel()
        self.place: Place | None = None
        """Place of its newest event."""
        self.dirty = False
        """Its state is newer than the snapshot in the journal."""
        self.partial = False
        """Its state lacks what the journal holds, which could not be read when its events came."""
        self.burn: Burn | None = None
        """How fast it uses what its models take; memory only, begun with the first report that comes live."""

    def record(self, said: Sequence[tuple[Message, Entry]]) -> None:
        """Take in its messages of a batch, at least one, with their entries in the log's order."""
        state = self.state
        self.timeline.record([entry for _, entry in said])
        for message, entry in said:
            fold(state, message, entry.received_at)
        last = said[-1][1]
        state.cursor, self.place, self.dirty = last.cursor, last.place, True

    def follow(self, entries: Iterable[Entry]) -> None:
        """Fold entries into the state as they come back, encoded."""
        for entry in entries:
            fold(self.state, codec.decode_event(entry.payload), entry.received_at)
            self.state.cursor, self.dirty = entry.cursor, True

    def revive(self, timeline: Timeline, since: Sequence[Entry], place: Place | None) -> None:
        """Take over what the journal kept: its newest entries, those since the state, and the place of that."""
        self.timeline = timeline
        self.follow(since)
        # The state may be newer than all entries that are left: what came before it was let go of unwritten.
        known = [entry.place for entry in (*timeline.since(BELOW_ALL)[-1:], *since[-1:])]
        self.place = max(known if place is None else [*known, place], default=None)

    def mend(self, state: Snapshot | None, place: Place, since: Sequence[Entry]) -> None:
        """Make a partial state whole: the state at a place, the journal's entries since then, and what memory holds."""
        self.state = state or Snapshot(project_id=self.id)
        self.follow(since)
        self.follow(self.timeline.since(since[-1].place if since else place))
        self.partial = False

    @property
    def facts(self) -> ProjectFacts:
        """What authorizers decide by; of a partial state nothing, for its first event may lie."""
        if self.partial:
            return ProjectFacts(project_id=self.id, known=False)
        return ProjectFacts(
            project_id=self.id, known=bool(self.state.counts), owner=self.state.owner, team=self.state.team
        )
