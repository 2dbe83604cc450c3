from io import StringIO

from rich.console import Console, RenderableType

from relayd.cli.screen import AGENTS_SHOWN, LINES_AT_ONCE, Connection, Screen
from relayd.client.watch import Link
from relayd.protocol.messages import AgentStatusUpdate, ConnectionEstablished, Notice, ProjectProgress, WorkflowLog

LIVE = Connection(Link.LIVE, "", 2.0)


def drawn(renderable: RenderableType | None) -> str:
    """Return what stands on a terminal of 100 columns, without colours."""
    assert renderable is not None
    console = Console(file=StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def logged(text: str) -> WorkflowLog:
    """Return a line of log."""
    return WorkflowLog(project_id="p", timestamp=0.0, level="info", message=text)


def moved(name: str, seen: float = 0.0) -> AgentStatusUpdate:
    """Return what an agent does."""
    return AgentStatusUpdate(
        project_id="p", timestamp=0.0, received_at=seen, agent=name, status="working", progress=40, task="css"
    )


def test_the_panel_shows_connection_progress_and_agents() -> None:
    """Everything that is known at this moment, in a few lines."""
    screen = Screen("p")
    screen.hear(ProjectProgress(project_id="p", timestamp=0.0, progress=65, message="m", stage="testing"))
    screen.hear(moved("front"))
    panel = drawn(screen.panel(LIVE))
    for word in ("p  ● live", "heard 2 s ago", "65%", "testing", "front", "working", "css"):
        assert word in panel


def test_a_broken_connection_says_why() -> None:
    """The sentence of the last cut stands beside the state of the line."""
    assert "● waiting  the relay is restarting" in drawn(
        Screen("p").panel(Connection(Link.WAITING, "the relay is restarting", None))
    )


def test_a_snapshot_fills_the_panel_at_once() -> None:
    """Who comes late sees the state before the first event."""
    screen = Screen("p")
    agents = {"qa": {"status": "failed", "progress": 9, "last_seen": 1.0}}
    snapshot = {"project_id": "p", "name": "Shop", "progress": 30, "status": "in_progress", "agents": agents}
    screen.hear(ConnectionEstablished(project_id="p", timestamp=0.0, message="Hello", snapshot=snapshot))
    panel = drawn(screen.panel(LIVE))
    for word in ("Shop", "30%", "in progress", "qa", "failed"):
        assert word in panel


def test_a_strange_snapshot_is_no_end() -> None:
    """A newer relay's snapshot leaves the panel as it was."""
    screen = Screen("p")
    screen.hear(ConnectionEstablished(project_id="p", timestamp=0.0, message="Hello", snapshot={"project_id": 7}))
    assert "p  ● live" in drawn(screen.panel(LIVE))


def test_lines_are_drawn_once() -> None:
    """What was drawn has scrolled by."""
    screen = Screen("p")
    screen.hear(logged("one"))
    screen.hear(Notice(code="draining"))
    screen.hear(Notice(code="SPENDING", data={}))
    lines = drawn(screen.lines())
    assert "one" in lines
    assert "draining" in lines
    assert "SPENDING" not in lines
    assert screen.lines() is None


def test_a_flood_is_counted_where_it_can_not_be_drawn() -> None:
    """The newest lines stand, and the number of the others is told."""
    screen = Screen("p")
    for number in range(LINES_AT_ONCE + 1_234):
        screen.hear(logged(f"line {number}"))
    lines = drawn(screen.lines())
    assert "1,234 lines passed too quickly" in lines
    assert f"line {LINES_AT_ONCE + 1_233}" in lines
    assert screen.unseen == 0


def test_a_crowd_of_agents_leaves_room_for_lines() -> None:
    """Those that moved last are shown, the others are counted."""
    screen = Screen("p")
    for number in range(AGENTS_SHOWN + 5):
        screen.hear(moved(f"agent-{number:02}", seen=float(number)))
    panel = drawn(screen.panel(LIVE))
    assert "and 5 more" in panel
    assert "agent-16" in panel
    assert "agent-00" not in panel


def test_a_stranger_s_text_is_no_markup() -> None:
    """Brackets stay brackets, and escape sequences are spelt out."""
    screen = Screen("p")
    screen.hear(logged("[red]\x1b[2Jgone[/red]"))
    assert r"[red]\x1b[2Jgone[/red]" in drawn(screen.lines())
