"""Signs of life, and the common end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from relayd.protocol.disconnect import Disconnect
from relayd.relay.lobby import Lobby
from relayd.relay.poll import Poll
from relayd.relay.refusal import Refused
from relayd.relay.session import Session
from relayd.testing.viewers import FakeEncoding, FakeVerifier, FakeWire
from relayd.testing.world import settle
from tests.relay.stage import Relay, assert_leaves, assert_stays


@pytest.fixture
async def beating(relay: Relay) -> AsyncIterator[Relay]:
    """Give a relay whose wheel turns."""
    turning = asyncio.create_task(relay.lobby.turn())
    yield relay
    turning.cancel()
    await asyncio.wait({turning})


async def test_each_session_has_its_beat_once_in_an_interval(beating: Relay) -> None:
    """Spread over it, so that thousands don't stall the loop at once."""
    viewers = [await beating.watches() for _ in range(10)]
    assert 10 == len(beating.lobby)
    assert {"fake": 10} == beating.lobby.counts()
    at: list[float] = []
    for viewer in viewers:
        viewer.wire.on_write = lambda _: at.append(round(beating.clock.monotonic(), 2))
    await asyncio.sleep(24.99)
    assert [1] * 10 == [len(viewer.of("beat")) for viewer in viewers]
    assert 10 == len(set(at))
    await asyncio.sleep(25)
    assert [2] * 10 == [len(viewer.of("beat")) for viewer in viewers]


async def test_who_gives_no_sign_of_life_leaves(beating: Relay) -> None:
    """Two intervals long; any frame is life."""
    silent, lively = await beating.watches(), await beating.watches()
    mute = await beating.watches(wire=FakeWire(answers=False))
    for _ in range(8):
        await asyncio.sleep(10)
        lively.session.count_frame()
    assert_leaves(silent, Disconnect.IDLE_TIMEOUT)
    assert_stays(lively)
    # Its transport has no way to answer, so its silence means nothing.
    assert_stays(mute)
    assert 2 == len(beating.lobby)


async def test_a_pause_of_the_relay_s_own_is_nobody_s_silence(beating: Relay) -> None:
    """Stopped, swapped out or moved with its machine, for minutes: who could not be heard meanwhile stays."""
    viewers = [await beating.watches() for _ in range(3)]
    for _ in range(4):
        await asyncio.sleep(25)
        for viewer in viewers:
            viewer.session.count_frame()
        beating.clock.advance(600)
    await asyncio.sleep(25)
    for viewer in viewers:
        assert_stays(viewer)
    await asyncio.sleep(50)
    for viewer in viewers:
        assert_leaves(viewer, Disconnect.IDLE_TIMEOUT)


async def test_who_could_not_be_asked_is_not_silent(beating: Relay) -> None:
    """Its buffer was full all the while: whether it reads is what the other rule is for."""
    slow = await beating.watches()
    slow.wire.fill()
    for _ in range(20):
        await asyncio.sleep(10)
        slow.wire.take(1)
    assert_stays(slow)


async def test_who_was_let_in_by_a_key_that_is_gone_leaves_with_the_next_beat(beating: Relay) -> None:
    """And nobody else: what a token was worth when it was shown counts, not how old it has grown."""
    kept, gone = [await beating.watches(user=user, wire=FakeWire(answers=False)) for user in ("ada", "eve")]
    beating.viewer("old", seconds=70)
    grown_old = await beating.watches(user="old", wire=FakeWire(answers=False))
    # Between its token's expiry and the end of the grace, and before the beat that lies there.
    await asyncio.sleep(72)
    tokens = beating.verifier.tokens
    beating.engine.verifier = FakeVerifier(ada=tokens["ada"], old=tokens["old"])
    await asyncio.sleep(5)
    assert_leaves(gone, Disconnect.AUTH_FAILED)
    assert_stays(grown_old)
    await asyncio.sleep(20)
    assert_leaves(grown_old, Disconnect.TOKEN_EXPIRED)
    assert_stays(kept)


