"""Who asks too often, what that costs, and whom it must not cost anything."""

import asyncio
from typing import Any

import pytest

from relayd.core.access import Viewer
from relayd.core.pacing import Pace
from relayd.ports import AuthFailed, NoKeys
from relayd.protocol.disconnect import Disconnect
from relayd.relay.poll import Poll
from relayd.relay.refusal import Refused
from relayd.relay.restraint import WAITING
from relayd.testing.viewers import FakeEncoding
from tests.relay.stage import Relay, assert_leaves

OFFICE = "192.0.2.1"
THREE = Pace(rate=3 / 60, burst=3)


async def refusal(relay: Relay, *args: str | None, **wishes: Any) -> Refused:  # noqa: ANN401  # fields of `Handshake`
    """Return why somebody is not let in."""
    with pytest.raises(Refused) as refused:
        await relay.admission.admit(relay.asks(*args, **wishes))
    return refused.value


# -- requests of a user -----------------------------------------------------------------------------------------------


async def test_a_user_who_asks_too_often_is_told_how_often_and_when() -> None:
    """Over all that it asks; others are not touched, and a while later it is let in again."""
    relay = await Relay.begin(requests=Pace(rate=2, burst=3))
    for _ in range(3):
        await relay.polls(user="ada")
    refused = await refusal(relay, user="ada")
    assert (Disconnect.RATE_EXCEEDED, "rate") == (refused.disconnect, refused.reason)
    assert "more than 2 requests a second by this user; ask less often" in refused.sentence
    assert ({"limit": 2}, 500) == (refused.data, refused.retry_after_ms)
    assert [("fake", Disconnect.RATE_EXCEEDED, "rate")] == relay.observer.of("refused")
    with pytest.raises(Refused, match="more than 2 requests"):
        relay.admission.restraint.request("ada")
    await relay.polls(user="bob")
    relay.clock.advance(0.5)
    await relay.polls(user="ada")
    await relay.end()


async def test_a_stranger_takes_nothing_from_a_user() -> None:
    """Only a token that opened is counted for its user."""
    relay = await Relay.begin(requests=Pace(rate=1, burst=1))
    for _ in range(3):
        await refusal(relay, user="ada", token="bad")
    await relay.polls(user="ada")
    await relay.end()


async def test_workers_have_a_limit_of_their_own() -> None:
    """What they publish is not counted with what they ask."""
    relay = await Relay.begin(requests=Pace(rate=1, burst=1), publishes=Pace(rate=0.5, burst=2))
    restraint = relay.admission.restraint
    restraint.request("bot")
    for _ in range(2):
        restraint.publish("bot")
    with pytest.raises(Refused) as refused:
        restraint.publish("bot")
    assert "more than 0.5 bodies a second by this user; send the same body again" in refused.value.sentence
    assert ("publish_rate", {"limit": 0.5}, 2_000) == (
        refused.value.reason,
        refused.value.data,
        refused.value.retry_after_ms,
    )
    await relay.end()


async def test_polls_are_told_to_come_apart_before_they_meet_the_limit() -> None:
    """As many as a user may have open come no oftener than it may ask, whatever happens."""
    relay = await Relay.begin(requests=Pace(rate=20, burst=40), connections_per_user=5)
    restraint, told = relay.admission.restraint, []
    for _ in range(21):
        restraint.request("ada")
        told.append(restraint.spacing_ms("ada"))
    assert [0] * 20 + [250] == told
    for _ in range(200):
        relay.clock.advance(restraint.spacing_ms("ada") / 1_000)
        for _ in range(5):
            restraint.request("ada")
    assert 0 == restraint.spacing_ms("bob")
    await relay.end()


async def test_who_asks_too_often_is_named_once_a_minute(relay: Relay) -> None:
    """The metrics name nobody, and a flood of requests is no flood of lines."""
    relay.engine.limits = type(relay.engine.limits)(requests=Pace(rate=0.001, burst=1))
    for user in ("ada", "ada", "ada", "bob", "bob"):
        with_token = relay.asks(user=user)
        await asyncio.gather(relay.admission.admit(with_token), return_exceptions=True)
    named = [fields for event, fields in relay.observer.of("noticed") if event == "limit_met"]
    assert [{"level": "warning", "reason": "rate", "user": user} for user in ("ada", "bob")] == named
    relay.clock.advance(60)
    await refusal(relay, user="ada")
    assert 3 == len(relay.observer.of("noticed"))


# -- failed logins ----------------------------------------------------------------------------------------------------


