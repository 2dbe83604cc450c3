"""Those who are in are asked for again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from relayd.core.access import Decision, Question
from relayd.protocol.disconnect import Disconnect
from relayd.relay.limits import Limits
from relayd.relay.recheck import Recheck
from relayd.relay.refusal import Refused
from relayd.testing.viewers import FakeAuthorizer, FakeEncoding, FakeWire
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_hears, assert_leaves, assert_stays, line

INTERVAL = 60.5
"""Seconds: all have had their turn."""


@pytest.fixture
async def asking(relay: Relay) -> AsyncIterator[Relay]:
    """Give a relay that asks again every minute and bears with nobody's answer for five."""
    running = asyncio.create_task(Recheck(relay.engine).run())
    # The first look only finds out what time it is.
    await asyncio.sleep(1)
    yield relay
    running.cancel()
    await asyncio.wait({running})


async def test_everybody_is_asked_for_once_in_an_interval(asking: Relay) -> None:
    """With the token that it showed, as something to be known anew, one after the other; who may stay stays."""
    viewers = [await asking.watches(user=f"user-{number}") for number in range(10)]
    at: list[float] = []

    class Noting(FakeAuthorizer):
        async def decide(self, question: Question) -> Decision:
            at.append(round(asking.clock.monotonic(), 1))
            return await super().decide(question)

    asking.engine.authorizers = [noting := Noting()]
    await asyncio.sleep(600)
    times = Counter(question.viewer.user for question in noting.asked)
    assert {viewer.session.grant.viewer.user for viewer in viewers} == set(times)
    assert {9, 10, 11} >= set(times.values())
    assert {("p", True)} == {(question.project.project_id, question.anew) for question in noting.asked}
    assert {True} == {question.token == question.viewer.user for question in noting.asked}
    assert len(at) == len(set(at))
    for viewer in viewers:
        assert_stays(viewer)


@pytest.mark.parametrize("legacy", [False, True])
async def test_who_may_not_see_it_any_more_is_cut(asking: Relay, legacy: bool) -> None:
    """Within one interval, with 4403; others of the project stay, and hear what comes."""
    viewer = await asking.watches(legacy=legacy)
    asking.authorizer.decisions["p"] = Decision.DENIED
    await asyncio.sleep(INTERVAL)
    assert_leaves(viewer, Disconnect.FORBIDDEN)
    assert "ask its owner" in viewer.session.ended.result().sentence
    assert [("fake", Disconnect.FORBIDDEN)] == asking.observer.of("withdrawn")
    assert {"fake": 0} == asking.presence.counts()
    assert 0 == len(asking.engine.rounds)


async def test_a_socket_for_many_loses_the_project_only(asking: Relay) -> None:
    """With a notice that is written whatever the buffer holds; nothing of it comes any more, and it may ask again."""
    viewer = await asking.watches(None)
    for project_id in "pq":
        await viewer.says({"type": "subscribe", "project_id": project_id})
    viewer.wire.fill()
    asking.authorizer.decisions["p"] = Decision.DENIED
    await asyncio.sleep(INTERVAL)
    assert_stays(viewer)
    told = viewer.of("notice")[-1]
    assert ("FORBIDDEN", "p") == (told["code"], told["project_id"])
    assert "ask its owner" in told["detail"]
    viewer.wire.take()
    asking.says(line("of p", "p"), line("of q", "q"))
    await settle()
    assert_hears(viewer, "of q")
    await viewer.says({"type": "subscribe", "project_id": "p"})
    assert "FORBIDDEN" == viewer.codes()[-1]
    asking.authorizer.decisions["p"] = Decision.GRANTED
    await viewer.says({"type": "subscribe", "project_id": "p"})
    assert {"p", "q"} == set(viewer.session.subscriptions)


async def test_each_project_of_a_socket_is_asked_for(asking: Relay) -> None:
    """Not the socket; the turns of a hundred projects are as far apart as those of a hundred viewers."""
    viewer = await asking.watches(None)
    for number in range(20):
        await viewer.says({"type": "subscribe", "project_id": f"p{number}"})
    asking.authorizer.asked.clear()
    await asyncio.sleep(INTERVAL)
    assert [f"p{number}" for number in range(20)] == sorted(
        {question.project.project_id for question in asking.authorizer.asked}, key=lambda name: int(name[1:])
    )
    await viewer.says({"type": "unsubscribe", "project_id": "p3"})
    asking.authorizer.asked.clear()
    await asyncio.sleep(INTERVAL)
    assert "p3" not in {question.project.project_id for question in asking.authorizer.asked}


