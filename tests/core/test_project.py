from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.access import ProjectFacts
from relayd.core.floor import BELOW_ALL
from relayd.core.project import (
    MAX_AGENTS,
    MAX_ERRORS,
    MAX_STAGES,
    MAX_USAGE_KEYS,
    Project,
    fold,
)
from relayd.core.snapshot import MAX_TASK, MAX_TEXT, Snapshot, read
from relayd.core.timeline import Entry, Timeline
from relayd.protocol import codec
from relayd.protocol.messages import (
    MAX_NAME,
    AgentStatusUpdate,
    Message,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowStageUpdate,
)
from relayd.protocol.usage import MAX_USAGE
from tests.core.words import NOW, PROJECT, entry, line, place
from tests.protocol.strategies import events, quick

WHAT: dict[str, Any] = {"project_id": PROJECT, "timestamp": 50.0}


def folded(*messages: Message, state: Snapshot | None = None, now: float = NOW) -> Snapshot:
    """Return what messages make of a state."""
    state = state or Snapshot(project_id=PROJECT)
    for message in messages:
        fold(state, message, now)
    return state


def started(**fields: Any) -> ProjectStarted:  # noqa: ANN401  # whatever a start may say
    """Return a start."""
    return ProjectStarted(**WHAT | fields)


def progress(percent: float, message: str = "on it", stage: str | None = None) -> ProjectProgress:
    """Return a progress."""
    return ProjectProgress(**WHAT, progress=percent, message=message, stage=stage)


def agent(name: str, task: str | None = None) -> AgentStatusUpdate:
    """Return a working agent."""
    return AgentStatusUpdate(**WHAT, agent=name, status="working", progress=10, task=task, activity="thinking")


def stage(name: str, status: Any = None) -> WorkflowStageUpdate:  # noqa: ANN401  # one of the four words
    """Return a stage."""
    return WorkflowStageUpdate(**WHAT, stage=name, message=f"{name} now", status=status)


def error(text: str = "oops", *, fatal: bool = True) -> ProjectError:
    """Return an error."""
    return ProjectError(**WHAT, error=text, code="E1", fatal=fatal)


def test_every_message_is_counted_and_dated() -> None:
    """By type; `updated_at` is the relay's clock, not the producer's."""
    state = folded(line(), line(), progress(1), now=77.0)
    assert {"workflow_log": 2, "project_progress": 1} == state.counts
    assert 77.0 == state.updated_at


def test_a_start_tells_what_the_project_is() -> None:
    """Its time is the producer's, for durations."""
    told = {
        "name": "Shop",
        "description": "sells",
        "project_type": "web",
        "owner": "ada",
        "team": "blue",
        "estimated_duration_seconds": 60,
    }
    state = folded(started(**told))
    assert told == {name: getattr(state, name) for name in told}
    assert ("initializing", 50.0) == (state.status, state.started_at)


def test_a_second_start_begins_anew() -> None:
    """What the earlier run left is no longer true; counts, usage and what is not said again stay."""
    spending = progress(70, stage="testing")
    spending.usage = {"tokens": 5}
    state = folded(started(name="Shop"), spending, agent("coder"), line(level="warning"), error(), started())
    assert ("initializing", 0, None, {}, [], [], []) == (
        state.status,
        state.progress,
        state.stage,
        state.agents,
        state.errors,
        state.warnings,
        state.stages_completed,
    )
    assert ("Shop", {"tokens": 5}, 2) == (state.name, state.usage, state.counts["project_started"])
    assert None is state.completed_at


def test_the_first_owner_stands() -> None:
    """Whoever publishes a second start must not take a project over."""
    state = folded(started(owner="ada", team="blue"), started(owner="eve", team="red"))
    assert ("ada", "blue") == (state.owner, state.team)


def test_an_owner_may_be_said_later() -> None:
    """As long as none was said."""
    assert "ada" == folded(started(), line(), started(owner="ada")).owner


def test_an_endless_owner_is_nobody() -> None:
    """Its beginning may be somebody else's name."""
    state = folded(started(owner="a" * (MAX_TEXT + 1), team="t" * MAX_TEXT))
    assert (None, "t" * MAX_TEXT) == (state.owner, state.team)