async def test_bad_tokens_of_one_address_are_told_to_wait() -> None:
    """Three are told to log in, the fourth to come later; after that time the next is judged again."""
    relay = await Relay.begin(failed_logins=THREE)
    for _ in range(3):
        assert Disconnect.AUTH_FAILED is (await refusal(relay, user="ada", token="bad", remote=OFFICE)).disconnect
    with pytest.raises(Refused) as too_many:
        relay.admission.prove("bad", remote=OFFICE)
    assert (Disconnect.RATE_EXCEEDED, "failed_logins") == (too_many.value.disconnect, too_many.value.reason)
    assert "more than 3 failed logins a minute from your address; get a new token" in too_many.value.sentence
    assert ({"limit": 3}, 20_000) == (too_many.value.data, too_many.value.retry_after_ms)
    assert Disconnect.AUTH_FAILED is (await refusal(relay, token="bad", remote="198.51.100.7")).disconnect
    relay.clock.advance(20)
    assert Disconnect.AUTH_FAILED is (await refusal(relay, token="bad", remote=OFFICE)).disconnect
    assert Disconnect.RATE_EXCEEDED is (await refusal(relay, token="bad", remote=OFFICE)).disconnect
    await relay.end()


async def test_good_tokens_from_an_address_under_attack_are_let_in() -> None:
    """As they are from anywhere; and they don't hide the attack."""
    relay = await Relay.begin(failed_logins=THREE)
    for number in range(20):
        await refusal(relay, token="bad", remote=OFFICE)
        await relay.polls(user=f"honest-{number}", remote=OFFICE)
        assert "ada" == relay.admission.prove(relay.viewer("ada"), remote=OFFICE).viewer.user
    endings = [disconnect for _, disconnect, _ in relay.observer.of("refused")]
    assert [Disconnect.AUTH_FAILED] * 3 + [Disconnect.RATE_EXCEEDED] * 17 == endings
    await relay.end()


@pytest.mark.parametrize("reason", ["no_token", "expired", "not_yet", "revoked"])
async def test_who_has_to_log_in_is_told_so_however_many_others_guess(reason: str) -> None:
    """What an issuer signed, and what was never sent, is nobody's guess, and costs its address nothing."""

    class Particular:
        generation = 0

        def verify(self, token: str, now: float) -> Viewer:
            raise AuthFailed(reason if token == "genuine" else "signature")

    relay = await Relay.begin(failed_logins=THREE)
    relay.engine.verifier = Particular()
    for _ in range(10):
        assert Disconnect.AUTH_FAILED is (await refusal(relay, user="ada", token="genuine", remote=OFFICE)).disconnect
    for _ in range(3):
        assert Disconnect.AUTH_FAILED is (await refusal(relay, user="ada", token="bad", remote=OFFICE)).disconnect
    assert Disconnect.RATE_EXCEEDED is (await refusal(relay, user="ada", token="bad", remote=OFFICE)).disconnect
    assert Disconnect.AUTH_FAILED is (await refusal(relay, user="ada", token="genuine", remote=OFFICE)).disconnect
    await relay.end()


async def test_who_cant_be_judged_has_not_failed() -> None:
    """While there are no keys everybody is told to come again, as often as they come."""

    class Keyless:
        generation = 0

        def verify(self, token: str, now: float) -> Viewer:
            raise NoKeys

    relay = await Relay.begin(failed_logins=THREE)
    relay.engine.verifier = Keyless()
    reasons = {(await refusal(relay, user="ada", remote=OFFICE)).reason for _ in range(6)}
    assert {"no_keys"} == reasons
    await relay.end()


async def test_a_ticket_is_no_way_to_guess() -> None:
    """One that nobody sealed counts as a token that nobody signed; one that was used does not, and is told so."""
    relay = await Relay.begin(failed_logins=THREE)
    ticket = relay.admission.tickets.issue(relay.viewer("ada"), project_id="p", origin=None, until=2e9).text
    await relay.polls(user="ada", token=None, ticket=ticket, remote=OFFICE)
    endings = [
        (await refusal(relay, user="ada", token=None, ticket=shown, remote=OFFICE)).disconnect
        for shown in (ticket, ticket, "made up", "made up", "made up", "made up", ticket)
    ]
    login = Disconnect.AUTH_FAILED
    assert [login, login, login, login, login, Disconnect.RATE_EXCEEDED, login] == endings
    await relay.end()


async def test_a_connection_is_no_way_to_guess() -> None:
    """A token that is shown on a live one counts for its address, and ends it as any bad one does."""
    relay = await Relay.begin(failed_logins=THREE)
    endings = []
    for number in range(4):
        viewer = await relay.watches(user=f"user-{number}", remote=OFFICE)
        await viewer.says({"type": "refresh", "token": "bad"})
        endings.append(viewer.session.ended.result())
    assert [Disconnect.AUTH_FAILED] * 3 + [Disconnect.RATE_EXCEEDED] == [ending.disconnect for ending in endings]
    assert 20_000 == endings[-1].retry_after_ms
    await relay.end()


async def test_the_address_of_an_attack_is_named() -> None:
    """Once a minute."""
    relay = await Relay.begin(failed_logins=THREE)
    for _ in range(9):
        with pytest.raises(Refused):
            relay.admission.prove("bad", remote=OFFICE)
    assert [("limit_met", {"level": "warning", "reason": "failed_logins", "remote": OFFICE})] == relay.observer.of(
        "noticed"
    )
    await relay.end()


