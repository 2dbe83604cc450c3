"""Panels as Grafana reads them, and where they stand."""

from msgspec.structs import replace

from relayd.telemetry.grafana.panels import Look, Panel, Row, laid_out
from relayd.telemetry.grafana.queries import Query

UP = Query("up", "{{instance}}")
USUAL = Panel(title="A", advice="Do.", queries=(UP,), unit="s", runbook="RelaydDown")


def panel(**more: object) -> Panel:
    """Return a panel, as far as the test does not care."""
    return replace(USUAL, **more)


def test_panels_stand_side_by_side_and_then_below() -> None:
    """Three of eight columns fill a line; the next line begins below the tallest of the one before."""
    first = Row("Is it?", (panel(), panel(height=4), panel(), panel(width=16)))
    told = laid_out((first, Row("And that?", (panel(),))))
    assert [
        ("Is it?", 0, 0, 24, 1),
        ("A", 0, 1, 8, 8),
        ("A", 8, 1, 8, 4),
        ("A", 16, 1, 8, 8),
        ("A", 0, 9, 16, 8),
        ("And that?", 0, 17, 24, 1),
        ("A", 0, 18, 8, 8),
    ] == [(one["title"], *(one["gridPos"][side] for side in "xywh")) for one in told]
    assert [1, 2, 3, 4, 5, 6, 7] == [one["id"] for one in told]


def test_a_panel_says_what_to_do_and_where_that_is_written() -> None:
    """The link leads to the chapter, wherever the runbook is read."""
    _, told = laid_out((Row("Is it?", (panel(),)),))
    assert "Do.\n\nRunbook: RelaydDown" == told["description"]
    (link,) = told["links"]
    assert "${runbook}#relayddown" == link["url"]


def test_each_query_has_a_letter() -> None:
    """A number is asked for once, a curve for all the time that is looked at."""
    _, curves, number = laid_out((Row("Is it?", (panel(queries=(UP, UP)), panel(look=Look.NUMBER))),))
    assert [("A", "up", False), ("B", "up", False)] == [
        (one["refId"], one["expr"], one["instant"]) for one in curves["targets"]
    ]
    assert [("A", True)] == [(one["refId"], one["instant"]) for one in number["targets"]]


def test_what_is_bad_is_red() -> None:
    """From a value on, or below it; where nothing is bad nothing has the colour of well or ill."""

    def steps(**more: object) -> list[tuple[object, object]]:
        _, told = laid_out((Row("Is it?", (panel(**more),)),))
        return [(one["value"], one["color"]) for one in told["fieldConfig"]["defaults"]["thresholds"]["steps"]]

    assert [(None, "green"), (30, "red")] == steps(bad=30)
    assert [(None, "red"), (1, "green")] == steps(bad=1, below=True)
    assert [(None, "text")] == steps()


def test_a_bound_is_drawn_where_there_are_curves() -> None:
    """Areas lie on one another, curves do not; yes and no have words."""
    looks = (panel(bad=30), panel(), panel(look=Look.AREAS), panel(look=Look.STATES), panel(look=Look.HEAT))
    _, bound, free, areas, states, heat = laid_out((Row("Is it?", looks),))
    custom = [one["fieldConfig"]["defaults"]["custom"] for one in (bound, free, areas)]
    assert [("none", True), ("none", False), ("normal", False)] == [
        (one["stacking"]["mode"], "thresholdsStyle" in one) for one in custom
    ]
    assert ["timeseries", "timeseries", "timeseries", "state-timeline", "heatmap"] == [
        one["type"] for one in (bound, free, areas, states, heat)
    ]
    (words,) = states["fieldConfig"]["defaults"]["mappings"]
    assert {"0": "no", "1": "yes"} == {value: word["text"] for value, word in words["options"].items()}
    assert ["heatmap"] == [one["format"] for one in heat["targets"]]
