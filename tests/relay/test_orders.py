"""What operators order: it holds here at once, is kept, is told, and its answer says how far that went."""

import asyncio
from collections.abc import Sequence

import pytest

from relayd.core.access import Viewer
from relayd.core.revocations import Full, Revocation, Revocations
from relayd.identity.revoking import Revoking
from relayd.ports import Fellows, Holder, Keeping, Whom
from relayd.presence.memory import Evict, MemoryHold, MemoryPresence
from relayd.protocol.disconnect import Disconnect
from relayd.relay.orders import ROUND_SECONDS, SLACK, Orders
from relayd.relay.poll import Poll
from relayd.relay.refusal import Refused
from relayd.testing.viewers import FakeEncoding
from relayd.testing.world import settle
from tests.relay.stage import P, Relay, assert_leaves, assert_stays

LONGEST = 3_600.0


class Paper:
    """Keeps what it is given, unless it is full; waits before it does if it is told to."""

    def __init__(self) -> None:
        self.written: list[list[Revocation]] = []
        self.full = False
        self.slow: asyncio.Event | None = None

    async def write(self, revocations: Sequence[Revocation]) -> None:
        if self.slow is not None:
            await self.slow.wait()
        if self.full:
            raise OSError(28, "No space left on device")
        self.written.append(list(revocations))


class Together(MemoryPresence):
    """A presence with fellows that hold three places."""

    trouble = "Redis is away"

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.told: list[object] = []
        self.relay: object = None

    def follow(self, relay: object) -> None:
        self.relay = relay

    async def spread(self, revocations: Sequence[Revocation]) -> bool:
        self.told.extend(revocations)
        return not self.away

    async def end(self, whom: Whom, sentence: str) -> int | None:
        self.told.append((whom, sentence))
        return None if self.away else 3

    async def elsewhere(self, whom: Whom) -> Sequence[Holder]:
        user = whom.user or "somebody"
        return [Holder(connection_id="c", user=user, transport="sse", project_id=whom.project_id, since=1.0)]

    async def run(self) -> None: ...

    async def close(self) -> None: ...


def under(
    relay: Relay, *, paper: Keeping | None = None, most: int = 10, presence: MemoryPresence | None = None
) -> Orders:
    """Put a relay under orders."""
    revocations = Revocations(most=most)
    if presence is not None:
        relay.engine.presence = presence
    relay.engine.verifier = Revoking(relay.verifier, revocations)
    return Orders(relay.engine, relay.lobby, revocations, longest=LONGEST, keeping=paper)


def issued(relay: Relay, user: str, *, ago: float = 1.0, token_id: str | None = None) -> str:
    """Return a token of a user."""
    now = relay.clock.now()
    name = f"{user} {token_id} {ago}"
    relay.verifier.tokens[name] = Viewer(user=user, expires_at=now + LONGEST, issued_at=now - ago, token_id=token_id)
    return name


async def refusal(relay: Relay, token: str) -> Refused:
    """Return why a token is not let in."""
    with pytest.raises(Refused) as caught:
        await relay.watches(token=token)
    return caught.value


# -- revocations ------------------------------------------------------------------------------------------------


async def test_a_revoked_user_is_ended_at_once_and_not_let_in(relay: Relay) -> None:
    """Over all that stream, and polls; with a newer token it comes back, and others never notice."""
    paper = Paper()
    orders = under(relay, paper=paper)
    old = issued(relay, "ada")
    one, many = await relay.watches(token=old), await relay.watches(None, token=old)
    other = await relay.watches(token=issued(relay, "ben"))
    relay.says("one")
    polling = asyncio.create_task(held(relay, old))
    await settle()
    done = await orders.revoke("user", "ada")
    assert (3, "none", "on disk", "") == (done.ended, done.others, done.kept, done.failed)
    assert_leaves(one, Disconnect.AUTH_FAILED)
    assert_leaves(many, Disconnect.AUTH_FAILED)
    assert_stays(other)
    with pytest.raises(Refused) as ended:
        await polling
    assert Disconnect.AUTH_FAILED is ended.value.disconnect
    assert (Disconnect.AUTH_FAILED, "revoked") == ((why := await refusal(relay, old)).disconnect, why.reason)
    assert "revoked" not in why.sentence
    relay.clock.advance(1)
    assert_stays(await relay.watches(token=issued(relay, "ada", ago=0.5)))
    assert [[done.revocation]] == paper.written
    assert done.revocation is not None
    assert done.revocation.until == done.revocation.at + LONGEST + SLACK


async def held(relay: Relay, token: str) -> object:
    """Poll from the head on, as the transport does, until there is news."""
    asked = relay.asks(token=token, after=relay.log.head_cursor())
    grant = await relay.admission.admit(asked)
    poll = Poll(relay.engine, grant, FakeEncoding(transport="longpoll"))
    with relay.lobby.holding(poll):
        return await poll.answer(relay.admission, asked, wait=50, limit=9)