async def test_who_is_revoked_on_its_way_in_leaves_at_once(relay: Relay) -> None:
    """A transport that awaits something between admission and the lobby loses no moment: nobody looks in between."""
    grant = await relay.admission.admit(relay.asks(user="ada"))
    del relay.verifier.tokens["ada"]
    relay.verifier.generation += 1
    session = Session(relay.engine, grant, FakeWire(FakeEncoding()), many=False)
    relay.lobby.enter(session)
    assert Disconnect.AUTH_FAILED is session.ended.result().disconnect
    await settle()
    assert 0 == len(relay.lobby)
    assert {} == relay.lobby.counts()


async def test_keys_that_are_others_by_themselves_are_seen_by_their_number(beating: Relay) -> None:
    """An issuer publishes them; while nobody knows which hold, nobody is ended for it."""
    mute = FakeWire(answers=False)
    viewer = await beating.watches(user="ada", wire=mute)
    tokens, beating.verifier.tokens = beating.verifier.tokens, {}
    await asyncio.sleep(30)
    assert_stays(viewer)
    beating.verifier.generation += 1
    beating.verifier.keyless = True
    await asyncio.sleep(30)
    assert_stays(viewer)
    beating.verifier.keyless = False
    beating.verifier.tokens = tokens
    await asyncio.sleep(30)
    assert_stays(viewer)
    beating.verifier.tokens = {}
    beating.verifier.generation += 1
    await asyncio.sleep(30)
    assert_leaves(viewer, Disconnect.AUTH_FAILED)


async def test_who_takes_no_byte_with_data_waiting_is_stuck(beating: Relay) -> None:
    """Live all the while: nothing was refused, but nothing goes out either."""
    stuck, slow, idle = [await beating.watches(wire=FakeWire(answers=False)) for _ in range(3)]
    for viewer in (stuck, slow):
        viewer.wire.fill()
    for _ in range(10):
        await asyncio.sleep(10)
        slow.wire.take(1)
    assert_leaves(stuck, Disconnect.STUCK)
    assert_stays(slow)
    assert_stays(idle)


async def test_who_left_is_not_in_the_lobby_any_more(relay: Relay) -> None:
    """Its beat goes to somebody else."""
    viewer = await relay.watches()
    assert [viewer.session] == list(relay.lobby)
    viewer.session.close(Disconnect.NORMAL)
    await settle()
    assert [] == list(relay.lobby)
    assert {} == relay.lobby.counts()


async def test_an_end_is_spread_and_says_when_to_come_back(relay: Relay) -> None:
    """Those who leave early wait longer, so that nobody comes back to a relay that is still going."""
    viewers = [await relay.watches() for _ in range(4)]
    began = relay.clock.monotonic()
    left: list[float] = []
    for viewer in viewers:
        viewer.session.ended.add_done_callback(lambda _: left.append(relay.clock.monotonic() - began))
    await relay.lobby.empty(20)
    # The last is not waited for: what it needs to end comes behind.
    await settle()
    assert [0, 5, 10, 15] == pytest.approx(left, abs=0.01)
    for number, viewer in enumerate(viewers):
        assert_leaves(viewer, Disconnect.RESTARTING)
        gone_at = 20 - 5 * number
        assert viewer.session.ended.result().retry_after_ms >= 1_000 * gone_at
    assert 0 == len(relay.lobby)


async def test_an_end_that_is_late_is_caught_up_with_at_twice_the_pace(relay: Relay) -> None:
    """The time was given by the service manager; and those who are left must not all be closed at once."""
    viewers = [await relay.watches() for _ in range(10)]
    began = relay.clock.monotonic()
    left: list[float] = []
    for viewer in viewers:
        viewer.session.ended.add_done_callback(lambda _: left.append(relay.clock.monotonic() - began))
    # The first takes its time.
    viewers[0].session.ended.add_done_callback(lambda _: relay.clock.advance(5))
    await relay.lobby.empty(20)
    await settle()
    assert [0, 5, 6, 7, 8, 10, 12, 14, 16, 18] == pytest.approx(left, abs=0.01)


async def test_where_there_are_peers_nobody_waits_for_the_restart() -> None:
    """The closes are spread as ever; whoever is sent away finds another relay a second later."""
    relay = await Relay.begin(peers=True)
    viewers = [await relay.watches() for _ in range(12)]
    await relay.lobby.empty(20)
    waits = [viewer.session.ended.result().retry_after_ms for viewer in viewers]
    assert [*range(1_000, 2_000, 100), 1_000, 1_100] == waits
    await relay.end()


