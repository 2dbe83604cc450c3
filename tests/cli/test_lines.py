from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.cli.lines import is_figures, line_of, plain
from relayd.client.frames import Foreign, Heard
from relayd.protocol.messages import (
    AgentStatusUpdate,
    ConnectionEstablished,
    Notice,
    ProjectCompleted,
    ProjectError,
    ProjectProgress,
    ProjectStarted,
    WorkflowLog,
    WorkflowStageUpdate,
)

EVENT: dict[str, Any] = {"project_id": "p", "timestamp": 0.0}


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (ProjectStarted(**EVENT, name="Shop", description="a shop"), "started", "Shop - a shop"),
        (ProjectStarted(**EVENT), "started", "p"),
        (ProjectProgress(**EVENT, progress=65, message="Building"), "progress", "65% - Building"),
        (ProjectProgress(**EVENT, progress=12.5, message="Building"), "progress", "12.5% - Building"),
        (
            AgentStatusUpdate(**EVENT, agent="front", status="working", progress=5, task="css", activity="thinking"),
            "agent",
            "front: working 5% - css - thinking",
        ),
        (
            WorkflowStageUpdate(**EVENT, stage="testing", message="now", status="running"),
            "stage",
            "testing: now (running)",
        ),
        (WorkflowLog(**EVENT, level="warning", message="careful", agent="qa"), "warning", "[qa] careful"),
        (ProjectCompleted(**EVENT, url="https://x", duration_seconds=61.2), "completed", "after 61 s - https://x"),
        (ProjectCompleted(**EVENT), "completed", "done"),
        (ProjectError(**EVENT, error="boom", code="E1"), "failed", "boom (E1)"),
        (ProjectError(**EVENT, error="boom", fatal=False), "error", "boom"),
        (Notice(code="draining", detail="soon"), "notice", "draining: soon"),
        (
            ConnectionEstablished(**EVENT, message="Hello", recovered=True, replay="resume"),
            "connected",
            "nothing was missed",
        ),
        (
            ConnectionEstablished(**EVENT, message="Hello", snapshot={"status": "failed", "progress": 40}),
            "connected",
            "Hello (failed, 40%)",
        ),
    ],
)
def test_every_message_has_its_words(message: Heard, kind: str, text: str) -> None:
    """What the dashboard shows as cards and lines reads as one line here."""
    line = line_of(message)
    assert (kind, text) == (line.kind, line.text)


def test_a_gap_can_not_be_missed() -> None:
    """It has its own word and says what is lost."""
    line = line_of(ConnectionEstablished(**EVENT, message="Hello", recovered=False, replay="gap"))
    assert line.kind == "GAP"
    assert "events are missing" in line.text


def test_what_can_not_be_read_is_told() -> None:
    """A newer relay's message is a line, too."""
    assert line_of(Foreign("weather")).text.startswith("weather: ")


@given(text=st.text())
def test_a_message_is_one_line_and_steers_no_terminal(text: str) -> None:
    """A log line with line feeds and escape sequences stays one harmless line."""
    shown = plain(line_of(WorkflowLog(**EVENT, level="info", message=text)))
    assert len(shown.splitlines()) == 1
    assert not any(character < " " or "\x7f" <= character < "\xa0" for character in shown)


def test_a_time_is_utc_to_the_millisecond() -> None:
    """Lines of a pipe are compared with logs of other machines."""
    assert plain(line_of(WorkflowLog(project_id="p", timestamp=1.5, level="info", message="x"))) == (
        "1970-01-01T00:00:01.500Z  info       x"
    )


def test_figures_are_for_machines() -> None:
    """Other notices are for people."""
    assert is_figures(Notice(code="SPENDING"))
    assert is_figures(Notice(code="BUDGET", detail="a line of log says it"))
    assert not is_figures(Notice(code="TOKEN_EXPIRING"))
    assert not is_figures(Foreign("weather"))
