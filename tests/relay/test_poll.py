"""Long poll: each answer says where the next begins."""

import asyncio
from typing import Any

import pytest

from relayd.protocol.commands import Selection
from relayd.protocol.disconnect import Disconnect
from relayd.relay.poll import Answer, Poll
from relayd.relay.refusal import Refused
from relayd.testing.viewers import FakeEncoding
from relayd.testing.world import settle
from tests.relay.stage import Relay, SlowJournal, line

ERRORS = Selection(level="error")


def texts(answer: Answer) -> list[str]:
    """Return the texts of an answer's log lines."""
    return [entry.payload.split(b'"message":"')[1].split(b'"')[0].decode() for entry in answer.entries]


async def polling(relay: Relay, **wishes: Any) -> "asyncio.Task[Answer]":  # noqa: ANN401  # fields of `Handshake`
    """Begin a poll that waits."""
    task = asyncio.create_task(relay.polls(**{"wait": 25, **wishes}))
    await settle()
    return task


async def test_a_fresh_poll_gets_state_and_tail(relay: Relay) -> None:
    """At once, with the cursor to come back with."""
    relay.says("a", "b", "c")
    answer = await relay.polls(tail=2)
    assert ["b", "c"] == texts(answer)
    assert ("tail", False) == (answer.opening.replay, answer.held)
    assert answer.opening.snapshot is not None
    assert relay.log.head_cursor() == answer.cursor


async def test_a_poll_resumes_exactly(relay: Relay) -> None:
    """The cursor of an answer is the acknowledgement; an answer holds at most its limit."""
    (first,) = relay.says("a")
    relay.says("b", "c", "d")
    answer = await relay.polls(after=first.cursor, limit=2)
    assert ["b", "c"] == texts(answer)
    assert answer.opening.recovered
    answer = await relay.polls(after=answer.cursor)
    assert ["d"] == texts(answer)
    assert relay.log.head_cursor() == answer.cursor


async def test_a_waiting_poll_is_woken_once_by_the_next_flush(relay: Relay) -> None:
    """It waits in a group of its like, and leaves nothing behind."""
    waiting = [await polling(relay, after="0") for _ in range(2)]
    channel = relay.log.projects["p"].channel
    assert 1 == len(list(channel))
    relay.says("a")
    relay.says("b")
    for task in waiting:
        answer = await task
        assert ["a", "b"] == texts(answer)
        assert answer.held
    assert not channel


async def test_a_poll_without_news_moves_on_with_the_log(relay: Relay) -> None:
    """Empty, but with a cursor that other projects have moved."""
    (first,) = relay.says("a")
    began = relay.clock.monotonic()
    waiting = await polling(relay, after=first.cursor)
    relay.says(line("b", "q"))
    answer = await waiting
    assert 25 == pytest.approx(relay.clock.monotonic() - began, abs=0.1)
    assert ([], True) == (answer.entries, answer.held)
    assert relay.log.head_cursor() == answer.cursor
    assert not relay.log.projects["p"].channel


async def test_a_poll_that_does_not_wait_is_answered_at_once(relay: Relay) -> None:
    """With nothing, if there is nothing."""
    (first,) = relay.says("a")
    answer = await relay.polls(after=first.cursor)
    assert ([], False) == (answer.entries, answer.held)


async def test_unwanted_events_do_not_wake_a_poll(relay: Relay) -> None:
    """They move its cursor."""
    (first,) = relay.says("a")
    waiting = await polling(relay, after=first.cursor, selection=ERRORS)
    relay.says("b")
    await settle()
    assert not waiting.done()
    relay.says(line("c", level="error"))
    answer = await waiting
    assert ["c"] == texts(answer)
    again = await polling(relay, after=answer.cursor, selection=ERRORS)
    relay.says("d")
    empty = await again
    assert relay.log.head_cursor() == empty.cursor != answer.cursor


async def test_a_poll_with_a_33rd_selection_is_woken_all_the_same(relay: Relay) -> None:
    """By any event; it looks for itself whether it is wanted.  The flush goes on to the others."""
    for number in range(32):
        await relay.watches(selection=Selection(q=f"word{number}"))
    (first,) = relay.says("a")
    waiting = [await polling(relay, after=first.cursor, selection=Selection(q=f"other{number}")) for number in range(2)]
    assert 2 == len(relay.log.projects["p"].channel.alone)
    relay.says("nothing")
    await settle()
    assert not any(task.done() for task in waiting)
    relay.says("other0 other1")
    for task in waiting:
        assert ["other0 other1"] == texts(await task)
    idle = await polling(relay, after=first.cursor, selection=Selection(q="never"))
    assert [] == texts(await idle)


async def test_a_poll_below_the_floor_is_told(relay: Relay) -> None:
    """Also when the floor rose while it was let in."""
    entries = [relay.says(str(number))[0] for number in range(4)]
    await relay.forgets(entries[1])
    answer = await relay.polls(after=entries[0].cursor)
    assert ("gap", ["0", "1", "2", "3"]) == (answer.opening.replay, texts(answer))
    asked = relay.asks(after=entries[2].cursor)
    grant = await relay.admission.admit(asked)
    await relay.forgets(entries[3])
    late = await Poll(relay.engine, grant, FakeEncoding()).answer(relay.admission, asked, wait=0, limit=10)
    assert "gap" == late.opening.replay
    assert ["below_floor", "below_floor"] == relay.observer.of("gapped")


