import pytest

from relayd.core.timeline import Timeline
from relayd.protocol.cursor import Place
from tests.core.words import entry, offsets, place


def timeline(*at: int, bottom: Place | None = None) -> Timeline:
    """Return a timeline with an entry at each offset."""
    return Timeline([entry(offset) for offset in at], bottom=bottom)


def test_a_new_timeline_is_empty_and_whole() -> None:
    """Everything the project ever had is here: nothing."""
    empty = Timeline()
    assert (0, 0, 0, 0, None) == (len(empty), empty.base, empty.end, empty.nbytes, empty.bottom)
    assert 0 == empty.index_after(place(5))


def test_what_is_recorded_comes_last() -> None:
    """It has the index that was the end."""
    recorded = timeline(1)
    recorded.record([entry(4)])
    assert [1, 4] == offsets(recorded.slice(0, recorded.end))
    assert 2 == recorded.end == len(recorded)


@pytest.mark.parametrize(("offset", "index"), [(0, 0), (1, 1), (2, 1), (4, 2), (9, 3), (10, 3)])
def test_the_index_after_a_place(offset: int, index: int) -> None:
    """Of the first entry strictly after it, whether or not an entry stands at the place."""
    assert index == timeline(1, 4, 9).index_after(place(offset))


def test_dropping_moves_nobody() -> None:
    """An index means the same entry before and after."""
    kept = timeline(1, 4, 9)
    last = kept.drop(2)
    assert last is not None
    assert 4 == last.place.offset
    assert (2, 3, 1) == (kept.base, kept.end, len(kept))
    assert [9] == offsets(kept.slice(2, 3))
    assert 2 == kept.index_after(place(4))


def test_memory_vouches_down_to_its_bottom() -> None:
    """Exactly the last that was dropped is known; below it only the journal knows."""
    kept = timeline(1, 4, 9)
    kept.drop(2)
    assert place(4) == kept.bottom
    assert [None, 2] == [kept.index_after(place(offset)) for offset in (3, 4)]
    assert None is kept.index_after(place(1))


def test_an_empty_timeline_may_have_a_bottom() -> None:
    """All its entries are in the journal alone."""
    empty = timeline(bottom=place(5))
    assert [None, 0] == [empty.index_after(place(offset)) for offset in (4, 5)]


@pytest.mark.parametrize("count", [-1, 0])
def test_dropping_none_changes_nothing(count: int) -> None:
    """There is no newest of them."""
    kept = timeline(1)
    assert None is kept.drop(count)
    assert (1, None) == (len(kept), kept.bottom)


def test_no_more_can_be_dropped_than_there_is() -> None:
    """And nothing from an empty one."""
    kept = timeline(1, 4)
    assert kept.drop(5) is not None
    assert (2, 2, place(4)) == (kept.base, kept.end, kept.bottom)
    assert None is kept.drop(5)


def test_bytes_are_counted() -> None:
    """Those of the payloads: what came and what went."""
    size = len(entry(1).payload)
    kept = timeline(1, 2)
    kept.record([entry(3)])
    assert 3 * size == kept.nbytes
    kept.drop(2)
    assert size == kept.nbytes


@pytest.mark.parametrize(("settled", "count"), [(place(0), 0), (place(1), 1), (place(9), 2)])
def test_only_what_is_settled_can_be_dropped(settled: Place, count: int) -> None:
    """What the journal does not hold yet exists nowhere else."""
    assert count == timeline(1, 4, 9).droppable(2, settled)


def test_no_more_is_droppable_than_there_is() -> None:
    """However many are wished away."""
    assert 1 == timeline(1).droppable(9, place(1))
    assert 1 == timeline(1).droppable(9, place(9))


@pytest.mark.parametrize(("nbytes", "count"), [(-5, 0), (0, 0), (1, 1), (100, 1), (101, 2), (250, 3), (9_999, 3)])
def test_how_many_of_the_oldest_hold_so_many_bytes(nbytes: int, count: int) -> None:
    """At least so many; all if they hold less."""
    size = len(entry(1).payload)
    assert count == timeline(1, 2, 3).oldest(round(nbytes / 100 * size))


def test_what_is_held_after_a_place_can_be_had_from_anywhere() -> None:
    """From below its bottom, too: then it is not all there was."""
    held = timeline(1, 4, 9)
    held.drop(1)
    assert [[4, 9], [4, 9], [9], []] == [
        [one.place.offset for one in held.since(place(offset))] for offset in (0, 1, 4, 9)
    ]


def test_there_may_turn_out_to_be_more_than_is_held() -> None:
    """Memory then reaches back to its oldest entry, and no further; a bottom that is known stays."""
    held, empty, dropped = timeline(4, 9), timeline(), timeline(1, 4)
    dropped.drop(1)
    for one in (held, empty, dropped):
        one.begin_above(place(7))
    assert [None, 0] == [held.index_after(place(3)), held.index_after(place(4)._replace(part=-1))]
    assert (place(7), place(1)) == (empty.bottom, dropped.bottom)


def test_what_is_removed_moves_up_what_stands_behind_it() -> None:
    """Strictly between two places, and told with the index of the first."""
    held = timeline(1, 4, 5, 9)
    held.drop(1)
    before = held.nbytes
    first, gone = held.remove(place(3), place(9))
    assert (1, [4, 5]) == (first, offsets(gone))
    assert [9] == offsets(held.slice(held.base, held.end))
    assert (1, 2, place(1)) == (held.base, held.end, held.bottom)
    assert before - sum(len(one.payload) for one in gone) == held.nbytes
    assert (1, []) == held.remove(place(3), place(9))


def test_what_stands_between_two_places() -> None:
    """Neither of them."""
    assert [4, 5] == offsets(timeline(1, 4, 5, 9).between(place(1), place(9)))
    assert [] == timeline(1).between(place(1), place(2))
