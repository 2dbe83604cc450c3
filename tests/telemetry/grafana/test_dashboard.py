"""The page as a whole: it is read from the top, asks in words, and its bounds are those of the alerts."""

import json
import re
from pathlib import Path

import pytest

from relayd.telemetry.grafana.dashboard import ROWS, render
from relayd.telemetry.grafana.panels import Panel

PROMETHEUS = Path(__file__).parents[3] / "deploy" / "prometheus"
RULES = (PROMETHEUS / "relayd.rules.yml").read_text(encoding="utf-8")
PANELS = [panel for row in ROWS for panel in row.panels]
PAGE = json.loads(render())


def test_it_begins_with_whether_viewers_are_served() -> None:
    """And ends with the processes, which are nobody's first question."""
    titles = [one["title"] for one in PAGE["panels"] if one["type"] == "row"]
    assert ["Are viewers served?", "How fresh is what they see?"] == titles[:2]
    assert "How are the processes?" == titles[-1]


def test_titles_are_told_apart() -> None:
    """Two panels of one name can't be talked about."""
    assert len(PANELS) == len({panel.title for panel in PANELS})


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.title)
def test_each_panel_has_a_chapter_and_its_alerts_bound(panel: Panel) -> None:
    """A line that is drawn elsewhere than where somebody is woken would mislead."""
    chapters = re.findall(r"^## (\w+)$", (PROMETHEUS / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert panel.runbook in chapters
    assert panel.advice.endswith(".")
    if panel.bad is not None and panel.runbook not in {"RelaydDown", "RelaydBrokerDisconnected"}:
        alert = RULES.partition(f"- alert: {panel.runbook}\n")[2].partition("- alert: ")[0]
        bounds = {float(bound) for bound in re.findall(r"> \(?([\d.]+)", alert)}
        # The objective's second is the rule's bucket.
        assert panel.bad in bounds or (panel.bad == 1 and panel.runbook == "RelaydDeliveryBurnFast")


def test_no_rate_has_an_interval_of_its_own() -> None:
    """Grafana knows how often is scraped."""
    for panel in PANELS:
        for query in panel.queries:
            assert {"[$__rate_interval]"} >= {*re.findall(r"\[[^]]*\]", query.expression)}


def test_every_question_is_about_the_relays_that_were_chosen() -> None:
    """Another environment's figures would be taken for this one's; what rules record is by job."""
    for panel in PANELS:
        for query in panel.queries:
            selectors = re.findall(r"\{([^{}]*)\}", query.expression)
            assert selectors
            assert all('job="$job"' in one for one in selectors)


def test_variables_and_marks_are_there() -> None:
    """Several instances at once, or all; starts, a new log and alerts are marked in every picture."""
    variables = {one["name"]: one for one in PAGE["templating"]["list"]}
    assert ["datasource", "job", "instance", "runbook"] == [*variables]
    assert variables["instance"]["multi"] is variables["instance"]["includeAll"] is True
    assert ["Starts", "The log made anew", "Alerts that fire"] == [
        one["name"] for one in PAGE["annotations"]["list"] if "expr" in one
    ]
    assert {"${datasource}"} == {one["datasource"]["uid"] for one in PAGE["panels"] if one["type"] != "row"}
