"""The eight messages and the values they may hold."""

import re

import pytest

from relayd.protocol.codec import BadMessageError, decode_event
from relayd.protocol.messages import LEVELS, PROJECT_ID, TYPES


def test_there_are_seven_events_under_their_names() -> None:
    """The eighth message is the relay's own."""
    assert {
        "project_started",
        "project_progress",
        "agent_status_update",
        "workflow_stage_update",
        "workflow_log",
        "project_completed",
        "project_error",
    } == set(TYPES)


def test_levels_rank_from_info_to_error() -> None:
    """A least level means this order."""
    assert ["info", "success", "warning", "error"] == sorted(LEVELS, key=LEVELS.__getitem__)


@pytest.mark.parametrize("project_id", ["a", "shop-1", "~x", "_", "A.b~c_d-e", "x" * 128])
def test_a_project_may_be_called(project_id: str) -> None:
    """Letters, digits, `_`, `~`, `-`, and dots inside."""
    assert re.match(PROJECT_ID, project_id)


@pytest.mark.parametrize("project_id", ["", ".", "..", ".hidden", "a/b", "a b", "é", "a\n", "x" * 129, "a\0"])
def test_a_project_may_not_be_called(project_id: str) -> None:
    """Nothing that means something in a path, a URL or a log line."""
    assert not re.match(PROJECT_ID, project_id)


@pytest.mark.parametrize("value", ["101", "-1", "100.5", "-0.5", '"45%"', "true", "null", "1e999"])
def test_progress_is_exact(value: str) -> None:
    """What a struct holds needs no second look."""
    said = f'{{"type":"project_progress","project_id":"a","timestamp":1,"message":"m","progress":{value}}}'
    with pytest.raises(BadMessageError):
        decode_event(said.encode())
