from relayd.core.access import Decision, ProjectFacts, Question
from relayd.identity.authorizers import ClaimsAuthorizer
from relayd.identity.open_door import OpenDoor
from relayd.identity.settings import ClaimsSettings


async def test_everybody_may_see_everything() -> None:
    """With any token and with none, for longer than anybody looks on."""
    viewer = OpenDoor().verify("", 1_000.0)

    assert viewer == OpenDoor().verify("rubbish", 1_000.0)
    assert viewer.worker
    assert viewer.expires_at > 1_000.0 + 86_400 * 300
    question = Question(viewer=viewer, project=ProjectFacts(project_id="p", known=False))
    assert Decision.GRANTED is await ClaimsAuthorizer(ClaimsSettings()).decide(question)
