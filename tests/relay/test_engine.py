"""What all connections share."""

from itertools import permutations

import pytest

from relayd.core.access import Decision, ProjectFacts, Question
from relayd.testing.viewers import FakeAuthorizer
from tests.relay.stage import Relay

YES, NO, UNKNOWN = Decision.GRANTED, Decision.DENIED, Decision.UNKNOWN


def question(relay: Relay) -> Question:
    """Return what Ada wants to know."""
    token = relay.viewer("ada")
    facts = ProjectFacts(project_id="p", known=True)
    return Question(viewer=relay.verifier.tokens["ada"], project=facts, token=token)


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
async def test_one_grant_is_enough(relay: Relay, decisions: list[Decision], answer: Decision) -> None:
    """In any order; who does not know yet holds a no back, and without anybody to ask nobody comes in."""
    for order in permutations(decisions):
        relay.engine.authorizers = [FakeAuthorizer(p=decision) for decision in order]
        assert answer is await relay.engine.decide(question(relay))


async def test_nobody_is_asked_behind_a_grant(relay: Relay) -> None:
    """Who stands further back may be slow, and can't take it away."""
    yes, slow = FakeAuthorizer(), FakeAuthorizer()
    relay.engine.authorizers = [yes, slow]
    asked = question(relay)
    assert YES is await relay.engine.decide(asked)
    assert ([asked], []) == (yes.asked, slow.asked)


async def test_an_authorizer_s_fault_is_no_answer(relay: Relay) -> None:
    """It is told with an incident id, and whoever stands behind it may still grant: at the door as later."""

    class Broken(FakeAuthorizer):
        async def decide(self, question: Question) -> Decision:
            raise RuntimeError(f"no answer to {question}")

    relay.engine.authorizers = [Broken()]
    assert UNKNOWN is await relay.engine.decide(question(relay))
    assert ["authorizer"] == [what for what, _ in relay.observer.of("failed")]
    relay.engine.authorizers = [Broken(), FakeAuthorizer()]
    assert YES is await relay.engine.decide(question(relay))
