import pytest

from tests.harness.collapsing import replaced

EVENTS = {
    0: {"type": "project_progress"},
    1: {"type": "agent_status_update", "agent": "coder"},
    2: {"type": "workflow_log"},
    3: {"type": "agent_status_update", "agent": "tester"},
    4: {"type": "agent_status_update", "agent": "coder"},
    5: {"type": "project_progress"},
    6: {"type": "project_progress"},
}


def test_states_that_were_replaced_in_the_same_envelope_may_be_missing() -> None:
    """Progress by the later progress, an agent's status by its own later one and by no other agent's."""
    assert {0, 1, 5} == replaced(EVENTS, [2, 3, 4, 6], [(4, 3)])


def test_each_envelope_is_looked_at_by_itself() -> None:
    """One that left out nothing says nothing, and moves nobody's number."""
    assert {5} == replaced(EVENTS, [0, 1, 2, 3, 4, 6], [(6, 1)])
    assert {0, 5} == replaced({**EVENTS, 1: EVENTS[0]}, [1, 2, 3, 4, 6], [(1, 1), (5, 1)])


@pytest.mark.parametrize(
    ("seen", "folds"),
    [
        pytest.param([2, 3, 4, 6], [(4, 2)], id="one too few"),
        pytest.param([2, 3, 4, 6], [(4, 4)], id="one too many"),
        pytest.param([2, 3, 4, 6], [], id="not said"),
        pytest.param([0, 1, 3, 4, 5, 6], [(6, 1)], id="a line of log"),
        pytest.param([0, 1, 2, 4, 5, 6], [(6, 1)], id="the only state of an agent"),
        pytest.param([0, 2, 3, 4, 5, 6], [(2, 1), (6, 0)], id="replaced in a later envelope only"),
    ],
)
def test_nothing_else_is_excused(seen: list[int], folds: list[tuple[int, int]]) -> None:
    """A wrong number, a line of log, or a state whose successor came later."""
    assert set() == replaced(EVENTS, seen, folds)
