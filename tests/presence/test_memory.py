import asyncio
from collections.abc import Callable

import pytest

from relayd.ports import Holder, NoPlace, Presence
from relayd.presence.memory import MemoryPresence
from relayd.protocol.disconnect import Disconnect


class Ends:
    """Hears which connections are asked to end."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Disconnect]] = []

    def of(self, connection_id: str) -> Callable[[Disconnect], None]:
        return lambda disconnect: self.heard.append((connection_id, disconnect))


def holder(
    connection_id: str,
    *,
    user: str = "ada",
    session: str | None = None,
    project: str | None = "p",
    transport: str = "websocket",
) -> Holder:
    """Return a place of Ada's."""
    return Holder(
        connection_id=connection_id, user=user, transport=transport, project_id=project, since=1.0, session=session
    )


@pytest.fixture
def ends() -> Ends:
    """Hear of endings."""
    return Ends()


async def test_it_is_the_port() -> None:
    """The relay knows no more of it than that."""
    presence: Presence = MemoryPresence()

    assert [] == await presence.of_user("ada")


async def test_six_at_once_and_exactly_five_come_in(ends: Ends) -> None:
    """No handshake can look before another has taken: there is nothing to await in between."""
    presence = MemoryPresence(limit=5)

    results = await asyncio.gather(
        *(presence.take(holder(f"c{number}"), evict=ends.of(f"c{number}")) for number in range(6)),
        return_exceptions=True,
    )

    assert [False] * 5 + [True] == [isinstance(result, NoPlace) for result in results]
    assert 5 == len(await presence.of_user("ada"))
    assert [] == ends.heard


async def test_the_sixth_is_told_who_holds_the_places(ends: Ends) -> None:
    """So that it can free one."""
    presence = MemoryPresence(limit=2)
    holders = [holder("c1"), holder("c2")]
    for held in holders:
        await presence.take(held, evict=ends.of(held.connection_id))

    with pytest.raises(NoPlace) as caught:
        await presence.take(holder("c3"), evict=ends.of("c3"))

    assert holders == caught.value.holders


async def test_users_do_not_share_places(ends: Ends) -> None:
    """Bob comes in while Ada's places are taken."""
    presence = MemoryPresence(limit=1)
    await presence.take(holder("c1"), evict=ends.of("c1"))

    await presence.take(holder("c2", user="bob"), evict=ends.of("c2"))

    assert [holder("c2", user="bob")] == await presence.of_user("bob")


async def test_a_place_is_free_as_soon_as_it_is_given_back(ends: Ends) -> None:
    """In the same step, without a turn of the loop."""
    presence = MemoryPresence(limit=1)
    ticket = await presence.take(holder("c1"), evict=ends.of("c1"))

    ticket.release()
    ticket.release()

    assert {"websocket": 0} == presence.counts()
    await presence.take(holder("c2"), evict=ends.of("c2"))
    assert {"websocket": 1} == presence.counts()


async def test_giving_back_twice_frees_no_other_place(ends: Ends) -> None:
    """A second release finds its own place gone and looks no further."""
    presence = MemoryPresence(limit=2)
    first = await presence.take(holder("c1"), evict=ends.of("c1"))
    await presence.take(holder("c2"), evict=ends.of("c2"))

    first.release()
    first.release()

    assert [holder("c2")] == await presence.of_user("ada")
    assert [holder("c2")] == await presence.of_project("p")


async def test_a_reconnect_takes_its_own_place_over(ends: Ends) -> None:
    """All places taken, one by the dead connection of the same tab: the new one comes in, the old one is ended."""
    presence = MemoryPresence(limit=5)
    for number in range(5):
        await presence.take(holder(f"c{number}", session=f"tab{number}"), evict=ends.of(f"c{number}"))

    await presence.take(holder("new", session="tab2"), evict=ends.of("new"))

    assert [("c2", Disconnect.REPLACED)] == ends.heard
    assert ["c0", "c1", "c3", "c4", "new"] == [held.connection_id for held in await presence.of_user("ada")]


