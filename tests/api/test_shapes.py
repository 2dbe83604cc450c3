from relayd.api.shapes import agents_of, project_of, status_of
from relayd.core.lifecycle import Missing
from relayd.core.liveness import Liveness
from relayd.core.snapshot import Agent, Failure, Snapshot

EMPTY = Snapshot(project_id="p")
FULL = Snapshot(
    project_id="p",
    status="completed",
    progress=100,
    stage="completion",
    stages_completed=["testing"],
    agents={
        "coder": Agent(status="working", progress=40, task="cart", activity="thinking", last_seen=5.0),
        "tester": Agent(status="idle", progress=0, last_seen=6.0),
    },
    errors=[Failure(error="no disk", timestamp=3.0)],
    warnings=["slow"],
    urls={"url": "https://shop.example", "completion_url": "https://done.example"},
    started_at=1.0,
    completed_at=9.0,
)


def test_a_project_that_was_only_heard_of() -> None:
    """Its id stands for its name; every field is there, for a front end reads them without asking."""
    assert ("p", 0, None, None) == tuple(
        project_of(EMPTY, {}, ())[name] for name in ("name", "progress", "createdAt", "completedAt")
    )
    assert project_of(FULL, {}, ()).keys() == project_of(EMPTY, {}, ()).keys()
    assert status_of(FULL).keys() == status_of(EMPTY).keys()
    assert [] == agents_of(EMPTY, {})


def test_who_is_active_is_who_works() -> None:
    """An idle agent is listed, and not active."""
    assert ["coder"] == status_of(FULL)["active_agents"]
    assert ["coder", "tester"] == [agent["name"] for agent in agents_of(FULL, {})]
    assert ("cart", "thinking", 5.0) == tuple(
        agents_of(FULL, {})[0][name] for name in ("current_task", "activity", "last_seen")
    )


def test_how_an_agent_seems_to_be_stands_beside_what_it_says() -> None:
    """Null for one that need not work."""
    seems = Liveness(state="quiet", idle_seconds=40.04, evidence="a line of log", reason="no sign of work")
    coder, tester = agents_of(FULL, {"coder": seems})
    assert {
        "state": "quiet",
        "idle_seconds": 40.0,
        "evidence": "a line of log",
        "reason": "no sign of work",
    } == coder["liveness"]
    assert tester["liveness"] is None


def test_what_nobody_has_said_of_its_life_stands_there() -> None:
    """An empty list where nothing is missing."""
    assert [] == project_of(FULL, {}, ())["lifecycle"]
    orphan = Missing(what="agent", cause="project_completed", agent="coder")
    assert [{"what": "agent", "cause": "project_completed", "synthetic": True, "agent": "coder"}] == project_of(
        FULL, {}, (orphan,)
    )["lifecycle"]


def test_errors_are_sentences_and_urls_have_names() -> None:
    """What went wrong as text; each URL under the name that the front end looks for."""
    status = status_of(FULL)
    assert (["no disk"], ["slow"], ["testing"]) == (status["errors"], status["warnings"], status["stages_completed"])
    assert ("https://shop.example", "https://done.example", None) == (
        status["url"], status["completion_url"], status["deployment_url"],
    )  # fmt: skip