async def test_a_revoked_token_is_known_by_its_own_expiry(relay: Relay) -> None:
    """Only its connection ends; it is remembered until it has expired, by whatever clock."""
    orders = under(relay)
    stolen = await relay.watches(token=issued(relay, "ada", token_id="t1"))
    own = await relay.watches(token=issued(relay, "ada", token_id="t2"))
    done = await orders.revoke("token", "t1", expires_at=relay.clock.now() + 30)
    assert (1, "until this relay ends") == (done.ended, done.kept)
    assert_leaves(stolen, Disconnect.AUTH_FAILED)
    assert_stays(own)
    running = asyncio.create_task(orders.run())
    relay.clock.time += 1e6
    await asyncio.sleep(ROUND_SECONDS + 1)
    assert 1 == len(orders.revocations)
    await asyncio.sleep(ROUND_SECONDS)
    assert 0 == len(orders.revocations)
    running.cancel()


async def test_what_is_taken_back_is_let_in_again(relay: Relay) -> None:
    """What was never revoked can't be."""
    paper = Paper()
    orders = under(relay, paper=paper)
    old = issued(relay, "ada")
    await orders.revoke("user", "ada")
    assert await orders.take_back("user", "ben") is None
    done = await orders.take_back("user", "ada")
    assert done is not None
    assert (0, "on disk") == (done.ended, done.kept)
    assert_stays(await relay.watches(token=old))
    assert 2 == len(paper.written)
    assert [True] == [one.taken_back for one in paper.written[-1]]


async def test_a_token_that_is_revoked_while_it_waits_for_its_place(relay: Relay) -> None:
    """It was good when it was looked at, and nobody is in who could be ended: it is refused, and its place is free."""

    class Slow(MemoryPresence):
        async def take(self, holder: Holder, *, evict: Evict) -> MemoryHold:
            await go_on.wait()
            return await super().take(holder, evict=evict)

    go_on = asyncio.Event()
    orders = under(relay, presence=Slow())
    coming = [asyncio.create_task(refusal(relay, issued(relay, "ada"))) for _ in range(2)]
    welcome = asyncio.create_task(relay.watches(token=issued(relay, "ben")))
    await settle()
    assert 0 == (await orders.revoke("user", "ada")).ended
    go_on.set()
    for one in await asyncio.gather(*coming):
        assert (Disconnect.AUTH_FAILED, "revoked") == (one.disconnect, one.reason)
    assert_stays(await welcome)
    assert {"fake": 1} == dict(relay.engine.presence.counts())


async def test_a_disk_that_is_full_is_told_and_tried_again(relay: Relay) -> None:
    """The order holds meanwhile; what is not kept yet is written as soon as it can be."""
    paper = Paper()
    orders = under(relay, paper=paper)
    running = asyncio.create_task(orders.run())
    await settle()
    paper.full = True
    done = await orders.revoke("user", "ada")
    assert ("until this relay ends", "[Errno 28] No space left on device") == (done.kept, done.failed)
    assert "revoked" == (await refusal(relay, issued(relay, "ada"))).reason
    await asyncio.sleep(2 * ROUND_SECONDS)
    told = [fields for event, fields in relay.observer.of("noticed") if event == "revocations_not_kept"]
    assert told
    assert {"level": "error", "detail": done.failed} == told[0]
    paper.full = False
    await asyncio.sleep(ROUND_SECONDS + 1)
    assert [list(orders.revocations)] == paper.written
    running.cancel()


async def test_an_order_goes_through_though_nobody_waits_for_its_answer(relay: Relay) -> None:
    """The operator's connection broke."""
    paper, presence = Paper(), Together()
    orders = under(relay, paper=paper, presence=presence)
    paper.slow = asyncio.Event()
    ordering = asyncio.create_task(orders.revoke("user", "ada"))
    await settle()
    ordering.cancel()
    await asyncio.wait({ordering})
    paper.slow.set()
    await settle()
    assert list(orders.revocations) == paper.written[0] == presence.told


async def test_orders_at_once_are_all_kept(relay: Relay) -> None:
    """Who waits for a write that has begun without it waits for the next one."""
    paper = Paper()
    orders = under(relay, paper=paper)
    paper.slow = asyncio.Event()
    ordering = [asyncio.create_task(orders.revoke("user", "u0"))]
    await settle()
    ordering += [asyncio.create_task(orders.revoke("user", f"u{number}")) for number in range(1, 5)]
    await settle()
    assert not any(one.done() for one in ordering)
    paper.slow.set()
    assert ["on disk"] * 5 == [(await one).kept for one in ordering]
    assert 5 == len(paper.written[-1])
    assert [1, 5] == list(map(len, paper.written))


async def test_a_full_list_is_no_secret(relay: Relay) -> None:
    """Nothing is pushed out of it; once one is over there is room."""
    orders = under(relay, most=1)
    await orders.revoke("token", "t1", expires_at=relay.clock.now() + 1)
    with pytest.raises(Full):
        await orders.revoke("user", "ada")
    relay.clock.advance(SLACK + 2)
    await orders.revoke("user", "ada")


