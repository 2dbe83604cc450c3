"""Operators' orders between relays, on a real Redis; what is a relay here is a presence with its task, and ears."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from itertools import permutations
from typing import Any

import pytest
from redis.asyncio import Redis

from relayd.core.revocations import Revocation, Revocations
from relayd.ports import Fellows, Obeying, Whom
from relayd.presence.memory import MemoryPresence
from relayd.presence.orders import Orders, read_orders
from relayd.presence.redis import RedisPresence
from relayd.protocol.disconnect import Disconnect
from relayd.testing.presence_contract import Ends, holder, ids, take
from tests.harness.follower import until, until_true
from tests.harness.process import free_port
from tests.harness.redis import PrivateRedis
from tests.presence.fleet import Fleet

NOW = float(int(time.time()))


def order(name: str = "ada", *, at: float = 1.0, life: float = 600.0, taken_back: bool = False) -> Revocation:
    """Return an order about a user's tokens."""
    return Revocation(kind="user", name=name, at=at, until=NOW + life, taken_back=taken_back)


class Ears:
    """One relay: its list, and whom it was told to end."""

    def __init__(self, *known: Revocation) -> None:
        self.list = Revocations()
        self.ended: list[tuple[Whom, str]] = []
        for one in known:
            self.list.merge(one)

    def standing(self) -> Sequence[Revocation]:
        return list(self.list)

    def heard(self, revocations: Sequence[Revocation]) -> None:
        for one in revocations:
            self.list.merge(one)

    def end_here(self, whom: Whom, sentence: str) -> None:
        self.ended.append((whom, sentence))

    def knows(self, *orders: Revocation) -> bool:
        return set(orders) == set(self.list)


async def joins(fleet: Fleet, *known: Revocation, **settings: object) -> tuple[RedisPresence, Ears]:
    """Return one more relay, which knows some orders by itself, together with the others."""
    presence, ears = RedisPresence(fleet.settings(**settings), fleet.observer), Ears(*known)
    obeying: Obeying = ears
    presence.follow(obeying)
    fleet.lives(presence)
    await until(lambda: not presence.trouble)
    return presence, ears


@pytest.fixture
async def client(redis: PrivateRedis) -> AsyncIterator[Any]:
    """Give somebody who looks into Redis."""
    async with Redis.from_url(redis.url) as client:
        yield client


async def test_relays_that_share_hear_each_other(fleet: Fleet) -> None:
    """Others know that they don't."""
    assert isinstance(await fleet.relay(), Fellows)
    assert not isinstance(MemoryPresence(), Fellows)


# -- what was ordered about tokens --------------------------------------------------------------------------------


async def test_an_order_reaches_all(fleet: Fleet) -> None:
    """Those who are there, and who comes later; what was taken back, too."""
    here, _ = await joins(fleet)
    _, there = await joins(fleet)
    assert await here.spread([order(), order("ben")])
    await until(lambda: there.knows(order(), order("ben")))
    back = order(at=2.0, taken_back=True)
    assert await here.spread([back])
    await until(lambda: there.knows(back, order("ben")))
    _, late = await joins(fleet)
    assert late.knows(back, order("ben"))


async def test_an_older_order_changes_nothing(fleet: Fleet, client: Any) -> None:  # noqa: ANN401  # the library's commands are untyped
    """Whatever sequence they come in, the same one stands, there as well as in memory."""
    orders = [order(at=1.0), order(at=1.0, life=700.0), order(at=1.0, taken_back=True), order(at=2.0, taken_back=True)]
    for number, sequence in enumerate(permutations(orders)):
        speaker = Orders("r", prefix=f"{fleet.prefix}{number}:", database=0)
        for one in sequence:
            await client.execute_command(*speaker.keep([one]))
        memory = Ears(*sequence)
        assert memory.knows(*await read(client, speaker))


async def read(client: Any, speaker: Orders) -> list[Revocation]:  # noqa: ANN401  # the library's commands are untyped
    """Return what is kept there."""
    return list(read_orders(await client.execute_command(*speaker.all())))


async def test_what_one_knew_alone_the_others_learn(fleet: Fleet) -> None:
    """A relay that was away, or has it from its disk, tells those who are there."""
    _, there = await joins(fleet)
    many = [order(f"user-{number}") for number in range(450)]
    await joins(fleet, *many)
    await until(lambda: there.knows(*many))


async def test_a_redis_that_was_emptied_is_told_again(fleet: Fleet, client: Any) -> None:  # noqa: ANN401  # as above
    """Under the feet of relays that never lost it: within a third of a lease."""
    here, _ = await joins(fleet, lease_seconds=1.0)
    assert await here.spread([order()])
    speaker = Orders("r", prefix=fleet.prefix, database=0)
    here.follow(Ears(order()))
    await client.delete(f"{fleet.prefix}revoked", f"{fleet.prefix}revoked-until")

    async def is_told() -> bool:
        return [order()] == await read(client, speaker)

    await until_true(is_told)


async def test_orders_end_with_their_time(fleet: Fleet, client: Any) -> None:  # noqa: ANN401  # as above
    """One by one, and all that is kept of them with the last."""
    speaker = Orders("r", prefix=fleet.prefix, database=0)
    long = order("long")
    short = Revocation(kind="user", name="short", at=1.0, until=time.time() + 0.3)
    over = Revocation(kind="user", name="over", at=1.0, until=time.time() - 1)
    assert 2 == await client.execute_command(*speaker.keep([short, long, over]))
    assert {short, long} == set(await read(client, speaker))
    async with asyncio.timeout(10):
        while {long} != set(await read(client, speaker)):
            await client.execute_command(*speaker.keep([long]))
            await asyncio.sleep(0.02)
    for key in ("revoked", "revoked-until"):
        assert 0 < await client.pttl(f"{fleet.prefix}{key}") <= 600_000


