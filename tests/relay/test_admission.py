"""Who comes in, in which order it is asked, and what each refusal says."""

import asyncio
from typing import Any

import pytest

from relayd.core.access import Decision, Viewer
from relayd.ports import JournalError, NoKeys
from relayd.protocol.cursor import decode
from relayd.protocol.disconnect import Disconnect
from relayd.relay.admission import Grant
from relayd.relay.refusal import Refused
from relayd.testing.viewers import FakeAuthorizer
from relayd.testing.world import settle
from tests.relay.stage import Relay, SlowJournal

GONE = JournalError("the disk is gone")


async def refusal(relay: Relay, *args: str | None, **wishes: Any) -> Refused:  # noqa: ANN401  # fields of `Handshake`
    """Return why somebody is not let in."""
    with pytest.raises(Refused) as refused:
        await relay.admission.admit(relay.asks(*args, **wishes))
    assert ("fake", refused.value.disconnect, refused.value.reason) == relay.observer.of("refused")[-1]
    return refused.value


# -- who is counted ---------------------------------------------------------------------------------------------------


async def test_who_is_refused_at_the_door_is_counted(relay: Relay) -> None:
    """By the transport it came over; what the door says stands with the door."""
    await relay.admission.open_doors("fake", counts=dict)
    relay.admission.draining = True
    assert relay.admission.draining
    with pytest.raises(Refused, match="restarting"):
        await relay.admission.open_doors("fake", counts=dict)
    assert [("fake", Disconnect.RESTARTING, "draining")] == relay.observer.of("refused")


async def test_a_request_that_cant_be_read_is_counted(relay: Relay) -> None:
    """Who sends such ones is seen like all who are refused."""
    with pytest.raises(Refused), relay.admission.reading("fake"):
        raise Refused(Disconnect.BAD_REQUEST, "tail: a number", "malformed")
    assert [("fake", Disconnect.BAD_REQUEST, "malformed")] == relay.observer.of("refused")
    with relay.admission.reading("fake"):
        pass
    assert 1 == len(relay.observer.of("refused"))


async def test_a_refusal_is_counted_once(relay: Relay) -> None:
    """However many hands it goes through."""
    refused = Refused(Disconnect.BAD_REQUEST, "tail: a number", "malformed")
    relay.admission.count("fake", refused)
    relay.admission.count("fake", refused)
    assert 1 == len(relay.observer.of("refused"))


# -- the order --------------------------------------------------------------------------------------------------------


async def test_a_stranger_is_told_nothing_but_that(relay: Relay) -> None:
    """Whatever is wrong with the token, the words are the same; which check failed is the operator's to know."""
    relay.authorizer.decisions["p"] = Decision.DENIED
    bad = await refusal(relay, user="ada", token="bad", after="nonsense")
    missing = await refusal(relay, user="ada", token=None)
    relay.viewer("late", seconds=-1)
    expired = await refusal(relay, user="late")
    assert {Disconnect.AUTH_FAILED} == {bad.disconnect, missing.disconnect, expired.disconnect}
    assert 1 == len({bad.sentence, missing.sentence, expired.sentence})
    assert ("unknown", "missing", "expired") == (bad.reason, missing.reason, expired.reason)
    assert [] == relay.authorizer.asked


async def test_who_can_not_be_judged_is_not_sent_away(relay: Relay) -> None:
    """Without keys nobody knows what a token is worth: its bearer tries again, and is not told to log in."""

    class Keyless:
        generation = 1

        def verify(self, token: str, now: float) -> Viewer:
            raise NoKeys

    relay.engine.verifier = Keyless()
    refused = await refusal(relay)
    assert (Disconnect.OVERLOADED, "no_keys") == (refused.disconnect, refused.reason)
    assert "try again" in refused.sentence
    assert [("fake", Disconnect.OVERLOADED, "no_keys")] == relay.observer.of("refused")