async def test_nobody_s_answer_is_borne_with_for_a_while(asking: Relay) -> None:
    """Five minutes from the last yes on; then the viewer is sent to come back, and finds the same at the door."""
    viewer = await asking.watches()
    await asyncio.sleep(120)
    asking.authorizer.decisions["p"] = Decision.UNKNOWN
    await asyncio.sleep(230)
    assert_stays(viewer)
    await asyncio.sleep(70 + INTERVAL)
    assert_leaves(viewer, Disconnect.OVERLOADED)
    assert "come back" in viewer.session.ended.result().sentence
    assert [("fake", Disconnect.OVERLOADED)] == asking.observer.of("withdrawn")
    with pytest.raises(Refused) as refused:
        await asking.watches()
    assert Disconnect.OVERLOADED is refused.value.disconnect


async def test_an_answer_in_between_is_one(asking: Relay) -> None:
    """Who is away now and then ends nobody: the time counts from the last yes."""
    viewer = await asking.watches()
    for _ in range(4):
        asking.authorizer.decisions["p"] = Decision.UNKNOWN
        await asyncio.sleep(200)
        asking.authorizer.decisions["p"] = Decision.GRANTED
        await asyncio.sleep(INTERVAL)
    assert_stays(viewer)


async def test_a_question_without_an_answer_is_not_asked_twice(asking: Relay) -> None:
    """It hangs, and its viewer is borne with for as long as with nobody's answer."""
    viewer = await asking.watches()
    asking.authorizer.asked.clear()
    asking.authorizer.hangs = asyncio.Event()
    await asyncio.sleep(200)
    assert_stays(viewer)
    assert 1 == len(asking.authorizer.asked)
    await asyncio.sleep(100 + INTERVAL)
    assert_leaves(viewer, Disconnect.OVERLOADED)
    assert 1 == len(asking.authorizer.asked)
    asking.authorizer.hangs.set()
    await settle()
    assert 1 == len(asking.observer.of("withdrawn"))


async def test_a_no_that_comes_late_ends_nobody_twice(asking: Relay) -> None:
    """Its viewer has left meanwhile, and came back."""
    viewer = await asking.watches(user="ada")
    asking.authorizer.hangs = asyncio.Event()
    await asyncio.sleep(INTERVAL)
    hangs, asking.authorizer.hangs = asking.authorizer.hangs, None
    viewer.session.close(Disconnect.NORMAL)
    again = await asking.watches(user="ada")
    asking.authorizer.decisions["p"] = Decision.DENIED
    hangs.set()
    await settle()
    assert_stays(again)
    assert [] == asking.observer.of("withdrawn")


async def test_an_authorizer_s_fault_is_nobody_s_no(asking: Relay) -> None:
    """It is told, and others are asked for all the same."""

    class Broken:
        name = "broken"

        async def decide(self, question: Question) -> Decision:
            raise RuntimeError(f"no answer to {question}")

    viewer = await asking.watches(user="ada")
    asking.engine.authorizers = [Broken()]
    await asyncio.sleep(200)
    assert_stays(viewer)
    assert 3 <= len(asking.observer.of("failed"))
    assert {"authorizer"} == {what for what, _ in asking.observer.of("failed")}
    asking.engine.authorizers = [asking.authorizer]
    asking.authorizer.decisions["p"] = Decision.DENIED
    await asyncio.sleep(INTERVAL)
    assert_leaves(viewer, Disconnect.FORBIDDEN)


async def test_a_token_that_has_expired_is_not_asked_with(asking: Relay) -> None:
    """It has an end of its own, and a time of grace in which a newer one may come."""
    asking.engine.limits = Limits(grace_seconds=300)
    asking.viewer("ada", seconds=30)
    viewer = await asking.watches(user="ada")
    await asyncio.sleep(31)
    asking.authorizer.asked.clear()
    asking.authorizer.decisions["p"] = Decision.DENIED
    await asyncio.sleep(2 * INTERVAL)
    assert [] == asking.authorizer.asked
    assert_stays(viewer)
    await asyncio.sleep(200)
    assert_leaves(viewer, Disconnect.TOKEN_EXPIRED)


