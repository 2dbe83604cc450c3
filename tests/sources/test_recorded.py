from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest

from relayd.app.settings import source_of
from relayd.config import load
from relayd.files.recording import writing
from relayd.plugins import PluginError, settings_of
from relayd.protocol.codec import encode
from relayd.protocol.messages import Event, ProjectStarted, WorkflowLog
from relayd.protocol.recording import VERSION, End, Head, write_line
from relayd.sources.recorded import MOST_EVENTS, REST, Recorded
from relayd.sources.swarm import Swarm
from tests.harness.follower import WallClock
from tests.harness.settled import write_settings

EVENTS: list[Event] = [
    ProjectStarted(project_id="p", timestamp=100.0, id="c1", received_at=7.0, root_id="p"),
    WorkflowLog(project_id="p", timestamp=100.0, level="info", message="one", id="c2"),
    WorkflowLog(project_id="p", timestamp=103.0, level="info", message="two", id="c3"),
]


def recording(path: Path, events: Sequence[Event] = EVENTS) -> str:
    """Write a recording."""
    with writing(path) as file:
        file.write(write_line(Head(version=VERSION, relayd="1", protocol=1, project_id="p")))
        for event in events:
            file.write(encode(event) + b"\n")
        file.write(write_line(End(events=len(events), whole=True)))
    return str(path)


def test_a_recording_is_told_as_a_story_again_and_again(tmp_path: Path) -> None:
    """Each event with the pause behind it, without its time and place; then a rest, and it begins anew."""
    beats = Recorded(recording(tmp_path / "r.gz")).beats()
    line = {"type": "workflow_log", "project_id": "p", "level": "info"}
    once = [
        (0.0, {"type": "project_started", "project_id": "p", "root_id": "p"}),
        (3.0, {**line, "message": "one"}),
        (REST, {**line, "message": "two"}),
    ]
    assert [*once, *once] == list(islice(beats, 6))


def test_it_takes_the_place_of_a_made_up_project_of_that_name(tmp_path: Path) -> None:
    """The others go on beside it."""
    recorded = Recorded("demo")
    beats = Swarm(1, projects=3).events({recorded.project_id: recorded.beats()})
    first, *others = [event for _, event in islice(beats, 200)]
    assert ("demo-shop", "project_started", "Corner Shop") == (first["project_id"], first["type"], first["name"])
    assert {"demo-shop", "demo-api", "demo-docs"} == {event["project_id"] for event in others}
    shop = [event["type"] for event in others if event["project_id"] == "demo-shop"]
    assert "project_started" not in shop[: len(shop) // 2]


def test_one_event_is_a_recording_too(tmp_path: Path) -> None:
    """It comes again after each rest."""
    beats = Recorded(recording(tmp_path / "r", EVENTS[:1])).beats()
    assert [REST, REST] == [pause for pause, _ in islice(beats, 2)]


@pytest.mark.parametrize("count", [0, MOST_EVENTS + 1])
def test_a_recording_that_is_no_demo_is_named(tmp_path: Path, count: int) -> None:
    """One that is empty, and one that nobody wants in memory."""
    with pytest.raises(ValueError, match=rf"r: has {count} events; a simulator plays 1 to"):
        Recorded(recording(tmp_path / "r", EVENTS[:1] * count))


@pytest.mark.parametrize(
    ("name", "sentence"), [("none", "none: No such file"), ("relayd.toml", "line 1: this is no recording")]
)
def test_a_recording_that_cannot_be_read_is_an_error_of_the_configuration(
    tmp_path: Path, name: str, sentence: str
) -> None:
    """The relay does not start with half a demo."""
    tables = {"source": {"use": "simulator"}, "sources.simulator": {"recording": str(tmp_path / name)}}
    config = load(write_settings(tmp_path, tables), {}, settings_of)
    with pytest.raises(PluginError, match=rf"sources\.simulator: .*{sentence}"):
        source_of(config, WallClock())


def test_the_demo_shows_what_there_is_to_see() -> None:
    """Several agents, a tool, a wait for a human, an error and a recovery, what it cost, and a good end."""
    recorded = Recorded("demo")
    beats = list(islice(recorded.beats(), 208))
    events = [event for _, event in beats]
    assert ("project_started", "project_completed", REST) == (events[0]["type"], events[-1]["type"], beats[-1][0])
    assert {
        "project_started", "project_progress", "agent_status_update", "workflow_stage_update", "workflow_log",
        "project_error", "project_completed",
    } == {event["type"] for event in events}  # fmt: skip
    assert 7 == len({event["agent"] for event in events if event["type"] == "agent_status_update"})
    assert {"thinking", "using_tool", "waiting_for_human"} <= {event.get("activity") for event in events}
    assert [False] == [event["fatal"] for event in events if event["type"] == "project_error"]
    assert 0 < sum(event["usage"]["cost"] for event in events if "usage" in event)
    # Something happens at once, and nobody waits long.
    assert sum(pause for pause, _ in beats[:5]) < 8
    assert max(pause for pause, _ in beats[:-1]) < 30


def test_the_demo_is_small() -> None:
    """It travels with every installation."""
    path = Path(__file__).parents[2] / "relayd" / "sources" / "demo.ndjson.gz"
    assert path.stat().st_size < 60_000