# -- waiting ----------------------------------------------------------------------------------------------------------


async def test_a_refusal_is_waited_for_once(relay: Relay) -> None:
    """However many hands it goes through."""
    restraint = relay.admission.restraint
    for _ in range(5):
        await restraint.hold_back(OFFICE, Refused(Disconnect.FORBIDDEN, "no", "forbidden"))
    refused = Refused(Disconnect.FORBIDDEN, "no", "forbidden")
    began = relay.clock.monotonic()
    await restraint.hold_back(OFFICE, refused)
    assert pytest.approx(0.25, abs=0.001) == relay.clock.monotonic() - began
    await restraint.hold_back(OFFICE, refused)
    assert pytest.approx(0.25, abs=0.001) == relay.clock.monotonic() - began


async def test_only_so_many_wait(relay: Relay) -> None:
    """Each holds a socket: who comes beyond them is told at once, and who gives up makes room."""
    restraint = relay.admission.restraint

    def refused() -> Refused:
        return Refused(Disconnect.FORBIDDEN, "no", "forbidden")

    for _ in range(5):
        await restraint.hold_back(OFFICE, refused())
    waiting = [asyncio.create_task(restraint.hold_back(OFFICE, refused())) for _ in range(WAITING)]
    await asyncio.sleep(0)
    began = relay.clock.monotonic()
    await restraint.hold_back(OFFICE, refused())
    assert began == relay.clock.monotonic()
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    late = asyncio.create_task(restraint.hold_back(OFFICE, refused()))
    await asyncio.sleep(0)
    assert not late.done()
    await asyncio.gather(late, *waiting[1:])


# -- viewers of a project ---------------------------------------------------------------------------------------------


async def test_a_project_has_so_many_viewers_and_no_more() -> None:
    """Whoever comes beyond is refused at the door, before it holds a place; another project is another matter."""
    relay = await Relay.begin(viewers_per_project=2)
    first, _ = [await relay.watches() for _ in range(2)]
    refused = await refusal(relay)
    assert (Disconnect.OVERLOADED, "project_full", {"limit": 2}) == (
        refused.disconnect,
        refused.reason,
        refused.data,
    )
    assert "2 viewers watch this project here already; try again" == refused.sentence
    assert {"fake": 2} == relay.presence.counts()
    await relay.watches("q")
    first.session.close(Disconnect.NORMAL)
    await relay.watches()
    await relay.end()


async def test_a_subscription_is_refused_and_its_socket_stays() -> None:
    """As others are, with the project's name."""
    relay = await Relay.begin(viewers_per_project=1)
    await relay.watches()
    viewer = await relay.watches(None)
    for project_id in ("p", "q"):
        await viewer.says({"type": "subscribe", "project_id": project_id})
    (notice,) = viewer.of("notice")
    assert ("OVERLOADED", "p", {"limit": 1}) == (notice["code"], notice["project_id"], notice["data"])
    assert ["q"] == list(viewer.session.subscriptions)
    assert [("fake", Disconnect.OVERLOADED, "project_full")] == relay.observer.of("refused")
    await relay.end()


async def test_those_who_pass_the_door_together_are_looked_at_again() -> None:
    """Both found room, one is left over: it is told why, and not more are let in than there may be."""
    relay = await Relay.begin(viewers_per_project=1)
    asked, late = relay.asks(), relay.asks()
    grant = await relay.admission.admit(asked)
    waiting = await relay.admission.admit(late)
    viewer = await relay.watches_by(grant, asked)
    beyond = await relay.watches_by(waiting, late)
    assert_leaves(beyond, Disconnect.OVERLOADED)
    assert not viewer.session.ended.done()
    assert [("fake", Disconnect.OVERLOADED, "project_full")] == relay.observer.of("refused")
    viewer.session.close(Disconnect.NORMAL)
    await relay.polls()
    await relay.end()


async def test_a_poll_that_passes_the_door_is_looked_at_again() -> None:
    """As a socket is: somebody came in while it took its place."""
    relay = await Relay.begin(viewers_per_project=1)
    asked = relay.asks()
    grant = await relay.admission.admit(asked)
    viewer = await relay.watches()
    with pytest.raises(Refused, match="1 viewers watch this project here already"):
        await Poll(relay.engine, grant, FakeEncoding()).answer(relay.admission, asked, wait=0, limit=1)
    viewer.session.close(Disconnect.NORMAL)
    await relay.polls()
    await relay.end()


async def test_any_number_may_watch_without_a_bound() -> None:
    """A bound of 0 is none."""
    relay = await Relay.begin(viewers_per_project=0)
    for _ in range(20):
        await relay.watches()
    assert 20 == len(relay.log.projects["p"].channel)
    await relay.end()
