"""Places that relays share, on a real Redis; what is a relay here is a presence with its task."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis.asyncio import Redis

from relayd.core.revocations import Revocation
from relayd.ports import NoPlace, Presence, Shared, Whom
from relayd.presence.redis import RedisPresence
from relayd.protocol.disconnect import Disconnect
from relayd.testing.presence_contract import Ends, PresenceContract, holder, ids, take
from tests.harness.follower import until, until_true
from tests.harness.process import free_port
from tests.harness.redis import PrivateRedis
from tests.presence.fleet import Fleet, is_refused

OPERATE = Path(__file__).parents[2] / "docs" / "operate.md"


@pytest.fixture
async def client(redis: PrivateRedis) -> AsyncIterator[Redis]:
    """Give somebody who looks into Redis."""
    async with Redis.from_url(redis.url) as client:
        yield client


class TestTogether(PresenceContract):
    @pytest.fixture
    async def presence(self, fleet: Fleet) -> RedisPresence:
        """Give one that counts together with others, though there are none."""
        return await fleet.relay()


class TestAlone(PresenceContract):
    @pytest.fixture
    async def presence(self) -> AsyncIterator[RedisPresence]:
        """Give one whose Redis is not there: it goes by its own count."""
        async with Fleet(f"redis://127.0.0.1:{free_port()}") as fleet:
            presence = fleet.lonely()
            await until(lambda: bool(fleet.noticed()))
            yield presence


async def test_it_is_the_port(fleet: Fleet) -> None:
    """The relay knows no more of it than these."""
    presence = await fleet.relay()
    port: Presence = presence
    shared: Shared = presence
    assert isinstance(port, Shared)
    assert "" == shared.trouble


# -- together --------------------------------------------------------------------------------------------------------


async def test_fifty_at_once_on_two_relays_and_exactly_five_come_in(fleet: Fleet) -> None:
    """No relay can look before another has taken; and both know the five."""
    relays = [await fleet.relay(), await fleet.relay()]
    results = await asyncio.gather(
        *(take(relays[number % 2], holder(f"c{number}")) for number in range(50)), return_exceptions=True
    )
    assert 45 == sum(isinstance(result, NoPlace) for result in results)
    assert 5 == sum(sum(relay.counts().values()) for relay in relays)
    assert 5 == len(await ids(relays[0]))
    assert await ids(relays[0]) == await ids(relays[1])


async def test_the_sixth_is_told_who_holds_the_places_on_other_relays(fleet: Fleet) -> None:
    """So that it can free one of them."""
    here, there = await fleet.relay(), await fleet.relay()
    holders = [holder(f"c{number}", session=f"tab{number}") for number in range(5)]
    for number, held in enumerate(holders):
        await take(here if number % 2 else there, held)
    with pytest.raises(NoPlace) as caught:
        await take(here, holder("c5"))
    assert holders == list(caught.value.holders)


async def test_everybody_is_shown_everybody(fleet: Fleet) -> None:
    """Of a user and of a project, the oldest first; one that has gone is shown no more by its own relay at once."""
    here, there = await fleet.relay(), await fleet.relay()
    first = await take(here, holder("c1"))
    await take(there, holder("c2", user="bob"))
    await take(there, holder("c3"))
    await take(here, holder("c4", project="q"))
    for relay in (here, there):
        assert ["c1", "c3", "c4"] == await ids(relay)
        assert ["c1", "c2", "c3"] == [held.connection_id for held in await relay.of_project("p")]
    first.release()
    assert ["c3", "c4"] == await ids(here)
    assert ["c2", "c3"] == [held.connection_id for held in await here.of_project("p")]
    assert {"websocket": 1} == here.counts()

    async def nowhere() -> bool:
        return ["c3", "c4"] == await ids(there)

    await until_true(nowhere)


async def test_a_reconnect_takes_its_place_over_from_another_relay(fleet: Fleet) -> None:
    """All places taken: the new one comes in, and the old one is ended where it is."""
    here, there, ends = await fleet.relay(), await fleet.relay(), Ends()
    old = await take(there, holder("old", session="tab"), ends)
    for number in range(4):
        await take(here, holder(f"c{number}", session=f"tab{number}"), ends)
    await take(here, holder("zz", session="tab"), ends)
    assert ["c0", "c1", "c2", "c3", "zz"] == await ids(here)
    await until(lambda: bool(ends.heard))
    assert [("old", Disconnect.REPLACED)] == ends.heard
    assert {"websocket": 0} == there.counts()
    old.release()
    assert await is_refused(there, holder("c9"))


async def test_a_session_is_its_user_s_on_all_relays(fleet: Fleet) -> None:
    """Who guesses Ada's session string does not end her connection from elsewhere."""
    here, there, ends = await fleet.relay(), await fleet.relay(), Ends()
    await take(here, holder("c1", session="tab"), ends)
    await take(there, holder("c2", user="eve", session="tab"), ends)
    assert not await there.evict("c1", user="eve")
    assert ["c1"] == await ids(there)
    # What was called before this is heard before this.
    assert await there.evict("c1", user="ada")
    await until(lambda: bool(ends.heard))
    assert [("c1", Disconnect.NORMAL)] == ends.heard