async def test_the_replaced_one_frees_nothing_later(ends: Ends) -> None:
    """Its own clean-up comes when the place is the new one's already."""
    presence = MemoryPresence(limit=1)
    old = await presence.take(holder("old", session="tab"), evict=ends.of("old"))
    await presence.take(holder("new", session="tab"), evict=ends.of("new"))

    old.release()

    assert ["new"] == [held.connection_id for held in await presence.of_user("ada")]
    with pytest.raises(NoPlace):
        await presence.take(holder("other"), evict=ends.of("other"))


async def test_one_that_gives_back_when_it_is_replaced(ends: Ends) -> None:
    """Some end at once, inside the call; the new one has its place all the same."""
    presence = MemoryPresence(limit=1)
    tickets = [await presence.take(holder("old", session="tab"), evict=lambda _: tickets[0].release())]

    await presence.take(holder("new", session="tab"), evict=ends.of("new"))

    assert ["new"] == [held.connection_id for held in await presence.of_user("ada")]
    assert {"websocket": 1} == presence.counts()


async def test_one_that_breaks_when_it_is_replaced(ends: Ends) -> None:
    """Its bug is seen and costs one attempt; the place is not lost."""
    presence = MemoryPresence(limit=1)

    def breaks(_: Disconnect) -> None:
        raise RuntimeError("a bug")

    await presence.take(holder("old", session="tab"), evict=breaks)
    with pytest.raises(RuntimeError, match="a bug"):
        await presence.take(holder("new", session="tab"), evict=ends.of("new"))

    await presence.take(holder("next", session="tab"), evict=ends.of("next"))
    assert {"websocket": 1} == presence.counts()


async def test_a_session_is_its_user_s(ends: Ends) -> None:
    """Who guesses Ada's session string does not end her connection."""
    presence = MemoryPresence()
    await presence.take(holder("c1", session="tab"), evict=ends.of("c1"))

    await presence.take(holder("c2", user="eve", session="tab"), evict=ends.of("c2"))

    assert [] == ends.heard


async def test_no_session_is_nobody_s_successor(ends: Ends) -> None:
    """Two connections that name none are two."""
    presence = MemoryPresence()
    await presence.take(holder("c1"), evict=ends.of("c1"))
    await presence.take(holder("c2"), evict=ends.of("c2"))

    assert [] == ends.heard
    assert 2 == len(await presence.of_user("ada"))


async def test_a_connection_is_ended_by_its_user(ends: Ends) -> None:
    """By its id, by nobody else, and its place is free when it gives it back."""
    presence = MemoryPresence()
    await presence.take(holder("c1"), evict=ends.of("c1"))
    await presence.take(holder("c2"), evict=ends.of("c2"))

    assert not presence.evict("c2", user="eve")
    assert not presence.evict("c9", user="ada")
    assert presence.evict("c2", user="ada")
    assert [("c2", Disconnect.NORMAL)] == ends.heard
    assert 2 == len(await presence.of_user("ada"))


async def test_who_watches_a_project(ends: Ends) -> None:
    """Of all users; a socket for many projects has none of its own."""
    presence = MemoryPresence()
    await presence.take(holder("c1"), evict=ends.of("c1"))
    await presence.take(holder("c2", user="bob", transport="sse"), evict=ends.of("c2"))
    many = await presence.take(holder("c3", project=None), evict=ends.of("c3"))

    assert ["c1", "c2"] == [held.connection_id for held in await presence.of_project("p")]
    assert [] == await presence.of_project("q")
    assert {"websocket": 2, "sse": 1} == presence.counts()
    many.release()
    assert {"websocket": 1, "sse": 1} == presence.counts()


async def test_nothing_is_left_of_who_has_gone(ends: Ends) -> None:
    """Users and projects are strangers' words; keeping them would fill the memory."""
    presence = MemoryPresence()
    for number in range(100):
        ticket = await presence.take(holder("c", user=f"u{number}", project=f"p{number}"), evict=ends.of("c"))
        ticket.release()

    assert {} == presence._by_user
    assert {} == presence._by_project
    assert {"websocket": 0} == presence.counts()
