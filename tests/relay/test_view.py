"""What one viewer shows, the others may follow."""

from relayd.core.channel import SHARED_SELECTIONS
from relayd.protocol.commands import MAX_VIEW_BYTES, Selection
from relayd.protocol.disconnect import Disconnect
from relayd.relay.view import PACE
from tests.relay.stage import Relay, Watcher, assert_stays

STATE = {"filter": {"level": "error"}, "event": "c1"}


def shown(viewer: Watcher) -> list[object]:
    """Return the states a viewer was told, in order."""
    return [notice["data"]["state"] for notice in viewer.of("notice") if notice["code"] == "VIEW"]


async def test_a_view_is_handed_on_to_the_others(relay: Relay) -> None:
    """With whose it is; not to who shows it, not to other projects, and not to those who read no notices."""
    ada, bob, other, legacy = (
        await relay.watches(user="ada"),
        await relay.watches(user="bob"),
        await relay.watches("q"),
        await relay.watches(legacy=True),
    )
    before = len(legacy.wire.sent)
    await ada.says({"type": "view", "state": STATE})
    assert [STATE] == shown(bob)
    assert [] == shown(ada) == shown(other)
    assert before == len(legacy.wire.sent)
    (notice,) = bob.of("notice")
    assert ("p", "ada", ada.session.grant.connection_id) == (
        notice["project_id"],
        notice["data"]["user"],
        notice["data"]["connection_id"],
    )


async def test_it_ends_with_a_word_and_with_the_connection(relay: Relay) -> None:
    """Those who follow are told once; nobody follows somebody who is gone."""
    ada, bob = await relay.watches(), await relay.watches(user="bob")
    await ada.says({"type": "view", "state": STATE})
    await ada.says({"type": "view"})
    assert [STATE, None] == shown(bob)
    await ada.says({"type": "view"})
    assert [STATE, None] == shown(bob)
    await ada.says({"type": "view", "state": STATE})
    ada.session.close(Disconnect.NORMAL)
    assert [STATE, None, STATE, None] == shown(bob)


async def test_whoever_watches_is_told_wherever_it_stands(relay: Relay) -> None:
    """In a group, alone with a selection too many, on a socket for many projects, and while catching up."""
    ada = await relay.watches()
    grouped = [await relay.watches(user=f"u{n}", selection=Selection(q=f"{n}")) for n in range(SHARED_SELECTIONS)]
    many = await relay.watches(None, user="many")
    await many.says({"type": "subscribe", "project_id": "p"})
    behind = await relay.watches(user="behind")
    (subscription,) = behind.session.subscriptions.values()
    subscription.project.channel.fall(subscription)
    await ada.says({"type": "view", "state": STATE})
    assert [[STATE]] * (SHARED_SELECTIONS + 2) == [shown(viewer) for viewer in (*grouped, many, behind)]


async def test_a_view_that_is_too_large_or_comes_too_often_is_refused(relay: Relay) -> None:
    """With the bound, and the socket stays; each goes to everybody, so there must be one."""
    ada, bob = await relay.watches(), await relay.watches(user="bob")
    await ada.says({"type": "view", "state": {"text": "x" * MAX_VIEW_BYTES}})
    for _ in range(int(PACE.burst) + 1):
        await ada.says({"type": "view", "state": STATE})
    assert ["VIEW_TOO_LARGE", "VIEW_TOO_OFTEN"] == [notice["code"] for notice in ada.of("notice")]
    assert [STATE] * int(PACE.burst) == shown(bob)
    assert_stays(ada)


async def test_a_view_of_nothing_is_refused(relay: Relay) -> None:
    """A project that this socket does not watch, or none where there are many."""
    ada = await relay.watches()
    await ada.says({"type": "view", "project_id": "q", "state": STATE})
    many = await relay.watches(None)
    await many.says({"type": "view", "state": STATE})
    assert ["NOT_SUBSCRIBED"] == [notice["code"] for notice in ada.of("notice")]
    assert ["NOT_SUBSCRIBED"] == [notice["code"] for notice in many.of("notice")]