async def test_a_connection_on_another_relay_is_ended_by_its_user(fleet: Fleet) -> None:
    """Its place is free at once, whatever its relay does."""
    here, there, ends = await fleet.relay(), await fleet.relay(), Ends()
    for number in range(5):
        await take(there, holder(f"c{number}"), ends)
    assert await here.evict("c3", user="ada")
    assert not await here.evict("c3", user="ada")
    await take(here, holder("c5"))
    await until(lambda: bool(ends.heard))
    assert [("c3", Disconnect.NORMAL)] == ends.heard
    assert {"websocket": 4} == there.counts()


async def test_a_new_limit_holds_over_all_relays(fleet: Fleet) -> None:
    """Each relay goes by its own configuration, and counts the others' places."""
    here, there = await fleet.relay(), await fleet.relay()
    for number in range(3):
        await take(there, holder(f"c{number}"))
    here.limit = 3
    assert await is_refused(here, holder("c3"))
    here.limit = 4
    await take(here, holder("c4"))
    assert not await is_refused(there, holder("c5"))


async def test_a_user_of_few_rights_is_enough(fleet: Fleet, redis: PrivateRedis, client: Redis) -> None:
    """Those that docs/operate.md tells operators to give."""
    (line,) = re.findall(r"^ACL SETUSER relayd (.*)$", OPERATE.read_text(encoding="utf-8"), re.MULTILINE)
    rights = line.replace("relayd:", fleet.prefix).replace("PASSWORD", "secret").split()
    raw: Any = client
    await raw.execute_command("ACL", "SETUSER", fleet.prefix, "reset", *rights)
    url = f"redis://{quote(fleet.prefix)}:secret@127.0.0.1:{redis.port}/0"
    here, there, ends = await fleet.relay(url=url, lease_seconds=1.0), await fleet.relay(url=url), Ends()
    await take(here, holder("c1", session="tab"), ends)
    await take(there, holder("c2", session="tab"))
    await take(here, holder("c3"), ends)
    assert await there.evict("c3", user="ada")
    await until(lambda: len(ends.heard) == 2)
    (await take(here, holder("c4"))).release()
    assert await here.spread([Revocation(kind="user", name="eve", at=1.0, until=9e9)])
    assert 1 == await here.end(Whom(connection_id="c2"), "bye")
    await take(there, holder("c2", session="tab"))
    await here.close()
    assert ["c2"] == await ids(there)
    assert ["redis_connected"] * 2 == fleet.noticed()


# -- those who are gone ------------------------------------------------------------------------------------------------


async def test_the_places_of_a_relay_that_died_come_back(fleet: Fleet) -> None:
    """When their lease is over, and not before; those of a living one stay, for it has renewed them meanwhile."""
    living, dying = await fleet.relay(lease_seconds=2.0), await fleet.relay(lease_seconds=2.0)
    await take(living, holder("c0"))
    for number in range(1, 5):
        await take(dying, holder(f"c{number}"))
    await fleet.dies(dying)
    assert await is_refused(living, holder("c5"))

    async def alone() -> bool:
        return ["c0"] == await ids(living)

    await until_true(alone)
    for number in range(6, 10):
        await take(living, holder(f"c{number}"))
    assert await is_refused(living, holder("cc"))


async def test_a_relay_that_ends_in_order_frees_its_places_at_once(fleet: Fleet) -> None:
    """The next one's viewers need not wait for any lease."""
    here, there = await fleet.relay(), await fleet.relay()
    for number in range(300):
        await take(here, holder(f"c{number}", user=f"u{number}"))
    await take(here, holder("c", project="q"))
    await here.close()
    assert {"websocket": 0} == here.counts()
    assert [] == await there.of_project("p")
    assert [] == await there.of_user("ada")
    await fleet.dies(here)
    # Without a task there is nobody to send anything, and nothing to wait for.
    await here.close()


