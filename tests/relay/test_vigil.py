"""How agents seem to be, as viewers learn it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from relayd.core.attention import Attention
from relayd.core.liveness import Thresholds
from relayd.core.outage import begin_partial
from relayd.protocol.commands import Selection
from relayd.protocol.messages import (
    AgentStatusUpdate,
    ProjectCompleted,
    ProjectStarted,
    WorkflowStageUpdate,
)
from relayd.relay.vigil import LAP_SECONDS, MOST, REST, STRETCH
from relayd.testing.sources import FakeSource
from relayd.testing.viewers import FakeEncoding, FakeWire
from tests.relay.stage import Relay, Watcher, line, progress

LAP = LAP_SECONDS + 0.5
"""Seconds in which every watched project has had its turn."""

TOLD = b"LIVENESS"

SLACK = Attention.PAUSE + LAP
"""Seconds by which silence may be counted less than it was."""


@pytest.fixture
async def waking(relay: Relay) -> AsyncIterator[Relay]:
    """Give a relay that looks at its agents."""
    running = asyncio.create_task(relay.engine.vigil.run())
    await asyncio.sleep(LAP)
    yield relay
    running.cancel()
    await asyncio.wait({running})


def started(project_id: str = "p") -> ProjectStarted:
    """Return a start."""
    return ProjectStarted(project_id=project_id, timestamp=1.0)


def agent(name: str = "coder", project_id: str = "p", **fields: Any) -> AgentStatusUpdate:  # noqa: ANN401  # as a worker may say
    """Return an agent that works."""
    fields = {"status": "working", "progress": 0, **fields}
    return AgentStatusUpdate(project_id=project_id, timestamp=1.0, agent=name, **fields)


def told(viewer: Watcher) -> list[dict[str, str]]:
    """Return what the notices told of agents, each as name → state."""
    return [
        {name: seems["state"] for name, seems in notice["data"]["agents"].items()}
        for notice in viewer.of("notice")
        if notice["code"] == "LIVENESS"
    ]


def card(viewer: Watcher, name: str = "coder") -> dict[str, Any]:
    """Return an agent's card of the snapshot that a viewer began with."""
    found: dict[str, Any] = viewer.of("connection_established")[-1]["snapshot"]["agents"][name]
    return found


async def test_it_stands_in_the_snapshot(waking: Relay) -> None:
    """Beside what the agent said; evidence stands there once, and one that rests has nothing to be judged by."""
    waking.says(started(), agent(progress=1), agent("tester", status="idle"))
    await asyncio.sleep(400)
    viewer = await waking.watches()
    seems = card(viewer)["liveness"]
    assert ("working", "maybe_stuck", "its first status") == (card(viewer)["status"], seems["state"], seems["evidence"])
    assert 400 == pytest.approx(seems["idle_seconds"], abs=LAP)
    assert {"status", "progress", "last_seen", "liveness"} == card(viewer).keys()
    assert "liveness" not in card(viewer, "tester")
    assert "lifecycle" not in viewer.of("connection_established")[-1]["snapshot"]


async def test_nothing_of_it_is_kept(waking: Relay) -> None:
    """The journal has the evidence, and a judgement is made when somebody asks."""
    waking.says(started(), agent())
    await asyncio.sleep(400)
    await waking.commits()
    assert waking.journal is not None
    (row,) = await waking.journal.list_projects()
    assert b"its first status" in row.snapshot
    assert b"liveness" not in row.snapshot
    assert b"maybe" not in row.snapshot


async def test_viewers_are_told_when_it_changes(waking: Relay) -> None:
    """Once for each change, down and up again, with a sentence for people; not to those who read no notices."""
    waking.says(started(), agent(), agent("tester", activity="waiting_for_human"))
    viewer, legacy = await waking.watches(), await waking.watches(legacy=True)
    before = len(legacy.wire.sent)
    await asyncio.sleep(1_000)
    waking.says(line("it goes on", agent="coder"))
    await asyncio.sleep(LAP)
    quiet, stuck, lost, up = told(viewer)[-4:]
    assert ({"coder": "quiet"}, {"coder": "maybe_stuck"}, {"coder": "lost"}) == (quiet, stuck, lost)
    assert {"coder": "working"} == up
    notice = viewer.of("notice")[-1]
    assert ("p", "coder: working, last sign of work: a line of log") == (notice["project_id"], notice["detail"])
    assert "lifecycle" not in notice["data"]
    assert before + 1 == len(legacy.wire.sent)


async def test_a_reason_that_changes_is_told_too(waking: Relay) -> None:
    """The state is the same: the heartbeat has stopped, and comes back."""
    waking.says(started(), agent())
    viewer = await waking.watches()
    for _ in range(31):
        await asyncio.sleep(10)
        waking.says(agent())
    await asyncio.sleep(310)
    waking.says(agent())
    await asyncio.sleep(LAP)
    reasons = [notice["data"]["agents"]["coder"]["reason"] for notice in viewer.of("notice")]
    assert ["go on", "life either", "go on"] == [" ".join(reason.split()[-2:]) for reason in reasons[1:]]
    assert [{"coder": "maybe_stuck"}] * 3 == told(viewer)[1:]


