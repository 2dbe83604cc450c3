"""What is written after an outage, and what is said to be lost where a file is gone."""

from relayd.core.floor import BELOW_ALL, Floor
from relayd.core.log import Log
from relayd.core.outage import MANY, begin_partial, forsake, missed
from relayd.core.repeats import repeat_key
from tests.core.words import grow, grown, held, line, mark, place, said

FAR = 1 << 40


def told(log: Log[str], offset: int, *projects: str, text: str = "hello") -> None:
    """Add one body with an event of each project."""
    grow(log, offset, *[said(line(text, project), name=f"{offset} {project}") for project in projects])


def test_what_was_missed_is_all_that_came_behind_a_place() -> None:
    """Bodies that said nothing, too: somebody may stand there."""
    log = grown(1, 2)
    told(log, 4, "a", "b")
    grow(log, 7, said(name="rejected"))
    lost = missed(log, log.end_of(1), nbytes=FAR)
    assert [(2, mark(2)), (4, mark(4)), (7, mark(7))] == list(lost.bodies)
    assert {"shop": [2], "a": [4], "b": [4]} == {
        name: [entry.place.offset for entry in entries] for name, entries in lost.entries.items()
    }
    assert [repeat_key("4 a"), repeat_key("4 b")] == list(lost.keys)
    assert {} == lost.floors


def test_a_journal_that_holds_everything_missed_nothing() -> None:
    """The window is told all the same: it is asked for with the last body only."""
    log = grown(1, 2)
    assert log.head is not None
    lost = missed(log, log.head, nbytes=FAR)
    assert ([], {}, {}) == (lost.bodies, lost.entries, lost.floors)


def test_a_new_file_is_told_everything_that_memory_holds() -> None:
    """With all floors."""
    log = grown(1, 2)
    log.raise_floor("old", Floor(place(0)))
    lost = missed(log, BELOW_ALL, nbytes=FAR)
    assert ([1, 2], {"old": Floor(place(0))}) == ([offset for offset, _ in lost.bodies], lost.floors)
    assert held(log) == lost.entries["shop"]


def test_only_floors_that_rose_meanwhile_are_news() -> None:
    """The others are in the file."""
    log = grown(1, 2, 3)
    log.raise_floor("before", Floor(place(1)))
    log.raise_floor("meanwhile", Floor(place(3)))
    assert {"meanwhile": Floor(place(3))} == missed(log, log.end_of(2), nbytes=FAR).floors


def test_of_more_than_can_be_written_the_newest_of_the_hottest_are() -> None:
    """Floors stand above the others, as soon as that is written; who stands exactly there misses nothing."""
    log = grown()
    for offset, project in enumerate(("cold", "hot", "hot", "hot")):
        told(log, offset, project, text="x" * 100)
    size = len(held(log, "hot")[0].payload)
    lost = missed(log, BELOW_ALL, nbytes=2 * size + 5)
    assert {"hot": held(log, "hot")[1:]} == lost.entries
    assert {"cold": Floor(place(0), mark(0)), "hot": Floor(place(1), mark(1))} == lost.floors
    assert {} == log.floors
    assert 4 == len(lost.bodies)


def test_a_log_made_anew_that_is_empty_has_no_news() -> None:
    """What the old one said would stand behind the file's position, and nobody can resume in it."""
    log = grown(1, 2)
    after = log.end_of(1)
    log.break_("recreated")
    lost = missed(log, after, nbytes=FAR)
    assert ([], {}) == (lost.bodies, lost.entries)


def test_a_log_made_anew_is_told_from_its_beginning() -> None:
    """Its offsets begin again below the file's."""
    log = grown(5, 6)
    after = log.end_of(5)
    log.break_("recreated")
    told(log, 0, "shop")
    lost = missed(log, after, nbytes=FAR)
    assert [(0, mark(0, 1))] == list(lost.bodies)
    assert [place(6), place(0, epoch=1)] == [entry.place for entry in lost.entries["shop"]]


def lonely() -> Log[str]:
    """Return a log that has one project in memory, from its bottom on, and two on the shelf."""
    log: Log[str] = Log("swarm")
    log.restore(epoch=0, marks=[(3, mark(3))], keys=[], floors={}, floor=None, projects=["shop", "b", "c"])
    begin_partial(log, "shop")
    told(log, 5, "shop", "new")
    return log


def test_what_went_with_a_file_is_below_the_floors() -> None:
    """What memory holds goes on from its bottom, whole where that is all there was; the shelf is empty."""
    log = lonely()
    forsake(log)
    above = Floor(log.end_of(5), mark(5))
    assert {"shop": Floor(log.end_of(3)), "b": above, "c": above} == log.floors
    assert (None, set(), BELOW_ALL, True) == (log.floor, log.shelved, log.settled, log.loose)
    assert (False, True) == (log.projects["shop"].partial, log.projects["shop"].dirty)


def test_too_many_floors_are_one() -> None:
    """There may be a hundred thousand projects on the shelf."""
    log = lonely()
    log.shelved |= {f"p{number}" for number in range(MANY)}
    forsake(log)
    assert (Floor(log.end_of(5), mark(5)), {}) == (log.floor, log.floors)


def test_before_anything_was_read_nothing_can_be_lost() -> None:
    """There is no place yet below which it could lie."""
    log: Log[str] = Log("swarm")
    log.restore(epoch=0, marks=[], keys=[], floors={}, floor=None, projects=["b"])
    forsake(log)
    assert ({}, None, set()) == (log.floors, log.floor, log.shelved)


def test_a_project_can_go_on_without_its_past() -> None:
    """All that the journal holds of it lies below what comes; one that is in memory stays what it is."""
    log: Log[str] = Log("swarm")
    log.restore(epoch=0, marks=[(3, mark(3)), (4, mark(4))], keys=[], floors={}, floor=None, projects=["shop"])
    begin_partial(log, "shop")
    grow(log, 5, said(line()))
    project = log.projects["shop"]
    assert (True, log.end_of(4)) == (project.partial, project.timeline.bottom)
    assert (None, 0) == (project.timeline.index_after(place(4)), project.timeline.index_after(log.end_of(4)))
    log.open("here")
    begin_partial(log, "here")
    assert not log.projects["here"].partial
