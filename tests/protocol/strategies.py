"""Every message there can be, for tests that look for the one that breaks something."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from relayd.protocol.messages import (
    MAX_LOG_MESSAGE,
    MAX_NAME,
    AgentStatusUpdate,
    Budget,
    ConnectionEstablished,
    Event,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)
from relayd.protocol.usage import COUNTS

# A slow machine is no error, and fifty tries are enough for each run of very many.
quick = settings(deadline=None, max_examples=50)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20) | st.just("n" * MAX_NAME)
project_ids = st.from_regex(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,127}", fullmatch=True)
timestamps = st.floats(0, 1e11, exclude_max=True)
progress = st.integers(0, 100) | st.floats(0, 100)
seconds = st.integers(-(2**53), 2**53) | st.floats(-(2.0**53), 2.0**53)
scalars = texts | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
objects = st.dictionaries(texts, scalars | st.lists(scalars, max_size=3), max_size=3)
sums = st.dictionaries(texts, texts | st.integers(0, 2**53) | st.floats(0, 2.0**53), max_size=3)
tokens = st.integers(0, 10**6) | st.integers(0, 2**53)
reports = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(COUNTS, tokens),
        "cost": st.floats(0, 100) | st.floats(0, 2.0**53),
        "model": st.sampled_from(["m", "n"]) | texts,
    },
)
usages = sums | reports
budgets = st.builds(Budget, tokens=st.none() | st.integers(1, 2**53), cost=st.none() | st.floats(0.01, 1e6))


def event_of(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return messages of one kind; what is optional is sometimes there."""
    common = {
        "parent_id": st.none() | names,
        "root_id": st.none() | names,
        "key": st.none() | names,
        "usage": st.none() | usages,
        "agent": st.none() | names,
    }
    return st.builds(kind, project_id=project_ids, timestamp=timestamps, **(common | fields))


maybe_texts = st.none() | texts
statuses = st.sampled_from(["idle", "working", "completed", "failed"])
activities = st.none() | st.sampled_from(["thinking", "using_tool", "waiting_for_human", "waiting"])

events: st.SearchStrategy[Event] = st.one_of(
    event_of(
        ProjectStarted,
        name=maybe_texts,
        description=maybe_texts,
        project_type=maybe_texts,
        owner=maybe_texts,
        team=maybe_texts,
        agents=st.none() | st.lists(texts, max_size=3),
        estimated_duration_seconds=st.none() | seconds,
        budget=st.none() | budgets,
    ),
    event_of(ProjectProgress, progress=progress, message=texts, stage=maybe_texts),
    event_of(AgentStatusUpdate, agent=names, status=statuses, progress=progress, task=maybe_texts, activity=activities),
    event_of(
        WorkflowStageUpdate,
        stage=names,
        message=texts,
        status=st.none() | st.sampled_from(["pending", "running", "completed", "failed"]),
    ),
    event_of(
        WorkflowLog,
        level=st.sampled_from(["info", "success", "warning", "error"]),
        message=texts | st.just("x" * MAX_LOG_MESSAGE),
        emoji=maybe_texts,
        source=maybe_texts,
        fields=st.none() | objects,
    ),
    event_of(
        ProjectCompleted,
        url=maybe_texts,
        completion_url=maybe_texts,
        deployment_url=maybe_texts,
        message=maybe_texts,
        duration_seconds=st.none() | seconds,
    ),
    event_of(ProjectError, error=texts, code=maybe_texts, fatal=st.booleans()),
)

openings = st.builds(
    ConnectionEstablished,
    project_id=project_ids,
    timestamp=timestamps,
    message=texts,
    cursor=maybe_texts,
    replay=st.none() | st.sampled_from(["tail", "resume", "gap", "none"]),
    recovered=st.none() | st.booleans(),
    snapshot=st.none() | objects,
)