async def test_a_project_has_a_name_that_can_be_one(relay: Relay) -> None:
    """Before anybody looks it up."""
    refused = await refusal(relay, "../etc")
    assert (Disconnect.BAD_REQUEST, "malformed") == (refused.disconnect, refused.reason)
    assert "project_id" in refused.sentence
    assert {} == relay.log.projects


async def test_who_may_not_see_it_may_not_see_it(relay: Relay) -> None:
    """Before the cursor is looked at; no place is taken."""
    relay.authorizer.decisions["p"] = Decision.DENIED
    refused = await refusal(relay, after="nonsense")
    assert (Disconnect.FORBIDDEN, "forbidden") == (refused.disconnect, refused.reason)
    assert {} == relay.presence.counts()


async def test_what_cant_be_told_yet_is_no_no(relay: Relay) -> None:
    """The log may still tell, or whoever is asked answer: come again."""
    relay.authorizer.decisions["p"] = Decision.UNKNOWN
    refused = await refusal(relay)
    assert (Disconnect.OVERLOADED, "rights_unknown") == (refused.disconnect, refused.reason)


async def test_any_authorizer_grants(relay: Relay) -> None:
    """One that knows is enough."""
    relay.authorizer.decisions["p"] = Decision.DENIED
    relay.engine.authorizers = [relay.authorizer, FakeAuthorizer()]
    assert await relay.admission.admit(relay.asks()) is not None


async def test_a_bad_cursor_is_refused_before_a_place_is_taken(relay: Relay) -> None:
    """With the parameter and the mend."""
    refused = await refusal(relay, after="nonsense")
    assert (Disconnect.BAD_REQUEST, "bad_cursor") == (refused.disconnect, refused.reason)
    assert refused.sentence.startswith("after: ")
    assert {} == relay.presence.counts()


async def test_a_cursor_ahead_of_a_relay_that_lags_is_refused_after_a_wait(relay: Relay) -> None:
    """Another replica may have come so far."""
    relay.source.skip(200)
    relay.says("a")
    ahead = str(decode(relay.log.head_cursor())._replace(offset=99))
    refused = await refusal(relay, after=ahead)
    assert (Disconnect.OVERLOADED, "behind") == (refused.disconnect, refused.reason)


async def test_a_journal_that_cant_be_read_is_no_fault_of_the_viewer(relay: Relay) -> None:
    """Neither when the project is opened nor when the cursor is judged."""
    (entry,) = relay.says("a")
    await relay.keeper.flush(everything=True)
    assert isinstance(relay.journal, SlowJournal)
    relay.journal.failure = GONE
    relay.log.marks.clear()
    judged = await refusal(relay, after=entry.cursor)
    relay.log.unload(projects=0)
    opened = await refusal(relay)
    for refused in (judged, opened):
        assert (Disconnect.OVERLOADED, "journal") == (refused.disconnect, refused.reason)
    assert [GONE, GONE] == relay.observer.of("journal_failed")
    relay.journal.failure = None


async def test_the_sixth_is_told_who_holds_the_places(relay: Relay) -> None:
    """Without the session strings: they would let it take a place over."""
    held = [await relay.watches(user="ada", session=f"tab{number}") for number in range(5)]
    refused = await refusal(relay, user="ada", session="another")
    assert (Disconnect.TOO_MANY_CONNECTIONS, "user_limit") == (refused.disconnect, refused.reason)
    assert 5 == refused.data["limit"]
    assert [
        {
            "connection_id": viewer.session.grant.connection_id,
            "transport": "fake",
            "project_id": "p",
            "since": relay.clock.now(),
        }
        for viewer in held
    ] == refused.data["connections"]
    held[0].session.close(Disconnect.NORMAL)
    assert await relay.admission.admit(relay.asks(user="ada")) is not None


