"""Many projects on one socket: one envelope, one pace, a cursor for each."""

import asyncio

from relayd.core.pacing import Pace
from relayd.protocol.codec import MAX_ENVELOPE_BYTES
from relayd.protocol.commands import Selection
from relayd.protocol.disconnect import Disconnect
from relayd.testing.world import settle
from tests.relay.stage import Relay, Watcher, assert_hears, line, progress


async def bundle(relay: Relay, *project_ids: str, **filters: object) -> Watcher:
    """Return a viewer of several projects."""
    viewer = await relay.watches(None)
    for project_id in project_ids:
        await viewer.says({"type": "subscribe", "project_id": project_id, **filters})
    return viewer


async def test_news_of_many_projects_share_an_envelope(relay: Relay) -> None:
    """It names the cursor of each project in it."""
    viewer = await bundle(relay, "p", "q", "r")
    a, b, c = relay.says(line("a", "q"), line("b", "p"), line("c", "q"))
    frame = viewer.frames()[-1]
    assert ["a", "c", "b"] == [message["message"] for message in frame["messages"]]
    assert {"q": c.cursor, "p": b.cursor} == frame["cursors"]
    assert b.cursor == frame["cursor"]
    assert a.cursor == frame["messages"][0]["id"]
    assert 3 == len(viewer.of("connection_established"))
    assert ("fake", 1, 3, len(viewer.wire.sent[-1]), 0.0) == relay.observer.of("flushed")[-1]


async def test_a_bundle_gets_no_more_frames_than_its_pace_allows() -> None:
    """However many projects it has; what waits is gathered, and each project keeps its order."""
    relay = await Relay.begin(outbound=Pace(rate=10, burst=1))
    viewer = await bundle(relay, "p", "q")
    frames = len(viewer.wire.sent)
    for number in range(10):
        relay.says(line(f"p{number}"))
        relay.says(line(f"q{number}", "q"))
    assert frames + 1 == len(viewer.wire.sent)
    await asyncio.sleep(0.25)
    assert frames + 2 == len(viewer.wire.sent)
    texts = viewer.texts()
    assert [f"p{number}" for number in range(10)] == [text for text in texts if text[0] == "p"]
    assert [f"q{number}" for number in range(10)] == [text for text in texts if text[0] == "q"]
    await relay.end()


async def test_a_bundle_whose_buffer_is_full_falls_behind_and_comes_back(relay: Relay) -> None:
    """Everything that is live catches up from its own place, in one task."""
    viewer = await bundle(relay, "p", "q")
    relay.says(line("a"), line("b", "q"))
    viewer.wire.fill()
    relay.says(line("c"), line("d", "q"))
    relay.says(line("e"))
    assert_hears(viewer, "a", "b")
    viewer.wire.take()
    await settle()
    assert_hears(viewer, "c", "e", "d")
    assert all(subscription.live for subscription in viewer.session.subscriptions.values())
    relay.says(line("f", "q"))
    assert_hears(viewer, "f")
    assert {"q"} == viewer.frames()[-1]["cursors"].keys()


async def test_an_envelope_of_many_projects_holds_no_more_than_one_of_one(relay: Relay) -> None:
    """256 messages and 256 KiB, whosoever they are; the rest comes in the next."""
    viewer = await bundle(relay, "p", "q")
    relay.says(*[line(str(number)) for number in range(250)], *[line(f"q{number}", "q") for number in range(50)])
    assert [256, 44] == [len(frame["messages"]) for frame in viewer.frames()[-2:]]
    viewer.news()
    relay.says(line("x" * 200_000), line("y" * 100_000, "q"))
    assert [1, 1] == [len(frame["messages"]) for frame in viewer.frames()[-2:]]
    relay.says(line("x" * (MAX_ENVELOPE_BYTES + 1)), line("small", "q"))
    assert [1, 1] == [len(frame["messages"]) for frame in viewer.frames()[-2:]]
    relay.says(line("x" * 200_000), line("z" * 100_000, "q"), line("small", "q"))
    assert ["x", "zsmall"] == [
        "".join(message["message"].lstrip("xz")[:5] or message["message"][0] for message in frame["messages"])
        for frame in viewer.frames()[-2:]
    ]


async def test_unwanted_events_cost_no_frame_and_are_passed(relay: Relay) -> None:
    """A filter of the subscription holds for it alone."""
    viewer = await bundle(relay, "p", filter={"level": "error"})
    frames = len(viewer.wire.sent)
    relay.says("fine")
    assert frames == len(viewer.wire.sent)
    assert relay.log.head_cursor() == viewer.subscription.cursor(relay.log)
    relay.says(line("broken", level="error"))
    assert_hears(viewer, "broken")


async def test_what_memory_dropped_while_it_waited_comes_from_the_journal() -> None:
    """One that waits for its pace reads the rest where it is."""
    relay = await Relay.begin(timeline_events=5, outbound=Pace(rate=10, burst=1))
    viewer = await bundle(relay, "p")
    relay.says("a")
    texts = [str(number) for number in range(20)]
    for text in texts:
        relay.says(text)
        await relay.commits()
    assert_hears(viewer, "a")
    await asyncio.sleep(0.3)
    assert_hears(viewer, *texts)
    assert ["none"] == viewer.openings()
    relay.says("b")
    await asyncio.sleep(0.3)
    assert_hears(viewer, "b")
    await relay.end()


async def test_one_that_is_unsubscribed_while_it_waits_hears_no_more() -> None:
    """The others of its socket do; a socket that has ended is served nothing."""
    relay = await Relay.begin(outbound=Pace(rate=10, burst=1))
    viewer = await bundle(relay, "p", "q")
    relay.says("a")
    relay.says(line("b"), line("c", "q"))
    await viewer.says({"type": "unsubscribe", "project_id": "p"})
    await asyncio.sleep(0.2)
    assert_hears(viewer, "a", "c")
    relay.says(line("d", "q"))
    relay.says(line("e", "q"))
    viewer.session.close(Disconnect.NORMAL)
    await asyncio.sleep(0.2)
    assert_hears(viewer, "d")
    await relay.end()


async def test_a_legacy_viewer_served_alone_keeps_its_pace(relay: Relay) -> None:
    """With a selection that has no group each message costs a frame as ever."""
    for number in range(32):
        await relay.watches(selection=Selection(q=f"word{number}"))
    viewer = await relay.watches(legacy=True)
    assert viewer.subscription in relay.log.projects["p"].channel.alone
    texts = [str(number) for number in range(30)]
    relay.says(*texts)
    assert_hears(viewer, *texts[:10])
    await asyncio.sleep(0.105)
    assert_hears(viewer, *texts[10:20])
    await asyncio.sleep(1)
    assert_hears(viewer, *texts[20:])
    relay.says(progress(1))
    assert "cursors" not in viewer.frames()[-1]
