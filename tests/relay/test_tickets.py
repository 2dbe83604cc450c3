"""From a token to a ticket and back, once; what is refused stays good."""

import asyncio

import pytest

from relayd.core.access import Decision
from relayd.ports import AuthFailed
from relayd.presence.once import MemoryOneUse
from relayd.protocol.disconnect import Disconnect
from relayd.relay.refusal import Refused
from relayd.relay.tickets import Tickets
from tests.relay.stage import Relay


def ticket(relay: Relay, *, user: str = "ada", project_id: str | None = "p", origin: str | None = None) -> str:
    """Return a ticket for a user's token."""
    relay.viewer(user)
    issued = relay.admission.tickets.issue(user, project_id=project_id, origin=origin, until=relay.clock.now() + 600)
    return issued.text


async def comes(relay: Relay, shown: str, project_id: str | None = "p", *, origin: str | None = None) -> str:
    """Return who was let in with a ticket, or the reason why nobody was."""
    asked = relay.asks(project_id, token=None, ticket=shown, origin=origin)
    try:
        grant = await relay.admission.admit(asked)
    except Refused as refused:
        return refused.reason
    grant.release()
    return grant.viewer.user


async def test_a_ticket_stands_for_its_token(relay: Relay) -> None:
    """What is let in is the token's user, by the word of the verifier, with the token as its proof."""
    relay.viewer("ada")
    shown = ticket(relay)
    grant = await relay.admission.admit(relay.asks("p", token=None, ticket=shown))
    assert ("ada", "ada", relay.verifier) == (grant.viewer.user, grant.proof.token, grant.proof.verifier)
    relay.verifier.generation += 1
    assert grant.stands(relay.verifier)
    del relay.verifier.tokens["ada"]
    relay.verifier.generation += 1
    assert not grant.stands(relay.verifier)


async def test_a_ticket_is_used_once(relay: Relay) -> None:
    """The others are refused as with a bad token; the reason is the operator's to know."""
    shown = ticket(relay)
    assert ["ada", *["ticket_used"] * 19] == await asyncio.gather(*(comes(relay, shown) for _ in range(20)))
    assert [("fake", Disconnect.AUTH_FAILED, "ticket_used")] * 19 == relay.observer.of("refused")


async def test_a_ticket_that_is_refused_is_not_used_up(relay: Relay) -> None:
    """By the seal, the project, the page, the token; and then it lets its user in."""
    shown = ticket(relay, origin="https://a.example")
    assert "ticket_seal" == await comes(relay, shown[:-8] + "AAAAAAAA")
    assert "ticket_foreign" == await comes(relay, shown, "q", origin="https://a.example")
    assert "ticket_foreign" == await comes(relay, shown, None, origin="https://a.example")
    assert "ticket_foreign" == await comes(relay, shown)
    relay.verifier.keyless = True
    assert "no_keys" == await comes(relay, shown, origin="https://a.example")
    relay.verifier.keyless = False
    viewer = relay.verifier.tokens.pop("ada")
    assert "unknown" == await comes(relay, shown, origin="https://a.example")
    relay.verifier.tokens["ada"] = viewer
    assert "ada" == await comes(relay, shown, origin="https://a.example")
    assert "ticket_used" == await comes(relay, shown, origin="https://a.example")


@pytest.mark.parametrize(("decision", "reason"), [(Decision.DENIED, "forbidden"), (Decision.UNKNOWN, "rights_unknown")])
async def test_who_is_not_let_in_for_something_else_keeps_its_ticket(
    relay: Relay, decision: Decision, reason: str
) -> None:
    """A proxy may send it on to another relay, which knows more of the project."""
    shown = ticket(relay)
    relay.authorizer.decisions["p"] = decision
    assert [reason] * 2 == [await comes(relay, shown) for _ in range(2)]
    relay.authorizer.decisions["p"] = Decision.GRANTED
    assert ["ada", "ticket_used"] == [await comes(relay, shown) for _ in range(2)]


async def test_a_used_ticket_takes_nobody_s_place(relay: Relay) -> None:
    """With the session of the one who is there, which stood in the same address."""
    shown = ticket(relay)
    watcher = await relay.watches("p", token=None, ticket=shown, session="tab")
    asked = relay.asks("p", token=None, ticket=shown, session="tab")
    with pytest.raises(Refused, match="not valid"):
        await relay.admission.admit(asked)
    assert not watcher.session.ended.done()
    assert 1 == sum(relay.presence.counts().values())


async def test_a_ticket_that_grows_old_while_it_waits_is_too_old(relay: Relay) -> None:
    """Else it could be used once more when nobody remembers the first time."""
    tickets = relay.admission.tickets
    opened = tickets.open(ticket(relay), project_id="p", origin=None)
    relay.clock.advance(29.9)
    await tickets.use_up(opened)
    opened = tickets.open(ticket(relay), project_id="p", origin=None)
    relay.clock.advance(30)
    with pytest.raises(AuthFailed, match="ticket_expired"):
        await tickets.use_up(opened)


async def test_the_token_is_asked_again_when_a_ticket_is_opened(relay: Relay) -> None:
    """One that has expired by then opens nothing, however young the ticket is."""
    shown = ticket(relay)
    relay.viewer("ada", seconds=20)
    relay.clock.advance(19)
    assert "ada" == await comes(relay, shown)
    shown = ticket(relay)
    relay.viewer("ada", seconds=-1)
    assert "expired" == await comes(relay, shown)


async def test_time_runs_out(relay: Relay) -> None:
    """Half a minute, and what is told of it is never longer than the token lives."""
    relay.viewer("ada", seconds=600)
    tickets, now = relay.admission.tickets, relay.clock.now()
    for until, told in ((now + 600, now + 30), (now + 7, now + 7)):
        assert told == tickets.issue("ada", project_id="p", origin=None, until=until).expires_at
    shown = ticket(relay)
    relay.clock.advance(30)
    assert "ticket_expired" == await comes(relay, shown)


async def test_one_that_can_t_be_remembered_is_not_let_in(relay: Relay) -> None:
    """Its bearer is told to try again, or to come with a token, and not that the ticket is bad."""
    relay.admission.tickets = Tickets(relay.sealer, MemoryOneUse(most=1), relay.clock)
    first, second = ticket(relay), ticket(relay)
    assert "ada" == await comes(relay, first)
    assert "tickets_full" == await comes(relay, second)
    assert ("fake", Disconnect.OVERLOADED, "tickets_full") == relay.observer.of("refused")[-1]
    assert "ticket_used" == await comes(relay, first)
    relay.viewer("ada", seconds=600)
    assert "ada" == (await relay.admission.admit(relay.asks("p", user="ada"))).viewer.user


async def test_what_is_no_token_becomes_no_ticket(relay: Relay) -> None:
    """Nobody could open it."""
    with pytest.raises(AuthFailed):
        relay.admission.tickets.issue("é", project_id="p", origin=None, until=1.0)
