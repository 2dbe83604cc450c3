from itertools import permutations

import pytest

from relayd.core.access import Decision, ProjectFacts, Viewer, any_grants

YES, NO, UNKNOWN = Decision.GRANTED, Decision.DENIED, Decision.UNKNOWN


@pytest.mark.parametrize(
    ("decisions", "answer"),
    [
        ([], NO),
        ([NO], NO),
        ([NO, NO], NO),
        ([UNKNOWN], UNKNOWN),
        ([NO, UNKNOWN], UNKNOWN),
        ([YES], YES),
        ([NO, YES], YES),
        ([UNKNOWN, YES], YES),
        ([NO, UNKNOWN, YES], YES),
    ],
)
def test_one_grant_is_enough(decisions: list[Decision], answer: Decision) -> None:
    """In any order; who does not know yet holds a no back, and without anybody to ask nobody comes in."""
    assert {answer} == {any_grants(list(order)) for order in permutations(decisions)}


def test_a_viewer_may_do_nothing_by_default() -> None:
    """What a token does not say is not granted."""
    viewer = Viewer(user="ada", expires_at=1.0)
    assert (frozenset(), frozenset(), frozenset(), False) == (
        viewer.roles,
        viewer.teams,
        viewer.projects,
        viewer.worker,
    )


def test_nobody_owns_a_project_by_default() -> None:
    """What the log has not said is None, never an empty name that could be somebody's."""
    facts = ProjectFacts(project_id="p", known=False)
    assert (None, None) == (facts.owner, facts.team)