# -- kicks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["user", "project_id", "connection_id"])
async def test_whoever_is_meant_is_ended(relay: Relay, by: str) -> None:
    """By name, by one of its projects, by id; the others stay, and the operator's words are theirs to read."""
    orders = under(relay)
    meant = await relay.watches(None, token=issued(relay, "ada"))
    await meant.says({"type": "subscribe", "project_id": "q"})
    other = await relay.watches(token=issued(relay, "ben"))
    about = {"user": "ada", "project_id": "q", "connection_id": meant.session.grant.connection_id}
    done = await orders.disconnect(Whom(**{by: about[by]}), "bye")
    assert (1, 0, "none") == (done.ended, done.elsewhere, done.others)
    assert_leaves(meant, Disconnect.ENDED_BY_OPERATOR)
    assert ("bye", 30_000) == (
        (ending := meant.session.ended.result()).sentence,
        ending.retry_after_ms,
    )
    assert_stays(other)
    assert 0 == (await orders.disconnect(Whom(**{by: about[by]}), "bye")).ended


async def test_a_poll_is_ended_by_its_project(relay: Relay) -> None:
    """As those who stream are; a poll that only waits for its project's news watches it."""
    orders = under(relay)
    relay.says("one")
    polling = asyncio.create_task(held(relay, issued(relay, "ada")))
    await settle()
    assert 1 == (await orders.disconnect(Whom(project_id=P), "bye")).ended
    with pytest.raises(Refused) as ended:
        await polling
    assert (429, "ENDED_BY_OPERATOR") == (ended.value.http_status, ended.value.http_code)


async def test_many_are_ended_in_several_turns(relay: Relay) -> None:
    """So that others get theirs meanwhile; who leaves by itself in between is not counted."""
    orders = under(relay)
    viewers = [await relay.watches(turns=1) for _ in range(120)]
    ending = asyncio.create_task(orders.disconnect(Whom(project_id=P), "bye"))
    await asyncio.sleep(0)
    waiting = [viewer for viewer in viewers if not viewer.session.ended.done()]
    assert 70 == len(waiting)
    waiting[0].session.close(Disconnect.NORMAL)
    assert 119 == (await ending).ended


# -- several relays ---------------------------------------------------------------------------------------------


async def test_others_are_told(relay: Relay) -> None:
    """And what they could not be told is said."""
    presence = Together()
    fellows: Fellows = presence
    assert isinstance(fellows, Fellows)
    orders = under(relay, presence=presence)
    assert orders is presence.relay
    viewer = await relay.watches(token=issued(relay, "ada"))
    assert "told" == (await orders.revoke("user", "eve")).others
    done = await orders.disconnect(Whom(user="ada"), "bye")
    assert (1, 3, "told") == (done.ended, done.elsewhere, done.others)
    assert_leaves(viewer, Disconnect.ENDED_BY_OPERATOR)
    assert ["ada"] == [held.user for held in await orders.elsewhere(Whom(user="ada"))]
    presence.away = True
    assert "told when they can be: Redis is away" == (await orders.revoke("user", "eve")).others
    away = await orders.disconnect(Whom(user="ada"), "bye")
    assert (0, None, "not told: Redis is away") == (away.ended, away.elsewhere, away.others)


async def test_a_connection_that_was_here_is_nowhere_else(relay: Relay) -> None:
    """Nobody is asked for it."""
    presence = Together()
    orders = under(relay, presence=presence)
    viewer = await relay.watches()
    done = await orders.disconnect(Whom(connection_id=viewer.session.grant.connection_id), "bye")
    assert (1, 0, "told", []) == (done.ended, done.elsewhere, done.others, presence.told)
    assert 3 == (await orders.disconnect(Whom(connection_id="elsewhere"), "bye")).elsewhere


async def test_who_is_alone_has_nobody_elsewhere(relay: Relay) -> None:
    """Whatever is asked for."""
    assert () == await under(relay).elsewhere(Whom(user="ada"))


async def test_what_is_heard_holds_and_is_kept(relay: Relay) -> None:
    """As if it had been ordered here; what is no news costs nothing."""
    paper = Paper()
    orders = under(relay, paper=paper)
    running = asyncio.create_task(orders.run())
    viewer = await relay.watches(token=issued(relay, "ada"))
    now = relay.clock.now()
    order = Revocation(kind="user", name="ada", at=now, until=now + 60)
    orders.heard([order])
    await settle()
    assert_leaves(viewer, Disconnect.AUTH_FAILED)
    assert [[order]] == paper.written
    assert [order] == list(orders.standing())
    orders.heard([order])
    await settle()
    assert 1 == len(paper.written)
    running.cancel()


async def test_who_has_to_end_is_ended_for_others(relay: Relay) -> None:
    """With the sentence that was called."""
    orders = under(relay)
    viewer = await relay.watches(token=issued(relay, "ada"))
    orders.end_here(Whom(user="ada"), "bye")
    await settle()
    assert_leaves(viewer, Disconnect.ENDED_BY_OPERATOR)
    assert "bye" == viewer.session.ended.result().sentence
