import io

from msgspec.structs import replace
from rich.console import Console

from relayd.cli.gauges import Seat, line, screen
from relayd.telemetry.figures import Figures

QUIET = Figures(
    at=1_767_225_600.0,
    version="1.2.3",
    uptime=7_200.0,
    ready=True,
    reasons={},
    notes={},
    connections={"websocket": 2, "sse": 1},
    connected=True,
    lag_seconds=0.0,
    canary_seconds=3.0,
    events=1_234.4,
    rejected=0.0,
    deliveries={"websocket": 2.0, "sse": 0.5},
    replayed={"websocket": 0.0, "sse": 0.0},
    refusals={},
    latency_p50=0.004,
    latency_p99=5.0,
    loop_lag_p99=None,
    beyond=("latency_p99",),
    memory=80 * 2**20,
    files=40.0,
    max_files=1024.0,
    projects=3,
    journal=True,
)
UNWELL = replace(QUIET, ready=False, reasons={"source": "RabbitMQ is\x1b[2J away"}, journal=False, events=None)


def drawn(*args: object, seats: list[Seat] | None = None, trouble: str = "") -> str:
    """Return a screen as a terminal of 120 columns would show it."""
    (figures,) = args
    assert isinstance(figures, Figures)
    console = Console(file=io.StringIO(), force_terminal=True, color_system="standard", width=120)
    console.print(screen(figures, seats, url="http://127.0.0.1:8001", trouble=trouble))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_look_is_a_line() -> None:
    """Names and values, the same ones each time; `-` is what can't be told."""
    assert line(QUIET) == (
        "00:00:00Z state=ready connections=3 lag=0.0s canary=3.0s in=1,234/s out=2.5/s refused=0/s p50=4ms p99=>5s "
        "loop_p99=- memory=80MiB files=40/1024 journal=attached"
    )


def test_what_is_amiss_ends_the_line() -> None:
    """A stranger's control characters are spelt out."""
    said = line(UNWELL)
    assert "state=not-ready" in said
    assert said.endswith("journal=away  source: RabbitMQ is\\x1b[2J away")
    assert " in=- " in said


def test_a_screen_shows_transports_and_seats() -> None:
    """Who is connected how, what most of them watch, and who has been there for longest."""
    seats = [Seat("websocket", ["b"], QUIET.at - 90), Seat("sse", ["a", "b"], QUIET.at - 10)]
    said = drawn(QUIET, seats=seats)
    for words in ("● ready", "up 2.0 h", "1,234/s events", "p50 4ms", "40/1024", "b 2  a 1", "1.5 m over websocket"):
        assert words in said
    assert "oldest" not in drawn(QUIET)


def test_a_transport_that_is_unknown_is_shown_only_if_it_is_there() -> None:
    """The series is always there, and nearly always nothing."""
    assert "other" not in drawn(replace(QUIET, connections={"sse": 0, "other": 0}))
    assert "other" in drawn(replace(QUIET, connections={"sse": 0, "other": 1}))


def test_reasons_are_red_and_on_top() -> None:
    """What keeps viewers away is seen before any figure, and what could not be asked, too."""
    said = drawn(UNWELL, trouble="it can't be reached")
    assert "\x1b[1;31m✗ source: RabbitMQ is\\x1b[2J away" in said
    assert said.index("can't be reached") < said.index("✗ source") < said.index("latency")
