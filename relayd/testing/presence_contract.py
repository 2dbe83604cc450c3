"""What every presence promises, as tests: inherit, and give the fixture `presence`."""
# ruff: noqa: S101, PLR2004 - assert is how a test speaks, and it says its numbers

import asyncio
from collections.abc import Callable

import pytest

from relayd.ports import Hold, Holder, NoPlace, Presence
from relayd.protocol.disconnect import Disconnect

__all__ = ["Ends", "PresenceContract", "holder", "ids", "take"]


class Ends:
    """Hears which connections are asked to end."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Disconnect]] = []

    def of(self, connection_id: str) -> Callable[[Disconnect], None]:
        """Return what ends the connection of that id."""
        return lambda disconnect: self.heard.append((connection_id, disconnect))


def holder(
    connection_id: str,
    *,
    user: str = "ada",
    session: str | None = None,
    project: str | None = "p",
    transport: str = "websocket",
) -> Holder:
    """Return a place, one of Ada's unless said otherwise; places of a higher id were taken later."""
    since = 1.0 + sum(connection_id.encode())
    return Holder(
        connection_id=connection_id, user=user, transport=transport, project_id=project, since=since, session=session
    )


async def take(presence: Presence, holder: Holder, ends: Ends | None = None) -> Hold:
    """Take a place; `ends` hears when it is wanted back."""
    return await presence.take(holder, evict=(ends or Ends()).of(holder.connection_id))


async def ids(presence: Presence, *, user: str = "ada") -> list[str]:
    """Return the connections of a user."""
    return [held.connection_id for held in await presence.of_user(user)]