async def test_who_begins_is_thought_to_work(waking: Relay) -> None:
    """Nobody is told of what needs no telling, nor of one who has ended."""
    viewer = await waking.watches()
    waking.says(started(), agent(), agent("tester", status="completed"))
    await asyncio.sleep(4 * LAP)
    assert [] == viewer.of("notice")


async def test_it_reaches_everybody_wherever_they_stand(waking: Relay) -> None:
    """With a selection of their own and on a socket for many; one that has heard nothing yet is not told."""
    waking.says(started(), agent())
    picky = await waking.watches(selection=Selection(types=frozenset({"workflow_log"})))
    many = await waking.watches(None)
    await many.says({"type": "subscribe", "project_id": "p"})
    new = await waking.watches("q")
    (subscription,) = new.session.subscriptions.values()
    project = waking.log.projects["p"]
    subscription.passed = subscription.passed._replace(cursor="")
    subscription.project.channel.leave(subscription)
    project.channel.fall(subscription)
    behind = await waking.watches()
    project.channel.fall(behind.subscription)
    await asyncio.sleep(40)
    assert [{"coder": "quiet"}] == told(picky) == told(many) == told(behind)
    assert [] == told(new)
    project.channel.leave(subscription)


async def test_whoever_comes_back_is_told_how_it_is(waking: Relay) -> None:
    """What changed by the clock meanwhile is in no event; where all is well nothing is said."""
    waking.says(started(), agent())
    viewer = await waking.watches()
    again = await viewer.returns()
    assert ["resume"] == again.openings()
    assert [] == again.of("notice")
    await asyncio.sleep(400)
    returned = await again.returns()
    assert ["resume"] == returned.openings()
    assert [{"coder": "maybe_stuck"}] == told(returned)
    legacy = await returned.returns(legacy=True)
    assert [] == legacy.of("notice")
    # Whoever is told the state anew reads it there.
    restated = await legacy.returns(legacy=False, wire=FakeWire(FakeEncoding(restates=True)))
    assert ["resume"] == restated.openings()
    assert [] == restated.of("notice")
    assert "maybe_stuck" == restated.of("connection_established")[0]["snapshot"]["agents"]["coder"]["liveness"]["state"]


async def test_whoever_comes_back_is_told_what_came_to_be_missing(waking: Relay) -> None:
    """Not that nobody saw a start: that was in the snapshot."""
    waking.says(agent())
    viewer = await waking.watches()
    again = await viewer.returns()
    assert [] == again.of("notice")
    waking.says(ProjectCompleted(project_id="p", timestamp=1.0))
    returned = await again.returns()
    assert ["resume"] == returned.openings()
    (notice,) = returned.of("notice")
    assert {} == notice["data"]["agents"]
    assert ["not_seen", "project_completed"] == [one["cause"] for one in notice["data"]["lifecycle"]]


async def test_a_legacy_viewer_is_told_in_its_words(waking: Relay) -> None:
    """The status keeps its four values; what is derived is an activity, and waiting stays what the agent said."""
    waking.says(started(), agent(activity="thinking"), agent("asker", activity="waiting_for_human"))
    await asyncio.sleep(400)
    viewer = await waking.watches(legacy=True, tail=0)
    spoken = {message["agent"]: message for message in viewer.of("agent_status_update")}
    assert ("working", "maybe_stuck", True) == tuple(
        spoken["coder"][name] for name in ("status", "activity", "synthetic")
    )
    assert "waiting_for_human" == spoken["asker"]["activity"]


async def test_a_broken_pipe_makes_nobody_silent(waking: Relay) -> None:
    """An hour without the log leaves everybody as they were; silence goes on where it was."""
    waking.says(started(), agent())
    await asyncio.sleep(100)
    waking.source.connected = False
    await asyncio.sleep(3_600)
    seems = waking.engine.vigil.judge(waking.log.projects["p"].state)["coder"]
    assert "quiet" == seems.state
    assert pytest.approx(100, abs=SLACK) == seems.idle_seconds
    waking.source.connected = True
    await asyncio.sleep(100)
    seems = waking.engine.vigil.judge(waking.log.projects["p"].state)["coder"]
    assert "quiet" == seems.state
    assert pytest.approx(200, abs=SLACK) == seems.idle_seconds
    await asyncio.sleep(200)
    assert "maybe_stuck" == waking.engine.vigil.judge(waking.log.projects["p"].state)["coder"].state