@pytest.mark.parametrize("message", [progress(1), agent("coder"), stage("testing"), line()])
def test_a_sign_of_work_means_in_progress(message: Message) -> None:
    """Also for a relay that missed the start; then the first sign is the start."""
    state = folded(message)
    assert ("in_progress", message.timestamp) == (state.status, state.started_at)


@pytest.mark.parametrize(("end", "status"), [(ProjectCompleted(**WHAT), "completed"), (error(), "failed")])
def test_what_has_ended_goes_on_only_with_a_start(end: Message, status: str) -> None:
    """A straggler behind the end changes no status."""
    state = folded(started(), end, line(), progress(10))
    assert status == state.status
    assert "initializing" == folded(started(), state=state).status


def test_a_straggler_does_not_undo_what_is_done() -> None:
    """A completed project is not half done again."""
    assert 100 == folded(progress(90), ProjectCompleted(**WHAT), progress(50)).progress


def test_progress_tells_how_far_and_where() -> None:
    """65 stays 65."""
    state = folded(progress(65, "Building", "testing"))
    assert ("65", "Building", "testing") == (str(state.progress), state.message, state.stage)


def test_a_progress_without_a_stage_stays_in_it() -> None:
    """An empty name is none."""
    assert "testing" == folded(progress(1, stage="testing"), progress(2), progress(3, stage="")).stage


def test_entering_a_stage_completes_the_one_before() -> None:
    """Once, whoever says it."""
    state = folded(stage("design"), stage("build", "running"), progress(1, stage="test"), stage("test"), stage("build"))
    assert (["design", "build", "test"], "build") == (state.stages_completed, state.stage)


def test_a_stage_may_say_that_it_is_done() -> None:
    """Without having been entered; one that is only planned changes nothing but the message."""
    state = folded(stage("design", "completed"), stage("build", "pending"))
    assert (["design"], None, "build now") == (state.stages_completed, state.stage, state.message)


def test_completion_ends_well() -> None:
    """Everything is done, the current stage too; the producer's clock says when."""
    state = folded(
        stage("test"), ProjectCompleted(**WHAT, url="http://a", deployment_url="http://b", message="all done")
    )
    assert ("completed", 100, 50.0, "all done") == (state.status, state.progress, state.completed_at, state.message)
    assert (["test"], {"url": "http://a", "deployment_url": "http://b"}) == (state.stages_completed, state.urls)


def test_a_completion_that_says_nothing_leaves_the_message() -> None:
    """The last word stands."""
    state = folded(progress(90, "nearly"), ProjectCompleted(**WHAT))
    assert ("nearly", {}, []) == (state.message, state.urls, state.stages_completed)


def test_a_fatal_error_ends_the_project() -> None:
    """Others are only kept."""
    state = folded(line(), error("small", fatal=False))
    assert ("in_progress", None) == (state.status, state.completed_at)
    folded(error("big"), state=state)
    assert ("failed", 50.0, "big") == (state.status, state.completed_at, state.message)
    assert [("small", False), ("big", True)] == [(failure.error, failure.fatal) for failure in state.errors]


def test_an_agent_has_one_card() -> None:
    """The newest; when it was seen is the relay's clock."""
    state = folded(agent("coder"), AgentStatusUpdate(**WHAT, agent="coder", status="idle", progress=100), now=8.0)
    card = state.agents["coder"]
    assert ("idle", 100, 8.0, None, None) == (card.status, card.progress, card.last_seen, card.task, card.activity)


def test_warnings_are_kept_other_lines_are_not() -> None:
    """A line of log is no state otherwise."""
    assert ["hot"] == folded(line("hot", level="warning"), line("warm"), line("cold", level="error")).warnings


def test_the_agent_that_was_silent_longest_gives_way() -> None:
    """And is counted."""
    state = Snapshot(project_id=PROJECT)
    for number in range(MAX_AGENTS):
        fold(state, agent(f"agent {number}"), float(number))
    fold(state, agent("agent 0"), 5_000.0)
    fold(state, agent("new"), 5_001.0)
    assert (MAX_AGENTS, 1) == (len(state.agents), state.agents_forgotten)
    assert [True, False, True] == [name in state.agents for name in ("agent 0", "agent 1", "new")]