class PresenceContract:
    """Inherit it as `Test…` with a fixture `presence`: nobody is in, and a user has five places."""

    async def test_six_at_once_and_exactly_five_come_in(self, presence: Presence) -> None:
        """No handshake can look before another has taken."""
        results = await asyncio.gather(
            *(take(presence, holder(f"c{number}")) for number in range(6)), return_exceptions=True
        )
        assert sum(isinstance(result, NoPlace) for result in results) == 1
        assert len(await presence.of_user("ada")) == 5
        assert presence.counts() == {"websocket": 5}

    async def test_the_sixth_is_told_who_holds_the_places(self, presence: Presence) -> None:
        """All of it, so that it can free one; the oldest comes first."""
        holders = [holder(f"c{number}", session=f"tab{number}", project=None) for number in range(5)]
        for held in holders:
            await take(presence, held)
        with pytest.raises(NoPlace) as caught:
            await take(presence, holder("c5"))
        assert list(caught.value.holders) == holders
        assert list(await presence.of_user("ada")) == holders

    async def test_users_do_not_share_places(self, presence: Presence) -> None:
        """Bob comes in while Ada's places are taken; any printable name is a user's."""
        for number in range(5):
            await take(presence, holder(f"c{number}"))
        for number, user in enumerate(("bob", "ada:bob", 'a"b\\', "Zoë 日本")):
            await take(presence, holder(f"o{number}", user=user))
            assert await ids(presence, user=user) == [f"o{number}"]
        assert len(await presence.of_user("ada")) == 5

    async def test_a_place_is_free_as_soon_as_it_is_given_back(self, presence: Presence) -> None:
        """In the same step, without a turn of the loop; a second time frees nobody else's."""
        holds = [await take(presence, holder(f"c{number}")) for number in range(5)]
        holds[2].release()
        holds[2].release()
        assert presence.counts() == {"websocket": 4}
        await take(presence, holder("c5"))
        with pytest.raises(NoPlace):
            await take(presence, holder("c6"))
        holds[2].release()
        assert await ids(presence) == ["c0", "c1", "c3", "c4", "c5"]

    async def test_a_new_limit_holds_for_those_who_come(self, presence: Presence) -> None:
        """Who is in stays in; who comes is measured by the new one."""
        holds = [await take(presence, holder(f"c{number}")) for number in range(4)]
        presence.limit = 2
        with pytest.raises(NoPlace):
            await take(presence, holder("c4"))
        assert len(await presence.of_user("ada")) == 4
        for hold in holds[:3]:
            hold.release()
        await take(presence, holder("c5"))
        presence.limit = 3
        await take(presence, holder("c6"))
        assert await ids(presence) == ["c3", "c5", "c6"]

    async def test_a_reconnect_takes_its_own_place_over(self, presence: Presence) -> None:
        """All places taken, one by the dead connection of the same tab: the new one comes in, the old one is ended."""
        ends = Ends()
        for number in range(5):
            await take(presence, holder(f"c{number}", session=f"tab{number}"), ends)
        await take(presence, holder("new", session="tab2"), ends)
        assert ends.heard == [("c2", Disconnect.REPLACED)]
        assert await ids(presence) == ["c0", "c1", "c3", "c4", "new"]

    async def test_the_replaced_one_frees_nothing_later(self, presence: Presence) -> None:
        """Its own clean-up comes when the place is the new one's already."""
        presence.limit = 1
        old = await take(presence, holder("old", session="tab"))
        await take(presence, holder("older", session="tab", project="q"))
        old.release()
        assert await ids(presence) == ["older"]
        assert await presence.of_project("p") == []
        with pytest.raises(NoPlace):
            await take(presence, holder("other"))

    async def test_one_that_gives_back_when_it_is_replaced(self, presence: Presence) -> None:
        """Some end at once, inside the call; the new one has its place all the same."""
        presence.limit = 1
        holds: list[Hold] = []
        holds.append(await presence.take(holder("old", session="tab"), evict=lambda _: holds[0].release()))
        await take(presence, holder("new", session="tab"))
        assert await ids(presence) == ["new"]
        assert presence.counts() == {"websocket": 1}

    async def test_one_that_breaks_when_it_is_replaced(self, presence: Presence) -> None:
        """Its bug is seen and costs one attempt; the place is not lost."""
        presence.limit = 1

        def breaks(_: Disconnect) -> None:
            raise RuntimeError("a bug")

        await presence.take(holder("old", session="tab"), evict=breaks)
        with pytest.raises(RuntimeError, match="a bug"):
            await take(presence, holder("new", session="tab"))
        await take(presence, holder("next", session="tab"))
        assert await ids(presence) == ["next"]
        assert presence.counts() == {"websocket": 1}

    async def test_a_session_is_its_user_s(self, presence: Presence) -> None:
        """Who guesses Ada's session string does not end her connection."""
        ends = Ends()
        await take(presence, holder("c1", session="tab"), ends)
        await take(presence, holder("c2", user="eve", session="tab"), ends)
        assert ends.heard == []

    async def test_no_session_is_nobody_s_successor(self, presence: Presence) -> None:
        """Two connections that name none are two."""
        ends = Ends()
        await take(presence, holder("c1"), ends)
        await take(presence, holder("c2"), ends)
        assert ends.heard == []
        assert await ids(presence) == ["c1", "c2"]

    async def test_a_connection_is_ended_by_its_user(self, presence: Presence) -> None:
        """By its id, by nobody else, and its place is free when it gives it back."""
        ends = Ends()
        await take(presence, holder("c1"), ends)
        second = await take(presence, holder("c2"), ends)
        assert not await presence.evict("c2", user="eve")
        assert not await presence.evict("c9", user="ada")
        assert ends.heard == []
        assert await presence.evict("c2", user="ada")
        assert ends.heard == [("c2", Disconnect.NORMAL)]
        second.release()
        assert await ids(presence) == ["c1"]

    async def test_who_watches_a_project(self, presence: Presence) -> None:
        """Of all users; a socket for many projects has none of its own."""
        first = await take(presence, holder("c1"))
        await take(presence, holder("c2", user="bob", transport="sse"))
        many = await take(presence, holder("c3", project=None))
        assert [held.connection_id for held in await presence.of_project("p")] == ["c1", "c2"]
        assert await presence.of_project("q") == []
        assert presence.counts() == {"websocket": 2, "sse": 1}
        many.release()
        first.release()
        assert list(await presence.of_project("p")) == [holder("c2", user="bob", transport="sse")]
        assert presence.counts() == {"websocket": 0, "sse": 1}

    async def test_nothing_is_left_of_who_has_gone(self, presence: Presence) -> None:
        """A thousand come and go; nobody holds a place, and no count is below nothing."""
        for number in range(1_000):
            (await take(presence, holder(f"c{number}", user=f"u{number % 7}"))).release()
        assert [await ids(presence, user=f"u{number}") for number in range(7)] == [[]] * 7
        assert await presence.of_project("p") == []
        assert presence.counts() == {"websocket": 0}