async def test_a_call_that_was_lost_is_found_when_the_place_is_renewed(fleet: Fleet) -> None:
    """A relay that did not hear that a place was taken over does not take it back."""
    here, there, ends = await fleet.relay(), await fleet.relay(), Ends()
    await take(there, holder("old", session="tab"), ends)
    await take(there, holder("c1"), ends)
    await fleet.dies(there)
    await take(here, holder("zz", session="tab"), ends)
    assert await here.evict("c1", user="ada")
    fleet.lives(there)
    await until(lambda: not there.trouble)
    assert {("old", Disconnect.REPLACED), ("c1", Disconnect.NORMAL)} == set(ends.heard)
    assert ["zz"] == await ids(there)
    assert {"websocket": 0} == there.counts()


async def test_a_viewer_that_leaves_while_redis_is_asked_keeps_no_place(fleet: Fleet, redis: PrivateRedis) -> None:
    """Its place was taken all the same, and is given back at once."""
    here, there = await fleet.relay(lease_seconds=3_600), await fleet.relay()
    async with redis.frozen():
        taking = asyncio.create_task(take(here, holder("c1")))
        # It waits for Redis; nothing else here does.
        await asyncio.sleep(0)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
    await take(here, holder("c2"))

    async def gone() -> bool:
        return ["c2"] == await ids(there)

    await until_true(gone)
    assert {"websocket": 1} == here.counts()


# -- while Redis is away -----------------------------------------------------------------------------------------------


async def test_each_goes_on_alone_and_nobody_is_cut_afterwards(fleet: Fleet, redis: PrivateRedis) -> None:
    """All who came in meanwhile stay when it is back, and the next is refused until there is room."""
    here, there, ends = await fleet.relay(), await fleet.relay(), Ends()
    holds = [await take(here, holder(f"a{number}"), ends) for number in range(4)]
    async with redis.killed():
        await until(lambda: bool(here.trouble and there.trouble))
        holds.append(await take(here, holder("a4"), ends))
        assert await is_refused(here, holder("a5"))
        others = [await take(there, holder(f"b{number}"), ends) for number in range(5)]
        assert await is_refused(there, holder("b5"))
        assert not await here.evict("b1", user="ada")
        assert [f"a{number}" for number in range(5)] == await ids(here)
    await until(lambda: not here.trouble and not there.trouble)
    everybody = [f"{relay}{number}" for relay in "ab" for number in range(5)]
    for relay in (here, there):
        assert everybody == sorted(await ids(relay))
        assert await is_refused(relay, holder("c"))
    for hold in (*holds, others[0]):
        hold.release()

    async def is_room() -> bool:
        return not await is_refused(here, holder("c"))

    await until_true(is_room)
    assert [] == ends.heard
    assert ({"websocket": 0}, {"websocket": 4}) == (here.counts(), there.counts())


async def test_it_is_said_once_and_in_words(fleet: Fleet, redis: PrivateRedis) -> None:
    """Where Redis is, what is wrong with it, what that means; and when it is over."""
    here = await fleet.relay()
    async with redis.killed():
        await until(lambda: bool(here.trouble))
        assert here.trouble.startswith(f"Redis at 127.0.0.1:{redis.port}: ")
        assert here.trouble.endswith("; places per user are counted, and used tickets known, on this relay alone")
        # It is refused by now, and tried again and again.
        await until(lambda: "Connect call failed" in here.trouble)
    await until(lambda: not here.trouble)
    assert ["redis_connected", "redis_lost", "redis_connected"] == fleet.noticed()
    _, (_, lost), (_, back) = fleet.observer.of("noticed")
    assert "warning" == lost["level"]
    assert f"Redis at 127.0.0.1:{redis.port}: " in lost["detail"]
    assert back["away_seconds"] > 0


async def test_nobody_waits_for_a_redis_that_is_stuck(fleet: Fleet, redis: PrivateRedis) -> None:
    """The first ones wait as long as the patience lasts, those behind them not at all, and all come in."""
    here, there = await fleet.relay(patience_seconds=0.25), await fleet.relay()
    async with redis.frozen():
        first = [asyncio.create_task(take(here, holder(f"c{number}"))) for number in range(3)]
        await asyncio.wait(first)
        assert "no answer within 250 ms" in here.trouble
        for coroutine in (take(here, holder("c3")), here.of_user("ada"), here.of_project("p")):
            # No turn of the loop is given away: they answer in one step.
            with pytest.raises(StopIteration):
                coroutine.send(None)
        assert ["c0", "c1", "c2", "c3"] == await ids(here)
    await until(lambda: not here.trouble)
    assert ["c0", "c1", "c2", "c3"] == await ids(there)
    await take(there, holder("c4"))
    assert await is_refused(here, holder("c5"))


