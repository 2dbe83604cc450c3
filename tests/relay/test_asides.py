"""What is said beside the log: once for each way to watch, to whoever reads it, and to nobody before their time."""

from relayd.protocol.messages import Notice
from relayd.relay.asides import say_to_all
from relayd.testing.viewers import FakeEncoding, FakeWire
from relayd.testing.world import settle
from tests.relay.stage import P, Relay, Watcher

PAYLOAD = b'{"type":"notice","code":"TOLD"}'

said: list[bytes] = []


class Counting(FakeEncoding, frozen=True):
    """Counts what it says."""

    def say(self, payload: bytes, cursor: str | None = None) -> bytes:
        said.append(payload)
        return super().say(payload, cursor)


def told(viewer: Watcher) -> int:
    """Return how often a viewer was told."""
    return len([notice for notice in viewer.of("notice") if notice["code"] == "TOLD"])


async def test_it_is_made_once_for_all_who_read_alike(relay: Relay) -> None:
    """Ten thousand who watch must not cost ten thousand compressions: not a view either, which anybody may show."""
    viewers = [await relay.watches(wire=FakeWire(Counting()), user=f"u{number}") for number in range(3)]
    said.clear()
    say_to_all(relay.log.projects[P], PAYLOAD)
    assert [PAYLOAD] == said
    assert [1, 1, 1] == [told(viewer) for viewer in viewers]
    await viewers[0].says({"type": "view", "state": {"a": 1}})
    assert 2 == len(said)


async def test_it_is_for_those_who_read_notices_but_one(relay: Relay) -> None:
    """A legacy viewer, and whoever is excepted, hears nothing."""
    one, other, legacy = await relay.watches(), await relay.watches(), await relay.watches(legacy=True)
    before = len(legacy.wire.sent)
    (subscription,) = one.session.subscriptions.values()
    say_to_all(relay.log.projects[P], PAYLOAD, but=subscription)
    assert (0, 1, before) == (told(one), told(other), len(legacy.wire.sent))


async def test_nobody_is_told_before_the_first_words(relay: Relay) -> None:
    """Those say where a viewer stands."""
    relay.says("one")
    coming = await relay.watches(turns=0)
    say_to_all(relay.log.projects[P], PAYLOAD)
    await settle()
    assert "connection_established" == coming.messages()[0]["type"]
    assert 0 == told(coming)


async def test_a_notice_of_ones_own_is_for_one(relay: Relay) -> None:
    """The others of the project hear nothing of it."""
    one, other = await relay.watches(), await relay.watches()
    one.session.notice(Notice(code="TOLD"))
    assert (1, 0) == (told(one), told(other))