def test_a_new_agent_stays_when_the_clock_was_set_back() -> None:
    """It is not the one that was silent longest, whatever the clock says."""
    state = Snapshot(project_id=PROJECT)
    for number in range(MAX_AGENTS):
        fold(state, agent(f"agent {number}"), 100.0)
    fold(state, agent("new"), 50.0)
    assert [False, True] == [name in state.agents for name in ("agent 0", "new")]


def test_lists_are_bounded() -> None:
    """The newest stay."""
    state = Snapshot(project_id=PROJECT)
    for number in range(MAX_STAGES + 5):
        folded(
            stage(f"stage {number}", "completed"),
            error(f"error {number}"),
            line(f"warning {number}", level="warning"),
            state=state,
        )
    assert (MAX_STAGES, "stage 104") == (len(state.stages_completed), state.stages_completed[-1])
    assert (MAX_ERRORS, "error 104") == (len(state.errors), state.errors[-1].error)
    assert (MAX_ERRORS, "warning 104") == (len(state.warnings), state.warnings[-1])


def test_texts_are_bounded() -> None:
    """Each of a thousand agents' tasks, every stage and every error may have been a quarter of a megabyte."""
    endless = "x" * 200_000
    state = folded(
        started(name=endless, description=endless, project_type=endless, owner=endless, team=endless),
        progress(1, endless, endless),
        agent("coder", endless),
        stage("s", "running"),
        line(endless[:16_000], level="warning"),
        ProjectError(**WHAT, error=endless, code=endless),
        ProjectCompleted(**WHAT, message=endless, url=endless, completion_url="http://short"),
    )
    texts = (state.name, state.description, state.project_type, state.message)
    assert [MAX_TEXT] * 4 == [len(str(text)) for text in texts]
    assert MAX_TASK == len(str(state.agents["coder"].task)) == len(state.warnings[0])
    assert (MAX_TEXT, MAX_NAME) == (len(state.errors[0].error), len(str(state.errors[0].code)))
    assert ["x" * MAX_NAME, "s"] == state.stages_completed
    assert {"completion_url": "http://short"} == state.urls


def spent(**usage: object) -> Message:
    """Return a message with a report of usage."""
    message = line()
    message.usage = usage
    return message


def test_usage_is_summed_by_name() -> None:
    """Numbers only; yes and no are none."""
    state = folded(spent(tokens=3, cost=0.5, model="m", cached=True, more={}), spent(tokens=4), spent(cost=0.25))
    assert {"tokens": 7, "cost": 0.75} == state.usage


def test_usage_names_are_bounded() -> None:
    """What goes beyond is summed as `other`, endless names are, too; those that are known go on."""
    names = [f"name {number}" for number in range(MAX_USAGE_KEYS + 2)]
    state = folded(spent(**{"n" * (MAX_NAME + 1): 5}), *(spent(**{name: 1}) for name in names), spent(**{"name 0": 1}))
    assert (MAX_USAGE_KEYS, 5 + 3, 2) == (len(state.usage), state.usage["other"], state.usage["name 0"])


@pytest.mark.parametrize("sign", [1, -1])
def test_usage_sums_stop_where_numbers_are_no_longer_exact(sign: int) -> None:
    """Beyond it the journal would give back another number, and in the end none that can be read."""
    state = folded(*[spent(tokens=sign * MAX_USAGE, cost=sign * 1e15)] * 20)
    assert {"tokens": sign * MAX_USAGE, "cost": sign * MAX_USAGE} == state.usage


def test_a_new_project_is_unknown() -> None:
    """Its owner may yet be said."""
    assert ProjectFacts(project_id="p", known=False) == Project("p").facts
    assert (None, False, 0) == (Project("p").place, Project("p").dirty, len(Project("p").timeline))


def test_a_project_begins_with_what_the_journal_kept() -> None:
    """State and entries."""
    project: Project[str] = Project(
        PROJECT, state=folded(started(owner="ada", team="blue")), timeline=Timeline([entry(1)])
    )
    assert ProjectFacts(project_id=PROJECT, known=True, owner="ada", team="blue") == project.facts
    assert 1 == len(project.timeline)


stories = st.lists(st.tuples(events, st.floats(0, 1e11)), max_size=25)


