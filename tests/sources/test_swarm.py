import json
import tomllib
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from relayd.dialects.delivery import Delivery
from relayd.dialects.native import NativeDialect
from relayd.dialects.usage import canonical
from relayd.sources.script import AGENTS, FAILURES, STAGES
from relayd.sources.swarm import Swarm


def told(count: int, *, seed: int = 1, projects: int = 3) -> list[tuple[float, dict[str, Any]]]:
    """Return the beginning of a story."""
    return list(islice(Swarm(seed, projects=projects).events(), count))


def test_the_same_seed_tells_the_same_stories() -> None:
    """A run that failed can be told again."""
    assert told(500) == told(500)
    assert told(500) != told(500, seed=2)


def test_every_event_is_understood() -> None:
    """The stories speak the native dialect without a mistake."""
    for _, event in told(2_000, projects=5):
        body = json.dumps({"timestamp": 1.0, **event}).encode()
        (item,) = NativeDialect().feed(Delivery(offset=0, body=body, received_at=1.0))
        assert item.reason is None, (event, item.detail)


def test_the_stories_say_what_they_use() -> None:
    """Of models that the development configuration has prices for, and in the contract's own words."""
    reports = [event["usage"] for _, event in told(1_000) if "usage" in event]
    assert {"demo-large", "demo-small"} == {report["model"] for report in reports}
    assert all(report is canonical(report) for report in reports)
    config = Path(__file__).parents[2] / "config" / "development.toml"
    assert {"demo-large", "demo-small"} == tomllib.loads(config.read_text())["usage"]["prices"].keys()


def test_a_project_has_a_whole_life() -> None:
    """It starts, goes through the stages in their order with known agents, ends well or badly, and starts again."""
    mine = [event for _, event in told(20_000) if event["project_id"] == "demo-shop"]
    kinds = Counter(str(event["type"]) for event in mine)
    first_end = next(index for index, event in enumerate(mine) if event["type"] == "project_completed")
    stages = [event["stage"] for event in mine[:first_end] if event.get("status") == "running"]
    assert [stage.name for stage in STAGES] == stages
    assert {event["agent"] for event in mine if "agent" in event} <= set(AGENTS)
    assert {"info", "success", "warning", "error"} == {event["level"] for event in mine if "level" in event}
    assert 0 < kinds["project_error"] < kinds["project_completed"]
    assert kinds["project_started"] - kinds["project_error"] - kinds["project_completed"] in {0, 1}
    assert {event["code"] for event in mine if event["type"] == "project_error"} <= {code for _, code in FAILURES}
    assert any(event.get("activity") == "waiting_for_human" for event in mine)


def test_progress_never_goes_back_within_a_run() -> None:
    """A bar that jumps back looks like a fault of the viewer's."""
    last = 0.0
    for _, event in told(5_000, projects=1):
        if event["type"] == "project_started":
            last = 0.0
        elif event["type"] == "project_progress":
            assert last <= float(str(event["progress"]))
            last = float(str(event["progress"]))


def test_waits_are_never_negative_and_the_pace_is_a_human_one() -> None:
    """A few events a second at most, from all projects together."""
    waits = [wait for wait, _ in told(3_000)]
    assert min(waits) >= 0
    assert 0.1 < sum(waits) / len(waits) < 1


@pytest.mark.parametrize("projects", [1, 7])
def test_a_burst_is_numbered(projects: int) -> None:
    """Each project's events count from 0 without a hole, so a reader can tell what is missing."""
    events = list(Swarm(3).burst(100, projects=projects, start=50.0))
    assert 100 == len(events)
    for project in range(1, projects + 1):
        mine = [event["key"] for event in events if event["project_id"] == f"load-{project}"]
        assert [str(number) for number in range(len(mine))] == mine
    assert events == list(Swarm(3).burst(100, projects=projects, start=50.0))
    for event in events:
        (item,) = NativeDialect().feed(Delivery(offset=0, body=json.dumps(event).encode(), received_at=1.0))
        assert item.reason is None, item.detail
