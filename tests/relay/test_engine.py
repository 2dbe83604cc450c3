"""What all connections share."""

from relayd.core.access import Decision, ProjectFacts
from relayd.testing.viewers import FakeAuthorizer
from tests.relay.stage import Relay


async def test_any_authorizer_that_grants_is_enough(relay: Relay) -> None:
    """One that does not know yet is no no; without anybody who knows nobody may."""
    relay.viewer("ada")
    ada, facts = relay.verifier.tokens["ada"], ProjectFacts(project_id="p", known=True)
    no, unknown, yes = (
        FakeAuthorizer(p=decision) for decision in (Decision.DENIED, Decision.UNKNOWN, Decision.GRANTED)
    )
    for authorizers, expected in (
        ([no, unknown, yes], Decision.GRANTED),
        ([no, unknown], Decision.UNKNOWN),
        ([no], Decision.DENIED),
        ([], Decision.DENIED),
    ):
        relay.engine.authorizers = authorizers
        assert expected is await relay.engine.decide(ada, facts)
    assert (ada, facts) == yes.asked[0]