async def test_who_hears_nothing_here_is_sent_to_the_peers() -> None:
    """Once the log has been out of reach for long enough; one who has just come may read what is here."""
    relay = await Relay.begin(peers=True, away_seconds=60, stuck_seconds=1e6)
    turning = asyncio.create_task(relay.lobby.turn())
    early = await relay.watches(wire=FakeWire(answers=False))
    await asyncio.sleep(30)
    assert_stays(early)
    relay.source.connected = False
    await asyncio.sleep(50)
    late = await relay.watches(wire=FakeWire(answers=False))
    assert_stays(early)
    await asyncio.sleep(10 + relay.engine.limits.heartbeat_seconds)
    assert_leaves(early, Disconnect.OVERLOADED)
    ending = early.session.ended.result()
    assert (1_000, True) == (ending.retry_after_ms, "to another relay" in ending.sentence)
    assert_stays(late)
    # A relay that has only to catch up needs no help.
    relay.source.connected, relay.source.caught_up = True, False
    await asyncio.sleep(100)
    assert_stays(late)
    turning.cancel()
    await asyncio.wait({turning})
    await relay.end()


async def test_a_relay_without_peers_keeps_its_viewers(beating: Relay) -> None:
    """Wherever they went, they would come back to it."""
    viewer = await beating.watches(wire=FakeWire(answers=False))
    beating.source.connected = False
    await asyncio.sleep(3_600)
    assert_stays(viewer)


async def test_an_empty_lobby_ends_at_once(relay: Relay) -> None:
    """And so does one that has no time."""
    began = relay.clock.monotonic()
    await relay.lobby.empty(20)
    viewer = await relay.watches()
    await relay.lobby.empty(0)
    assert_leaves(viewer, Disconnect.RESTARTING)
    assert began == relay.clock.monotonic()


async def test_a_wheel_has_a_slot_however_short_the_interval() -> None:
    """For tests and impatient operators."""
    relay = await Relay.begin(heartbeat_seconds=0.1)
    assert 1 == len(Lobby(relay.engine)._slots)
    await relay.end()


async def test_a_poll_that_waits_is_answered_by_a_relay_that_drains(relay: Relay) -> None:
    """It comes back to another one, or when this one is up again."""
    asked = relay.asks(after="0")
    poll = Poll(relay.engine, await relay.admission.admit(asked), FakeEncoding())

    async def wait() -> None:
        with relay.lobby.holding(poll):
            await poll.answer(relay.admission, asked, wait=25, limit=10)

    waiting = asyncio.create_task(wait())
    await settle()
    # It holds a connection as anybody does, and the bound of all of them counts it.
    assert {"fake": 1} == relay.lobby.counts()
    await relay.lobby.empty(1)
    with pytest.raises(Refused) as refused:
        await waiting
    assert Disconnect.RESTARTING is refused.value.disconnect
    assert {"fake": 0} == relay.presence.counts()
    assert {} == relay.lobby.counts()


async def test_a_poll_whose_key_is_gone_is_answered(beating: Relay) -> None:
    """At the next look; it would be held for most of a minute yet."""
    asked = beating.asks(after="0", user="ada")
    poll = Poll(beating.engine, await beating.admission.admit(asked), FakeEncoding())

    async def wait() -> None:
        with beating.lobby.holding(poll):
            await poll.answer(beating.admission, asked, wait=55, limit=10)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(26)
    assert not waiting.done()
    gone = beating.clock.monotonic()
    beating.engine.verifier = FakeVerifier()
    with pytest.raises(Refused) as refused:
        await waiting
    assert Disconnect.AUTH_FAILED is refused.value.disconnect
    assert gone + 26 > beating.clock.monotonic()


async def test_who_was_at_the_door_when_the_end_began_is_sent_away_too(relay: Relay) -> None:
    """The list was made without it."""
    for _ in range(2):
        await relay.watches()
    ending = asyncio.create_task(relay.lobby.empty(20))
    await settle()
    late = await relay.watches()
    await ending
    assert_leaves(late, Disconnect.RESTARTING)
    assert {} == relay.lobby.counts()