async def test_before_it_has_listened_it_goes_by_what_was_said() -> None:
    """What a journal remembers is a night old, and the log is out of reach: nobody is called lost for that."""
    first = await Relay.begin()
    first.says(started(), agent(), agent("slow"))
    first.clock.advance(400)
    first.says(line("on it", agent="coder"))
    await first.commits()
    await first.end()
    source = FakeSource()
    source.connected = False
    second = await Relay.begin(source=source, journal=first.journal)
    second.clock.advance(40_000)
    project = await second.admission.open("p")
    seems = second.engine.vigil.judge(project.state)
    assert {"coder": ("working", 0), "slow": ("maybe_stuck", 400)} == {
        name: (one.state, one.idle_seconds) for name, one in seems.items()
    }
    source.connected = True
    assert "lost" == second.engine.vigil.judge(project.state)["coder"].state
    await second.end()


async def test_a_life_that_is_not_whole_is_told(waking: Relay) -> None:
    """An end that seems to be missing, and taken back; then agents that never ended.  A start only in the snapshot."""
    waking.says(agent(), agent("tester"))
    viewer = await waking.watches()
    assert [{"what": "start", "cause": "not_seen", "synthetic": True}] == viewer.of("connection_established")[-1][
        "snapshot"
    ]["lifecycle"]
    await asyncio.sleep(LAP)
    assert [] == viewer.of("notice")
    await asyncio.sleep(1_000)
    waking.says(WorkflowStageUpdate(project_id="p", timestamp=1.0, stage="testing", message="on it", agent="coder"))
    await asyncio.sleep(LAP)
    waking.says(ProjectCompleted(project_id="p", timestamp=1.0))
    await asyncio.sleep(LAP)
    lives = [notice["data"]["lifecycle"] for notice in viewer.of("notice") if "lifecycle" in notice["data"]]
    assert [["not_seen", "agents_lost"], ["not_seen"], ["not_seen", "project_completed", "project_completed"]] == [
        [one["cause"] for one in life] for life in lives
    ]
    assert ["coder", "tester"] == [one["agent"] for one in lives[-1][1:]]


async def test_a_thousand_agents_are_told_of_in_parts(waking: Relay) -> None:
    """No notice is larger for it, none is forgotten, and the sentence stays short."""
    waking.says(started(), *[agent(f"agent-{number}") for number in range(3 * MOST)])
    viewer = await waking.watches(tail=0)
    await asyncio.sleep(30 + 5 * LAP)
    assert [MOST] * 3 == [len(part) for part in told(viewer)]
    assert 3 * MOST == len({name for part in told(viewer) for name in part})
    assert viewer.of("notice")[0]["detail"].endswith(f"and {MOST - 3} more")


async def test_others_have_their_turn_in_between(waking: Relay) -> None:
    """A round over very many agents keeps nobody waiting until all of them were looked at."""
    turns: list[int] = []

    class Noting(FakeWire):
        def push(self, payload: bytes) -> bool:
            asyncio.get_running_loop().call_soon(lambda: turns.append(len([one for one in self.sent if TOLD in one])))
            return super().push(payload)

    wire = Noting(FakeEncoding())
    many = await waking.watches(None, wire=wire)
    for project_id in "pqr":
        waking.says(started(project_id), *[agent(f"agent-{number}", project_id) for number in range(STRETCH)])
        await many.says({"type": "subscribe", "project_id": project_id})
    await asyncio.sleep(30 + LAP)
    assert {1, 2} <= set(turns)


async def test_what_nobody_watches_has_its_turn_now_and_then(waking: Relay) -> None:
    """For those who count; what has left memory is forgotten, and of what is not whole nothing is said."""
    waking.says(started(), agent(), agent("tester", activity="waiting_for_human"))
    waking.says(*[agent(f"agent-{number}", "q") for number in range(5 * MOST)])
    begin_partial(waking.log, "r")
    waking.says(agent("y", "r"))
    await asyncio.sleep(40 + REST * LAP)
    assert {"quiet": 5 * MOST + 1.0, "waiting_for_human": 1.0} == waking.engine.vigil.counts()
    del waking.log.projects["q"]
    await asyncio.sleep(LAP)
    assert {"quiet": 1.0, "waiting_for_human": 1.0} == waking.engine.vigil.counts()


async def test_a_partial_state_is_judged_for_nobody(waking: Relay) -> None:
    """What it lacks may be the very thing that would tell."""
    waking.says(started(), agent())
    viewer = await waking.watches()
    waking.log.projects["p"].partial = True
    await asyncio.sleep(400)
    returned = await viewer.returns()
    assert [] == told(viewer) == told(returned)


async def test_thresholds_can_be_set_anew(waking: Relay) -> None:
    """While it runs; the next look goes by them."""
    waking.says(started(), agent())
    viewer = await waking.watches()
    await asyncio.sleep(10)
    waking.engine.vigil.thresholds = Thresholds(quiet=1, stuck=2)
    await asyncio.sleep(LAP)
    assert [{"coder": "maybe_stuck"}] == told(viewer)


async def test_progress_of_the_project_is_nobodys_work(waking: Relay) -> None:
    """Where it names no agent, all of them may hang behind it."""
    waking.says(started(), agent())
    for percent in range(40):
        await asyncio.sleep(10)
        waking.says(progress(percent))
    assert "maybe_stuck" == waking.engine.vigil.judge(waking.log.projects["p"].state)["coder"].state