async def test_what_was_given_back_meanwhile_is_given_back_there(fleet: Fleet, redis: PrivateRedis) -> None:
    """Not when its lease is over, but as soon as Redis is there again; and what came and went meanwhile never was."""
    here, there = await fleet.relay(patience_seconds=0.1, lease_seconds=3_600), await fleet.relay()
    holds = [await take(here, holder(f"c{number}")) for number in range(5)]
    async with redis.frozen():
        await asyncio.wait([asyncio.create_task(here.evict("x", user="ada"))])
        assert here.trouble
        for hold in holds[1:]:
            hold.release()
        (await take(here, holder("d1"))).release()
        await take(here, holder("d2"))
    await until(lambda: not here.trouble)

    async def in_step() -> bool:
        return ["c0", "d2"] == await ids(there)

    await until_true(in_step)


async def test_a_redis_that_forgot_everything_is_told_again(fleet: Fleet, client: Redis) -> None:
    """Without a word: the own count stands until the next renewal, and then the others know it, too."""
    here, there = await fleet.relay(lease_seconds=3.0), await fleet.relay()
    for number in range(5):
        await take(here, holder(f"c{number}"))
    await client.delete(f"{fleet.prefix}user:ada", f"{fleet.prefix}project:p")
    assert await is_refused(here, holder("c5"))

    async def known() -> bool:
        return 5 == len(await ids(there))

    await until_true(known)
    assert await is_refused(there, holder("c6"))


async def test_what_is_given_there_and_refused_here_is_given_back(fleet: Fleet, client: Redis) -> None:
    """A relay holds all places of a user, and Redis has lost them: nobody else finds one taken for nothing."""
    here, there = await fleet.relay(lease_seconds=3_600), await fleet.relay()
    for number in range(5):
        await take(here, holder(f"c{number}"))
    await client.delete(f"{fleet.prefix}user:ada")
    with pytest.raises(NoPlace) as caught:
        await take(here, holder("c5"))
    assert [f"c{number}" for number in range(5)] == [held.connection_id for held in caught.value.holders]

    async def gone() -> bool:
        return [] == await ids(there)

    await until_true(gone)


async def test_many_places_are_written_again(fleet: Fleet, redis: PrivateRedis) -> None:
    """In pieces, so that Redis has time for others; those who come in meanwhile are not forgotten."""
    here, there = await fleet.relay(), await fleet.relay()
    for number in range(1_000):
        await take(here, holder(f"c{number}", user=f"u{number}"))
    async with redis.killed():
        await until(lambda: bool(here.trouble))

    coming = 0
    while here.trouble or there.trouble:
        await take(here, holder(f"d{coming}", user=f"v{coming}"))
        coming += 1
        await asyncio.sleep(0.001)
    assert 1_000 + coming == len(await there.of_project("p"))


async def test_a_place_that_can_t_be_read_counts(fleet: Fleet, client: Redis) -> None:
    """A relay of another version may know other words; its viewers hold their places all the same."""
    here = await fleet.relay()
    for number in range(5):
        text = f'{{"relay":"new","holder":{{"connection_id":"n{number}","user":"ada","session":null}}}}'
        await client.zadd(f"{fleet.prefix}user:ada", {text: 9e15})
    with pytest.raises(NoPlace) as caught:
        await take(here, holder("c1"))
    assert [] == list(caught.value.holders)
    assert [] == await ids(here)
    assert {} == here.counts()


async def test_a_call_for_nobody_is_no_matter(fleet: Fleet, client: Redis) -> None:
    """The connection may have ended by itself; a reason of another version's counts as the user's wish."""
    here, ends = await fleet.relay(), Ends()
    await take(here, holder("c1"), ends)
    for call in ("c0 REPLACED", "", "\xff", "c1 FROM_THE_FUTURE"):
        assert 1 == await client.publish(here.channels[0], call.encode("latin-1"))
    await until(lambda: bool(ends.heard))
    assert [("c1", Disconnect.NORMAL)] == ends.heard