async def test_nobody_is_asked_for_where_the_interval_is_none(asking: Relay) -> None:
    """0: only who comes and who refreshes; and it can be changed while the relay runs."""
    viewer = await asking.watches()
    asking.engine.limits = Limits(recheck_seconds=0)
    await asyncio.sleep(1)
    asking.authorizer.asked.clear()
    await asyncio.sleep(3_600)
    assert [] == asking.authorizer.asked
    asking.engine.limits = Limits(recheck_seconds=10)
    await asyncio.sleep(12.5)
    assert 1 == len(asking.authorizer.asked)
    assert_stays(viewer)


# -- polls ------------------------------------------------------------------------------------------------------------


async def test_a_poll_that_waits_is_cut(asking: Relay) -> None:
    """Its answer is the refusal; one that has ended is not asked for."""
    asking.engine.limits = Limits(recheck_seconds=10)
    asking.says("a")
    after = asking.log.head_cursor()
    waiting = asyncio.ensure_future(asking.polls(after=after, wait=50, user="ada"))
    await settle()
    assert 1 == len(asking.engine.rounds)
    asking.authorizer.decisions["p"] = Decision.DENIED
    with pytest.raises(Refused) as refused:
        await waiting
    assert (Disconnect.FORBIDDEN, 403) == (refused.value.disconnect, refused.value.http_status)
    assert [("longpoll", Disconnect.FORBIDDEN)] == asking.observer.of("withdrawn")
    assert (0, {"fake": 0}) == (len(asking.engine.rounds), asking.presence.counts())
    asking.authorizer.decisions.clear()
    await asking.polls(after=after, wait=1, user="ada")
    assert 0 == len(asking.engine.rounds)


# -- a newer token ----------------------------------------------------------------------------------------------------


async def test_a_newer_token_is_asked_with_at_once(asking: Relay) -> None:
    """For each project; what it does not open is gone at once, and the rest goes on."""
    viewer = await asking.watches(None, user="ada")
    for project_id in "pqr":
        await viewer.says({"type": "subscribe", "project_id": project_id})
    asking.verifier.tokens["newer"] = asking.verifier.tokens["ada"]
    asking.authorizer.asked.clear()
    asking.authorizer.decisions |= {"q": Decision.DENIED, "r": Decision.UNKNOWN}
    await viewer.says({"type": "refresh", "token": "newer"})
    assert [("p", "newer", False), ("q", "newer", False), ("r", "newer", False)] == [
        (question.project.project_id, question.token, question.anew) for question in asking.authorizer.asked
    ]
    assert ["REFRESHED", "FORBIDDEN"] == viewer.codes()
    assert {"p", "r"} == set(viewer.session.subscriptions)


async def test_a_newer_token_that_does_not_open_the_only_project_ends_it(asking: Relay) -> None:
    """Also where nobody is asked for otherwise."""
    asking.engine.limits = Limits(recheck_seconds=0)
    viewer = await asking.watches(user="ada")
    asking.verifier.tokens["newer"] = asking.verifier.tokens["ada"]
    asking.authorizer.decisions["p"] = Decision.DENIED
    await viewer.says({"type": "refresh", "token": "newer"})
    assert_leaves(viewer, Disconnect.FORBIDDEN)


async def test_a_no_to_the_older_token_is_about_nothing(asking: Relay) -> None:
    """It was on its way when a newer one was shown, which opens."""
    viewer = await asking.watches(user="ada")
    asking.verifier.tokens["newer"] = asking.verifier.tokens["ada"]
    asking.authorizer.hangs = asyncio.Event()
    await asyncio.sleep(INTERVAL)
    hangs, asking.authorizer.hangs = asking.authorizer.hangs, None
    await viewer.says({"type": "refresh", "token": "newer"})
    asking.authorizer.decisions["p"] = Decision.DENIED
    hangs.set()
    await settle()
    assert_stays(viewer)


async def test_a_stuck_legacy_viewer_is_cut_all_the_same(asking: Relay) -> None:
    """Whoever takes nothing keeps no right for it."""
    wire = FakeWire(FakeEncoding(legacy=True))
    viewer = await asking.watches(wire=wire)
    wire.fill()
    asking.authorizer.decisions["p"] = Decision.DENIED
    await asyncio.sleep(INTERVAL)
    assert_leaves(viewer, Disconnect.FORBIDDEN)