async def test_who_is_let_in_holds_a_place_and_a_verdict(relay: Relay) -> None:
    """And gives it back as often as it likes."""
    (entry,) = relay.says("a")
    grant = await relay.admission.admit(relay.asks(after=entry.cursor, user="ada", remote="192.0.2.1"))
    assert grant.verdict is not None
    assert "whole" == grant.verdict.kind
    assert ("ada", "p", "192.0.2.1") == (grant.viewer.user, grant.project_id, grant.remote)
    assert {"fake": 1} == relay.presence.counts()
    assert [("fake", 0.0)] == relay.observer.of("admitted")
    grant.release()
    grant.release()
    assert {"fake": 0} == relay.presence.counts()


async def test_a_socket_for_many_is_not_asked_for_a_project(relay: Relay) -> None:
    """Each subscription is, later."""
    grant = await relay.admission.admit(relay.asks(None))
    assert grant.verdict is None
    assert [] == relay.authorizer.asked


async def test_who_keeps_being_refused_waits_for_it(relay: Relay) -> None:
    """From the sixth on; one that is let in is forgiven."""
    began = relay.clock.monotonic()
    for _ in range(5):
        await refusal(relay, user="ada", token="bad", remote="192.0.2.1")
    assert began == relay.clock.monotonic()
    await refusal(relay, user="ada", token="bad", remote="192.0.2.1")
    assert began < relay.clock.monotonic()
    await relay.admission.admit(relay.asks(user="ada", remote="192.0.2.1"))
    began = relay.clock.monotonic()
    await refusal(relay, user="ada", token="bad", remote="192.0.2.1")
    assert began == relay.clock.monotonic()


# -- eviction ---------------------------------------------------------------------------------------------------------


async def test_a_newer_connection_of_the_same_session_takes_the_place(relay: Relay) -> None:
    """The old one is told that it was replaced."""
    old = await relay.watches(user="ada", session="tab")
    new = await relay.watches(user="ada", session="tab")
    assert Disconnect.REPLACED is old.session.ended.result().disconnect
    assert "newer connection" in old.session.ended.result().sentence
    assert not new.session.ended.done()
    assert {"fake": 1} == relay.presence.counts()


async def test_a_user_ends_a_connection_of_its_own(relay: Relay) -> None:
    """To free a place."""
    viewer = await relay.watches(user="ada")
    assert await relay.presence.evict(viewer.session.grant.connection_id, user="ada")
    assert Disconnect.NORMAL is viewer.session.ended.result().disconnect
    assert "user's wish" in viewer.session.ended.result().sentence


async def test_an_operator_ends_a_connection_by_its_mark(relay: Relay) -> None:
    """Found when its place would be renewed: the operator's own words were not heard, but that it was one is told."""
    viewer = await relay.watches(user="ada")
    viewer.session.grant.evict(Disconnect.ENDED_BY_OPERATOR)
    assert "ended by an operator; come back later" == viewer.session.ended.result().sentence


async def test_who_is_evicted_before_anybody_listens_is_told_when_somebody_does(relay: Relay) -> None:
    """The handshake of the old one may be under way still."""
    asked = relay.asks(user="ada")
    grant = Grant(relay.admission.prove("ada"), asked, "1")
    grant.release()
    grant.evict(Disconnect.REPLACED)
    heard: list[Disconnect] = []
    grant.on_evict(lambda disconnect, _: heard.append(disconnect))
    assert [Disconnect.REPLACED] == heard
    grant.evict(Disconnect.NORMAL)
    assert [Disconnect.REPLACED, Disconnect.NORMAL] == heard


async def test_many_at_once_get_no_more_places_than_there_are(relay: Relay) -> None:
    """Races for places are lost by all but five."""
    relay.viewer("ada")
    results = await asyncio.gather(
        *[relay.admission.admit(relay.asks(user="ada")) for _ in range(20)], return_exceptions=True
    )
    assert 5 == sum(isinstance(result, Grant) for result in results)
    await settle()
    assert {"fake": 5} == relay.presence.counts()