async def test_a_hole_is_told_to_a_poll_that_waits(relay: Relay) -> None:
    """It wakes up and says gap; what lies before the hole would look as if it went on behind it."""
    (first,) = relay.says("a")
    waiting = await polling(relay, after=first.cursor)
    relay.breaks("truncated")
    answer = await waiting
    assert "gap" == answer.opening.replay
    assert ["truncated"] == relay.observer.of("gapped")
    assert [] == texts(answer)


async def test_a_past_that_is_gone_is_a_gap() -> None:
    """Memory does not reach back and nobody else knows."""
    relay = await Relay.begin(journaled=False)
    (first,) = relay.says("a")
    relay.says("b")
    relay.log.projects["p"].timeline.drop(2)
    answer = await relay.polls(after=first.cursor)
    assert "gap" == answer.opening.replay
    assert ["below_floor"] == relay.observer.of("gapped")
    await relay.end()


async def test_a_poll_reads_through_the_journal() -> None:
    """However much is unwanted in between, and on into memory."""
    relay = await Relay.begin(timeline_events=4)
    entries = []
    for number in range(600):
        entries += relay.says(line(str(number), level="error" if number in {300, 599} else "info"))
        await relay.commits()
    answer = await relay.polls(after=entries[3].cursor, selection=ERRORS)
    assert ["300"] == texts(answer)
    answer = await relay.polls(after=answer.cursor, selection=ERRORS)
    assert ["599"] == texts(answer)
    answer = await relay.polls(after=answer.cursor, selection=ERRORS)
    assert [] == texts(answer)
    await relay.end()


async def test_a_poll_that_stands_below_memory_but_missed_nothing_goes_on(relay: Relay) -> None:
    """The journal holds nothing in between, so memory goes on from its bottom."""
    (other,) = relay.says(line("other", "q"))
    relay.says("a")
    await relay.commits()
    relay.log.projects["p"].timeline.drop(1)
    relay.says("b")
    answer = await relay.polls(after=other.cursor)
    assert ["a"] == texts(answer)
    relay.log.projects["p"].timeline.bottom = relay.log.end_of(1)
    answer = await relay.polls(after=answer.cursor)
    assert ["b"] == texts(answer)


async def test_a_replaced_poll_ends(relay: Relay) -> None:
    """A newer one of the same session has its place."""
    waiting = await polling(relay, after="0", user="ada", session="tab")
    newer = await polling(relay, after="0", user="ada", session="tab")
    with pytest.raises(Refused) as refused:
        await waiting
    assert Disconnect.REPLACED is refused.value.disconnect
    relay.says("a")
    assert ["a"] == texts(await newer)


async def test_a_poll_does_not_outlive_its_token(relay: Relay) -> None:
    """It ends as a stream would, once the grace is over; news before that are news."""
    relay.viewer("ada", seconds=5)
    waiting = await polling(relay, after="0", user="ada", wait=55)
    began = relay.clock.monotonic()
    with pytest.raises(Refused) as refused:
        await waiting
    assert Disconnect.TOKEN_EXPIRED is refused.value.disconnect
    assert 15 == round(relay.clock.monotonic() - began)
    relay.viewer("ada", seconds=5)
    waiting = await polling(relay, after="0", user="ada", wait=55)
    await asyncio.sleep(14)
    relay.says("a")
    assert ["a"] == texts(await waiting)


async def test_a_poll_replaced_while_it_reads_the_journal_does_not_wait() -> None:
    """The end that came meanwhile is not forgotten."""
    relay = await Relay.begin(timeline_events=1)
    (first, *_) = [relay.says(line(str(number), "q"))[0] for number in range(3)]
    relay.says("a")
    await relay.commits()
    relay.log.projects["p"].timeline.drop(1)
    journal = relay.journal
    assert isinstance(journal, SlowJournal)
    journal.before_read = asyncio.Event()
    began = relay.clock.monotonic()
    waiting = await polling(relay, after=first.cursor, user="ada", selection=ERRORS)
    assert not waiting.done()
    (held,) = await relay.presence.of_user("ada")
    await relay.presence.evict(held.connection_id, user="ada")
    journal.before_read.set()
    with pytest.raises(Refused) as refused:
        await waiting
    assert Disconnect.REPLACED is refused.value.disconnect
    assert began == relay.clock.monotonic()
    await relay.end()


async def test_a_poll_is_for_one_project(relay: Relay) -> None:
    """Sockets can carry many."""
    with pytest.raises(Refused) as refused:
        await relay.polls(project_id=None)
    assert "not_many" == refused.value.reason


async def test_a_poll_whose_viewer_hangs_up_leaves_its_group(relay: Relay) -> None:
    """The handler is cancelled, and the channel is empty."""
    waiting = await polling(relay, after="0")
    waiting.cancel()
    await asyncio.wait({waiting})
    assert not relay.log.projects["p"].channel


async def test_events_between_two_polls_come_once(relay: Relay) -> None:
    """Whenever they come: while it waits, while it is answered, while nobody asks."""
    heard: list[str] = []
    after = "0"
    said = [str(number) for number in range(40)]

    async def poll() -> None:
        nonlocal after
        while len(heard) < len(said):
            answer = await relay.polls(after=after, wait=5, user="ada")
            assert "resume" == answer.opening.replay
            heard.extend(texts(answer))
            after = answer.cursor

    viewer = asyncio.create_task(poll())
    for number, text in enumerate(said):
        relay.says(text)
        await settle(number % 7)
    await viewer
    assert said == heard