@quick
@given(stories)
def test_the_fold_depends_on_the_events_alone(story: list[tuple[Message, float]]) -> None:
    """As they were published or as the journal gives them back: the state is the same."""
    fresh, again = Snapshot(project_id=PROJECT), Snapshot(project_id=PROJECT)
    for message, now in story:
        fold(fresh, message, now)
        fold(again, codec.decode_event(codec.encode(message)), now)
    assert fresh == again


@quick
@given(stories, stories)
def test_folding_on_from_the_journal_equals_folding_everything(
    before: list[tuple[Message, float]], after: list[tuple[Message, float]]
) -> None:
    """A stored snapshot and the entries behind it are all a restart needs."""
    whole = Snapshot(project_id=PROJECT)
    for message, now in before:
        fold(whole, message, now)
    restored = read(msgspec.json.encode(whole))
    assert whole == restored
    for message, now in after:
        fold(whole, message, now)
        fold(restored, message, now)
    assert whole == restored


@quick
@given(stories)
def test_the_state_is_bounded(story: list[tuple[Message, float]]) -> None:
    """Whatever comes: lists, cards, names and texts."""
    state = Snapshot(project_id=PROJECT)
    for message, now in story * 3:
        fold(state, message, now)
    assert len(state.agents) <= MAX_AGENTS
    assert len(state.stages_completed) <= MAX_STAGES
    assert len(state.usage) <= MAX_USAGE_KEYS + 1
    assert max(len(state.errors), len(state.warnings)) <= MAX_ERRORS
    assert all(len(text) <= MAX_TEXT for text in (state.name or "", state.message or "", *state.urls.values()))
    assert len(state.counts) <= 7


def test_a_team_is_not_added_by_a_second_start() -> None:
    """Whoever publishes another start of a project that has an owner must not let his own team in."""
    state = Snapshot(project_id="p")
    fold(state, ProjectStarted(project_id="p", timestamp=1.0, owner="ada"), 1.0)
    fold(state, ProjectStarted(project_id="p", timestamp=2.0, team="mallory-and-friends"), 2.0)
    assert ("ada", None) == (state.owner, state.team)


def test_an_owner_is_not_added_by_a_second_start() -> None:
    """Nor himself to a project that is a team's."""
    state = folded(started(team="blue"), started(owner="mallory"), started(owner="mallory", team="red"))
    assert (None, "blue") == (state.owner, state.team)


def recorded(project: Project[str], *messages: Message) -> list[Entry]:
    """Record messages at offsets from 10 on, and return their entries."""
    said = [(message, entry(offset, message)) for offset, message in enumerate(messages, 10)]
    project.record(said)
    return [one for _, one in said]


def test_a_partial_state_decides_nothing() -> None:
    """Its first event may be a start that names another owner than the one who stands."""
    project: Project[str] = Project(PROJECT)
    project.partial = True
    recorded(project, started(owner="mallory"))
    assert ProjectFacts(project_id=PROJECT, known=False) == project.facts


def test_a_partial_state_is_made_whole() -> None:
    """By what the journal kept, what came behind that, and what memory has seen since."""
    project: Project[str] = Project(PROJECT)
    project.partial = True
    recorded(project, started(owner="mallory"), line("c"), line("d"))
    kept = [entry(4, line("b")), *project.timeline.since(place(9))[:1]]
    project.mend(folded(started(owner="ada"), line("a")), place(2), kept)
    assert (False, True) == (project.partial, project.dirty)
    assert ("ada", {"project_started": 2, "workflow_log": 4}) == (project.state.owner, project.state.counts)
    assert project.timeline.since(place(11))[0].cursor == project.state.cursor


def test_a_partial_state_of_which_nobody_else_knows_is_whole_already() -> None:
    """The journal has forgotten it meanwhile, or has only its snapshot."""
    project: Project[str] = Project(PROJECT)
    recorded(project, line("a"))
    project.mend(None, BELOW_ALL, ())
    assert {"workflow_log": 1} == project.state.counts
    project.mend(folded(line("before")), place(3), ())
    assert {"workflow_log": 2} == project.state.counts


def test_a_project_can_be_given_a_timeline_that_is_empty() -> None:
    """How far back it reaches is told by its bottom alone."""
    assert place(3) == Project[str](PROJECT, timeline=Timeline(bottom=place(3))).timeline.bottom
