"""What every authorizer promises, as tests: inherit, and give the fixtures `authorizer`, `granted` and `denied`."""
# ruff: noqa: S101 - assert is how a test speaks, and it says its numbers

import asyncio

from msgspec.structs import replace

from relayd.core.access import Decision, ProjectFacts, Question, Viewer
from relayd.ports import Authorizer

__all__ = ["AuthorizerContract"]


class AuthorizerContract:
    """Inherit it as `Test…`; `granted` and `denied` are questions that are answered so."""

    async def test_it_says_yes_and_no(self, authorizer: Authorizer, granted: Question, denied: Question) -> None:
        """As often as it is asked, to those who come and to those who are in."""
        for anew in (False, True, False):
            assert await authorizer.decide(replace(granted, anew=anew)) is Decision.GRANTED
            assert await authorizer.decide(replace(denied, anew=anew)) is Decision.DENIED

    async def test_a_hundred_at_once_are_answered_as_one(
        self, authorizer: Authorizer, granted: Question, denied: Question
    ) -> None:
        """And nobody gets the answer to somebody else's question."""
        questions = [granted, denied] * 50
        answers = await asyncio.gather(*(authorizer.decide(question) for question in questions))
        assert answers == [Decision.GRANTED, Decision.DENIED] * 50

    async def test_who_gives_up_takes_the_answer_from_nobody(self, authorizer: Authorizer, granted: Question) -> None:
        """A viewer may leave while it waits."""
        first, second = (asyncio.ensure_future(authorizer.decide(granted)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second is Decision.GRANTED

    async def test_a_stranger_is_answered_and_not_granted(self, authorizer: Authorizer) -> None:
        """A token without rights, none at all, a project that nobody has heard of: nothing is raised for it."""
        nobody = Viewer(user="nobody-of-the-contract", expires_at=1e12)
        project = ProjectFacts(project_id="nothing-of-the-contract", known=False)
        for token in ("", "no-token-of-the-contract"):
            answer = await authorizer.decide(Question(viewer=nobody, project=project, token=token))
            assert answer in {Decision.DENIED, Decision.UNKNOWN}

    async def test_it_has_a_name(self, authorizer: Authorizer) -> None:
        """By which `auth.authorizers` lists it."""
        assert authorizer.name == authorizer.name.strip() != ""