async def test_without_redis_nobody_is_told(fleet: Fleet) -> None:
    """And that is said; afterwards they are."""
    async with Fleet(f"redis://127.0.0.1:{free_port()}") as nowhere:
        presence = nowhere.lonely()
        await until(lambda: bool(nowhere.noticed()))
        assert not await presence.spread([order()])
        assert await presence.end(Whom(user="ada"), "bye") is None
        assert [] == await presence.elsewhere(Whom(user="ada"))


async def test_relays_of_another_database_obey_somebody_else(fleet: Fleet) -> None:
    """With the same prefix on the same server."""
    here, _ = await joins(fleet)
    third = fleet.url.removesuffix("/0") + "/3"
    _, stranger = await joins(fleet, url=third)
    _, fellow = await joins(fleet)
    assert await here.spread([order()])
    assert 0 == await here.end(Whom(user="ada"), "bye")
    await until(lambda: bool(fellow.ended) and fellow.knows(order()))
    # What was called before it joined would have been heard before this.
    other, _ = await joins(fleet, url=third)
    assert await other.spread([order("ben")])
    await until(lambda: stranger.knows(order("ben")))
    assert [] == stranger.ended


async def test_words_of_another_version_are_passed_over(fleet: Fleet, client: Any) -> None:  # noqa: ANN401  # as above
    """On the channel, and where they are kept; what can be read counts."""
    await client.hset(f"{fleet.prefix}revoked", "team:red", '{"kind":"team"}')
    here, ears = await joins(fleet)
    for said in (b"", b"\xff", b'{"relay":"x","revoked":[{"kind":"team"}]}', b'{"relay":"x","new":1}'):
        await client.publish(here.channels[1], said)
    _, other = await joins(fleet, order())
    await until(lambda: ears.knows(order()))
    assert other.knows(order())


async def test_one_who_obeys_nobody_hears_nothing(fleet: Fleet) -> None:
    """A presence that nobody has asked to follow goes on all the same."""
    deaf = await fleet.relay()
    here, _ = await joins(fleet, order())
    assert 0 == await here.end(Whom(user="ada"), "bye")
    await take(deaf, holder("c1"))
    await until_ids(here, "c1")


async def until_ids(presence: RedisPresence, *expected: str) -> None:
    """Return when a user's places are these."""

    async def they_are() -> bool:
        return list(expected) == await ids(presence)

    await until_true(they_are)


# -- who has to end --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whom", "freed"),
    [
        (Whom(user="ada"), {"c1", "c2"}),
        (Whom(project_id="p"), {"c1", "c3"}),
        (Whom(connection_id="c2"), {"c2"}),
        (Whom(connection_id="none"), set()),
    ],
)
async def test_who_is_meant_elsewhere_is_called(fleet: Fleet, whom: Whom, freed: set[str]) -> None:
    """With the operator's sentence; their places are free at once, and how many they are is known."""
    here, mine = await joins(fleet)
    there, theirs = await joins(fleet)
    third, _ = await joins(fleet)
    ends = Ends()
    await take(there, holder("c1"), ends)
    await take(third, holder("c2", project="q"), ends)
    await take(there, holder("c3", user="ben"), ends)
    await take(here, holder("c4"), ends)
    assert len(freed) == await here.end(whom, "bye")
    await until(lambda: [(whom, "bye")] == theirs.ended)
    held = {*await ids(here), *await ids(here, user="ben")}
    assert {"c1", "c2", "c3", "c4"} - freed == held
    assert [] == mine.ended


async def test_who_is_not_called_finds_the_mark(fleet: Fleet) -> None:
    """The call is lost, here because nobody listens to it: at the latest when the place would be renewed."""
    here, _ = await joins(fleet)
    deaf = await fleet.relay(lease_seconds=1.0)
    ends = Ends()
    await take(deaf, holder("c1"), ends)
    assert 1 == await here.end(Whom(user="ada"), "bye")
    await until(lambda: [("c1", Disconnect.ENDED_BY_OPERATOR)] == ends.heard)
    assert [] == await ids(deaf)


async def test_a_prefix_is_no_pattern(redis: PrivateRedis) -> None:
    """A connection is found by its relay's key, whatever stands in the name."""
    async with Fleet(redis.url) as fleet:
        fleet.prefix += "[a-z]*?\\^:"
        here, _ = await joins(fleet)
        there, _ = await joins(fleet)
        await take(there, holder("c1"))
        assert 1 == await here.end(Whom(connection_id="c1"), "bye")


async def test_what_others_hold_is_listed(fleet: Fleet) -> None:
    """By user or by project, without one's own."""
    here, _ = await joins(fleet)
    there, _ = await joins(fleet)
    await take(here, holder("c0"))
    await take(there, holder("c2", project="q"))
    await take(there, holder("c1"))
    await take(there, holder("c3", user="ben"))
    assert ["c1", "c2"] == [held.connection_id for held in await here.elsewhere(Whom(user="ada"))]
    assert ["c1", "c3"] == [held.connection_id for held in await here.elsewhere(Whom(project_id="p"))]
