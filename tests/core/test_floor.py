from time import process_time

from relayd.core.floor import BELOW_ALL, Floor, Marks, Verdict
from relayd.protocol.cursor import Place


def test_everything_is_above_it() -> None:
    """Also the first event of a log, and the floor of one made anew."""
    assert BELOW_ALL < Place(0, 0) < Place(1, -1, -1, -1)


def test_a_floor_over_a_hole_has_no_fingerprint() -> None:
    """Nobody saw what stood there."""
    assert b"" == Floor(Place(0, 3)).fingerprint


def test_a_verdict_may_need_no_cause() -> None:
    """Only a gap has one."""
    assert Verdict("ahead", "", None) == Verdict("ahead")


def test_a_mark_is_found_by_its_offset() -> None:
    """Offsets grow, but with holes."""
    marks = Marks(10)
    marks.put(3, b"three.")
    assert [None, b"three."] == [marks.get(offset) for offset in (2, 3)]


def test_the_oldest_mark_gives_way() -> None:
    """Older ones the journal knows."""
    marks = Marks(2)
    for offset in (1, 5, 9):
        marks.put(offset, b"%d" % offset)
    assert [None, b"5", b"9"] == [marks.get(offset) for offset in (1, 5, 9)]
    assert 2 == len(marks)


def test_a_body_told_twice_is_one_mark() -> None:
    """What is recovered may name a body twice; it takes one place of the window."""
    marks = Marks(2)
    for offset in (1, 2, 1):
        marks.put(offset, b"%d" % offset)
    marks.put(3, b"3")
    assert [None, b"2", b"3"] == [marks.get(offset) for offset in (1, 2, 3)]


def test_cleared_marks_are_gone() -> None:
    """Another log has other bodies at the same offsets, and its first is the first to give way."""
    marks = Marks(1)
    marks.put(7, b"old")
    marks.clear()
    assert 0 == len(marks)
    marks.put(0, b"new")
    marks.put(1, b"newer")
    assert [None, b"newer", None] == [marks.get(offset) for offset in (0, 1, 7)]


def test_full_marks_cost_about_as_much_as_those_that_fill() -> None:
    """A dict whose first key is deleted again and again gets a hundred times slower; a busy machine does not."""
    marks = Marks(50_000)
    seconds = []
    for offsets in (range(50_000), range(50_000, 100_000)):
        began = process_time()
        for offset in offsets:
            marks.put(offset, b"")
        seconds.append(process_time() - began)
    fills, slides = seconds
    assert 20 * fills > slides


def test_what_came_behind_an_offset_is_told_in_order() -> None:
    """As far as it is remembered; offsets have holes."""
    marks = Marks(3)
    for offset in (1, 4, 5, 9):
        marks.put(offset, b"%d" % offset)
    assert [(4, b"4"), (5, b"5"), (9, b"9")] == marks.since(-1)
    assert [(9, b"9")] == marks.since(5) == marks.since(7)
    assert [] == marks.since(9)
