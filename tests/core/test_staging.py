from collections.abc import Sequence

from relayd.core.purges import Purge, Purges
from relayd.core.repeats import RepeatWindow, repeat_key
from relayd.core.staging import Staging
from relayd.dialects.delivery import Item
from relayd.protocol import codec
from relayd.protocol.cursor import Place
from relayd.protocol.messages import AgentStatusUpdate, ProjectCompleted
from tests.core.words import IDENTITY, NOW, PROJECT, at, line, mark, said


def staging(*seen: str, epoch: int = 0, window: int = 100, purges: Sequence[Purge] = ()) -> Staging:
    """Return a batch behind a window that has seen these ids."""
    known = RepeatWindow(window)
    known.remember(map(repeat_key, seen))
    return Staging(IDENTITY, epoch, known, Purges(purges))


def test_an_entry_has_the_place_of_its_event() -> None:
    """Epoch and offset of the body, number of the event in it, number of the message of the event."""
    body = staging(epoch=2).add(7, mark(7), NOW, [said(line()), said(line("a"), line("b"))])
    assert [Place(2, 7, 0, 0), Place(2, 7, 1, 0), Place(2, 7, 1, 1)] == [entry.place for _, entry in body.entries]


def test_a_dialect_says_where_an_event_s_messages_begin() -> None:
    """So that what it remembers of others, which stands in front, moves none of the event's own."""
    known = Item(messages=[line("gathered"), line("own")], first=4)
    forgotten = Item(messages=[line("own")], first=5)
    bodies = [staging().add(7, mark(7), NOW, [item]) for item in (known, forgotten)]
    assert [[Place(0, 7, 0, 4), Place(0, 7, 0, 5)], [Place(0, 7, 0, 5)]] == [
        [entry.place for _, entry in body.entries] for body in bodies
    ]


def test_repeats_and_rejected_events_take_their_places() -> None:
    """Places are a function of the log: what relays make of its events moves none."""
    body = staging("known").add(3, mark(3), NOW, [said(line(), name="known"), said(name="bad"), said(line())])
    assert [Place(0, 3, 2)] == [entry.place for _, entry in body.entries]


def test_what_travels_names_its_place_and_time() -> None:
    """The bytes hold the cursor as `id`, and the relay's clock beside the producer's."""
    body = staging().add(7, mark(7), 1_234.5, [said(line("hi"))])
    ((message, entry),) = body.entries
    assert str(at(7)) == entry.cursor == message.id
    assert message == codec.decode_event(entry.payload)
    assert 1_234.5 == entry.received_at == message.received_at


def test_an_entry_shows_what_selections_look_at() -> None:
    """Type, level and agent; what is no line of log has no level."""
    working = AgentStatusUpdate(project_id=PROJECT, timestamp=NOW, agent="coder", status="working", progress=1)
    done = ProjectCompleted(project_id=PROJECT, timestamp=NOW)
    body = staging().add(0, mark(0), NOW, [said(line(level="error"), working, done)])
    assert [("workflow_log", 3, None), ("agent_status_update", -1, "coder"), ("project_completed", -1, None)] == [
        (entry.type, entry.level, entry.agent) for _, entry in body.entries
    ]


def test_a_repeat_says_nothing() -> None:
    """It is counted, and its key is not new."""
    body = staging("one").add(0, mark(0), NOW, [said(line(), name="one"), said(line("new"), name="two")])
    assert 1 == body.repeated
    assert [repeat_key("two")] == body.repeat_keys
    assert ["new"] == [message.message for message, _ in body.entries]  # type: ignore[attr-defined]


def test_a_repeat_within_a_body_and_within_a_batch_says_nothing() -> None:
    """The window counts with what is only staged."""
    batch = staging()
    first = batch.add(0, mark(0), NOW, [said(line(), name="one"), said(line(), name="one")])
    second = batch.add(1, mark(1), NOW, [said(line(), name="one")])
    assert (1, 1) == (first.repeated, second.repeated)
    assert [] == second.entries
    assert [first, second] == batch.bodies


def test_a_rejected_event_does_not_count_as_seen() -> None:
    """It may be published again once it is understood."""
    body = staging().add(0, mark(0), NOW, [said(name="one"), said(line("understood"), name="one")])
    assert 0 == body.repeated
    assert [repeat_key("one")] == body.repeat_keys
    assert 1 == len(body.entries)


def test_an_event_without_an_id_is_never_a_repeat() -> None:
    """Nothing recognises it."""
    body = staging().add(0, mark(0), NOW, [said(line()), said(line())])
    assert (0, 2, []) == (body.repeated, len(body.entries), body.repeat_keys)


def test_an_id_that_left_the_window_within_the_batch_is_new() -> None:
    """Else a relay that cuts the log into smaller batches would show an event that this one hides."""
    body = staging("old", window=1).add(0, mark(0), NOW, [said(line(), name="new"), said(line(), name="old")])
    assert (0, 2) == (body.repeated, len(body.entries))


def test_the_same_events_can_be_staged_again() -> None:
    """A batch that could not be kept is thrown away, and nothing has seen its ids."""
    known = RepeatWindow()
    events = [said(line(), name="one")]
    dropped = Staging(IDENTITY, 0, known, Purges()).add(0, mark(0), NOW, events)
    again = Staging(IDENTITY, 0, known, Purges()).add(4, mark(4), NOW, events)
    assert 0 == dropped.repeated == again.repeated
    assert str(at(4)) == again.entries[0][1].cursor == again.entries[0][0].id


def test_what_was_removed_keeps_its_place_and_its_id() -> None:
    """When a log is read once more the others have the places they had, and a repeat of it is one still."""
    gone = Purge(epoch=0, offset=3, item=1, fingerprint=mark(3), project_id=PROJECT)
    batch = staging(purges=[gone])
    body = batch.add(3, mark(3), NOW, [said(line("a")), said(line("b"), name="b"), said(line("c"))])
    assert [Place(0, 3, 0), Place(0, 3, 2)] == [entry.place for _, entry in body.entries]
    assert [repeat_key("b")] == list(body.repeat_keys)
    assert 1 == batch.add(4, mark(4), NOW, [said(line("b"), name="b")]).repeated
    assert 2 == len(batch.projects[PROJECT])


def test_a_body_of_another_log_at_that_place_is_shown() -> None:
    """Its fingerprint tells it apart."""
    gone = Purge(epoch=0, offset=3, item=0, fingerprint=mark(4), project_id=PROJECT)
    assert 1 == len(staging(purges=[gone]).add(3, mark(3), NOW, [said(line())]).entries)
