"""What a cursor is worth (docs/protocol.md, Cursor), and how the log grows, shrinks and begins."""

import json

import msgspec
import pytest

from relayd.core.floor import BELOW_ALL, Floor, Verdict
from relayd.core.log import END, Log
from relayd.core.repeats import repeat_key
from relayd.protocol.cursor import BEGINNING, Cursor, decode, identity
from relayd.protocol.messages import ProjectStarted
from tests.core.words import (
    IDENTITY,
    NAME,
    NOW,
    PROJECT,
    at,
    entry,
    grow,
    grown,
    held,
    line,
    mark,
    offsets,
    place,
    said,
)

ASK, AHEAD = Verdict("ask"), Verdict("ahead")
FAR = 1 << 40


def whole(cursor: Cursor, epoch: int = 0) -> Verdict:
    """Return the verdict that everything after a cursor is here."""
    return Verdict("whole", place=cursor.place(epoch))


def gap(cause: str) -> Verdict:
    """Return the verdict that it is not."""
    return Verdict("gap", cause)


# -- the table of cursors ------------------------------------------------------------------------------------------


def test_a_cursor_of_another_log_is_a_gap() -> None:
    """Its places mean nothing here."""
    cursor = at(2)._replace(log=identity("another"))
    assert gap("other_log") == grown(1, 2, 3).judge(PROJECT, cursor)


def test_a_cursor_beyond_the_head_is_ahead() -> None:
    """A replica that lags may still come so far; only the caller knows whether the log can."""
    assert AHEAD == grown(1, 2).judge(PROJECT, at(3))
    assert AHEAD == grown().judge(PROJECT, at(0))


def test_the_newest_body_is_not_ahead() -> None:
    """Any place in it, the end included."""
    log = grown(1, 2)
    assert whole(at(2)) == log.judge(PROJECT, at(2))
    assert whole(at(2, END, END)) == log.judge(PROJECT, at(2, END, END))


def test_a_cursor_below_the_floor_is_a_gap() -> None:
    """Events after it were dropped."""
    log = grown(1, 2, 3)
    log.raise_floor(PROJECT, Floor(place(2), mark(2)))
    assert gap("below_floor") == log.judge(PROJECT, at(1))
    assert whole(at(3)) == log.judge(PROJECT, at(3))


def test_a_cursor_exactly_at_the_floor_is_whole() -> None:
    """The last event that was dropped is the last one its viewer has."""
    log = grown(1, 2, 3)
    log.raise_floor(PROJECT, Floor(place(2), mark(2)))
    assert whole(at(2)) == log.judge(PROJECT, at(2))


def test_a_floor_knows_the_body_that_nobody_else_knows_any_more() -> None:
    """Its own fingerprint counts when memory and journal have forgotten it."""
    log = grown(1, 2, 3, window=1)
    log.raise_floor(PROJECT, Floor(place(2), mark(2)))
    assert whole(at(2)) == log.judge(PROJECT, at(2))
    assert gap("other_event") == log.judge(PROJECT, at(2)._replace(fingerprint=bytes(6)))


def test_a_floor_of_one_project_is_none_of_another() -> None:
    """The other has dropped nothing."""
    log = grown(1, 2, 3)
    log.raise_floor("other", Floor(place(3), mark(3)))
    assert whole(at(1)) == log.judge(PROJECT, at(1))


def test_a_hole_raises_all_floors() -> None:
    """Also those of projects that nobody has heard of yet, for it may have held their events."""
    log = grown(1, 2)
    log.break_("truncated")
    grow(log, 9, said(line()))
    for project in (PROJECT, "unheard"):
        assert gap("below_floor") == log.judge(project, at(2))
        assert gap("below_floor") == log.judge(project, at(2, END, END))
        assert whole(at(9)) == log.judge(project, at(9))


def test_a_floor_over_a_hole_can_be_named_by_no_cursor() -> None:
    """So `exactly the floor` never calls a hole whole."""
    log = grown(1, 2)
    floor = log.break_("truncated")
    assert floor.place > at(2, END, END).place(0)
    assert (floor, b"") == (log.floor, floor.fingerprint)


def test_a_hole_before_everything() -> None:
    """Nothing was read yet, so nothing can be lost but what lies below the first offset."""
    log = grown()
    assert place(-1, END + 1) == log.break_("truncated").place
    grow(log, 0, said(line()))
    assert whole(at(0)) == log.judge(PROJECT, at(0))


def test_an_unknown_fingerprint_asks_the_journal() -> None:
    """Memory remembers the newest bodies only, and holes between offsets look the same."""
    assert ASK == grown(1, 2, 3, window=2).judge(PROJECT, at(1))
    assert ASK == grown(1, 5).judge(PROJECT, at(3))


def test_what_the_journal_answers_decides() -> None:
    """The same body: whole; another one, or none it knows: gap."""
    log = grown(1, 2, 3, window=2)
    assert whole(at(1)) == log.judge(PROJECT, at(1), mark(1))
    assert gap("other_event") == log.judge(PROJECT, at(1), b"other!")
    assert gap("unknown_event") == log.judge(PROJECT, at(1), b"")


def test_a_floor_that_rose_while_the_journal_was_asked_counts() -> None:
    """What it answered was true, and is not any more."""
    log = grown(1, 2, 3, window=2)
    log.raise_floor(PROJECT, Floor(place(2), mark(2)))
    assert gap("below_floor") == log.judge(PROJECT, at(1), mark(1))


def test_a_floor_without_a_fingerprint_vouches_for_nothing() -> None:
    """At its very place the journal is asked, too."""
    log = grown(1, 2, 3, window=1)
    log.raise_floor(PROJECT, Floor(place(1)))
    assert ASK == log.judge(PROJECT, at(1))
    assert gap("unknown_event") == log.judge(PROJECT, at(1), b"")


def test_another_fingerprint_is_a_gap() -> None:
    """Same place, other event: the viewer is told, never served the wrong past."""
    assert gap("other_event") == grown(1, 2).judge(PROJECT, at(2)._replace(fingerprint=bytes(6)))


def test_the_beginning_is_whole_if_nothing_was_ever_dropped() -> None:
    """In a log that is all there; where nothing was read yet, there may be something all the same."""
    assert Verdict("whole", place=BELOW_ALL) == grown(1).judge_beginning(PROJECT)
    assert Verdict("ahead") == grown().judge_beginning(PROJECT)


def test_the_beginning_is_a_gap_once_something_was_dropped() -> None:
    """Of this project, or of all."""
    log = grown(1, 2)
    log.raise_floor("other", Floor(place(1), mark(1)))
    assert ("gap", "whole") == (log.judge_beginning("other").kind, log.judge_beginning(PROJECT).kind)
    log.break_("truncated")
    assert gap("below_floor") == log.judge_beginning(PROJECT)


def test_cursors_of_the_log_that_was_deleted_are_gaps() -> None:
    """Before the new log has come so far and after, whether memory knows the body there or only the journal might."""
    log = grown(1, 2, 3, window=2)
    log.break_("recreated")
    assert AHEAD == log.judge(PROJECT, at(2))
    for offset in (0, 2, 4):
        grow(log, offset, said(line()))
    assert gap("other_event") == log.judge(PROJECT, at(2))
    assert ASK == log.judge(PROJECT, at(1))
    assert gap("unknown_event") == log.judge(PROJECT, at(1), b"")
    assert gap("below_floor") == log.judge_beginning(PROJECT)


def test_cursors_of_the_new_log_are_whole() -> None:
    """Its floor lies before its first event."""
    log = grown(1, 2)
    log.break_("recreated")
    grow(log, 0, said(line()))
    assert whole(at(0, epoch=1), epoch=1) == log.judge(PROJECT, at(0, epoch=1))


def test_a_verdict_is_of_the_log_that_was_there() -> None:
    """Made anew before its viewer is served, the log's floor lies above the place that was whole."""
    log = grown(1, 2, 3)
    verdict = log.judge(PROJECT, at(2))
    floor = log.break_("recreated")
    for offset in range(4):
        grow(log, offset, said(line()))
    assert verdict.place is not None
    assert verdict.place < floor.place


def test_what_lies_before_the_first_offset_read_is_a_gap() -> None:
    """A fresh replica begins in the middle; for a project it has not heard of as well."""
    log = grown()
    assert Floor(place(50, -1, -1)) == log.begin_at(50)
    grow(log, 50, said(line()))
    assert gap("below_floor") == log.judge(PROJECT, at(49))
    assert gap("below_floor") == log.judge_beginning("unheard")
    assert whole(at(50)) == log.judge(PROJECT, at(50))


def test_the_head_is_the_end_of_a_body() -> None:
    """So it stands behind each of its events, also those that were repeats or rejected."""
    log = grown(1)
    grow(log, 4, said(line()), said(name="rejected"))
    head = decode(log.head_cursor())
    assert at(4, END, END) == head
    assert whole(head) == log.judge(PROJECT, head)


def test_the_head_of_an_empty_log_is_the_beginning() -> None:
    """Everything is after it."""
    log = grown()
    assert BEGINNING == log.head_cursor()
    log = grown(1)
    log.break_("recreated")
    assert BEGINNING == log.head_cursor()


def test_a_head_whose_body_nobody_remembers_is_worth_nothing() -> None:
    """It is a cursor all the same, and whoever resumes from it is told."""
    log = grown(1)
    log.marks.clear()
    head = decode(log.head_cursor())
    assert bytes(6) == head.fingerprint
    assert gap("unknown_event") == log.judge(PROJECT, head, b"")


# -- growing -------------------------------------------------------------------------------------------------------


def test_staging_changes_nothing() -> None:
    """Until it is applied nobody sees it; law 1."""
    log = grown(1)
    before = (log.head, log.nbytes, len(log.repeats), len(log.marks), offsets(held(log)), log.projects[PROJECT].state)
    staging = log.stage()
    staging.add(2, mark(2), NOW, [said(line(), name="one"), said(line(project="new"))])
    after = (log.head, log.nbytes, len(log.repeats), len(log.marks), offsets(held(log)), log.projects[PROJECT].state)
    assert before == after
    assert ["shop"] == list(log.projects)


def test_a_staging_that_is_dropped_loses_nothing() -> None:
    """The same ids are new when they are staged again."""
    log = grown()
    log.stage().add(1, mark(1), NOW, [said(line(), name="one")])
    assert 0 == grow(log, 1, said(line("again"), name="one")).repeated
    assert [1] == offsets(held(log))


def test_a_repeat_is_recognised_across_batches() -> None:
    """It has a place, but says nothing."""
    log = grown()
    grow(log, 1, said(line(), name="one"))
    body = grow(log, 2, said(line(), name="one"), said(line(), name="two"))
    assert (1, [(1, 0), (2, 1)]) == (body.repeated, [one.place[1:3] for one in held(log)])


def test_a_rejected_event_may_come_again() -> None:
    """Understood at last, it is an event."""
    log = grown()
    grow(log, 1, said(name="one"))
    assert 0 == grow(log, 2, said(line(), name="one")).repeated
    assert [2] == offsets(held(log))


def test_the_head_moves_with_bodies_that_say_nothing() -> None:
    """Else a viewer's cursor would stand still while the log goes on."""
    log = grown(1)
    grow(log, 2, said(name="rejected"))
    grow(log, 3)
    assert log.end_of(3) == log.head
    assert whole(at(3)) == log.judge(PROJECT, at(3))


def test_projects_that_were_touched_are_told_once() -> None:
    """The hottest stand last."""
    log = grown()
    grow(log, 1, said(line(project="a")), said(line(project="b")), said(line(project="c")))
    staging = log.stage()
    staging.add(2, mark(2), NOW, [said(line(project="b")), said(line(project="a"))])
    staging.add(3, mark(3), NOW, [said(line(project="b"))])
    assert ["b", "a"] == [project.id for project in log.apply(staging)]
    assert ["c", "b", "a"] == list(log.projects)


def test_a_batch_brings_its_projects_up_to_date() -> None:
    """State, cursor, place, bytes: all in one step."""
    log = grown()
    grow(log, 1, said(ProjectStarted(project_id=PROJECT, timestamp=1.0, name="Shop")), said(line(level="warning")))
    project = log.projects[PROJECT]
    assert ("Shop", ["hello"], str(at(1, 1))) == (project.state.name, project.state.warnings, project.state.cursor)
    assert (place(1, 1), True) == (project.place, project.dirty)
    assert sum(len(one.payload) for one in held(log)) == log.nbytes == project.timeline.nbytes


def test_an_empty_batch_changes_nothing() -> None:
    """Nor does it touch anybody."""
    log = grown(1)
    assert [] == log.apply(log.stage())
    assert log.end_of(1) == log.head


def test_a_log_made_anew_begins_anew() -> None:
    """Offsets count again, ids may come again, old entries stay below the floor."""
    log = grown()
    grow(log, 5, said(line("old"), name="one"))
    log.break_("recreated")
    assert (1, None, 0) == (log.epoch, log.head, len(log.marks))
    assert 0 == grow(log, 0, said(line("new"), name="one")).repeated
    assert [place(5), place(0, epoch=1)] == [one.place for one in held(log)]


def test_a_hole_forgets_no_ids() -> None:
    """It is the same log: a repeat from before is still one."""
    log = grown()
    grow(log, 1, said(line(), name="one"))
    log.break_("truncated")
    assert 1 == grow(log, 9, said(line(), name="one")).repeated


# -- floors --------------------------------------------------------------------------------------------------------


def test_a_floor_never_sinks() -> None:
    """What is gone does not come back."""
    log = grown()
    high, low = Floor(place(5), mark(5)), Floor(place(3), mark(3))
    assert [high, high] == [log.raise_floor(PROJECT, high), log.raise_floor(PROJECT, low)]
    assert [high, high] == [log.raise_floor(None, high), log.raise_floor(None, low)]
    assert high == log.floor_of(PROJECT)


def test_the_higher_floor_holds() -> None:
    """A project's own or that of all; where they are the same, the one that knows the body."""
    log = grown()
    log.raise_floor(PROJECT, Floor(place(5), mark(5)))
    log.raise_floor(None, Floor(place(3)))
    assert [Floor(place(5), mark(5)), Floor(place(3))] == [log.floor_of(name) for name in (PROJECT, "other")]
    log.raise_floor(None, Floor(place(5)))
    assert mark(5) == log.floors[PROJECT].fingerprint
    log.raise_floor(None, Floor(place(7)))
    assert Floor(place(7)) == log.floor_of(PROJECT)


def test_floors_below_that_of_all_are_forgotten() -> None:
    """There would be one for each project that ever was."""
    log = grown()
    log.raise_floor("a", Floor(place(1)))
    log.raise_floor("b", Floor(place(9)))
    log.raise_floor(None, Floor(place(5)))
    log.raise_floor("c", Floor(place(2)))
    assert ["b"] == list(log.floors)
    assert place(5) == getattr(log.floor_of("c"), "place", None)


# -- beginning -----------------------------------------------------------------------------------------------------


def restored(*at_offsets: int, projects: tuple[str, ...] = (PROJECT,), epoch: int = 0) -> Log[str]:
    """Return a log that a journal brought back."""
    log: Log[str] = Log(NAME, window=100)
    log.restore(
        epoch=epoch,
        marks=[(offset, mark(offset, epoch)) for offset in at_offsets],
        keys=[repeat_key(f"id {offset}") for offset in at_offsets],
        floors={"old": Floor(place(1), mark(1))},
        floor=Floor(place(0)),
        projects=projects,
    )
    return log


def test_a_restored_log_goes_on_where_it_was() -> None:
    """Head, cursors, ids, floors and what can be loaded."""
    log = restored(3, 7, epoch=2)
    assert (2, log.end_of(7), log.end_of(7)) == (log.epoch, log.head, log.settled)
    assert whole(at(3, epoch=2), epoch=2) == log.judge(PROJECT, at(3, epoch=2))
    assert 1 == grow(log, 8, said(line(), name="id 3")).repeated
    assert ({"old": Floor(place(1), mark(1))}, Floor(place(0)), {PROJECT}) == (log.floors, log.floor, log.shelved)


def test_a_fresh_journal_has_settled_nothing() -> None:
    """Memory may drop nothing yet, but there is a journal."""
    log = restored()
    assert (None, BELOW_ALL) == (log.head, log.settled)


def test_an_adopted_project_is_folded_forward() -> None:
    """Its snapshot may be older than its newest event, and then it is dirty."""
    log = restored(3, 4, 5)
    source = grown(3)
    snapshot = msgspec.json.encode(source.projects[PROJECT].state)
    entries = [entry(offset) for offset in (3, 4, 5)]
    project = log.adopt(PROJECT, snapshot=snapshot, since=entries[1:], newest=entries, whole=True)
    assert ({"workflow_log": 3}, str(at(5))) == (project.state.counts, project.state.cursor)
    assert (place(5), True) == (project.place, project.dirty)
    assert sum(len(one.payload) for one in entries) == log.nbytes
    assert project is log.open(PROJECT)


def test_a_project_whose_snapshot_is_newest_is_not_dirty() -> None:
    """It can go back to the shelf at once."""
    log = restored(3)
    snapshot = msgspec.json.encode(grown(3).projects[PROJECT].state)
    project = log.adopt(PROJECT, snapshot=snapshot, since=[], newest=[entry(3)], whole=True)
    assert (False, {"workflow_log": 1}) == (project.dirty, project.state.counts)


def test_a_project_without_a_snapshot_is_folded_from_its_events() -> None:
    """The relay was ended before it wrote one."""
    log = restored(3, 4)
    entries = [entry(3), entry(4)]
    project = log.adopt(PROJECT, snapshot=None, since=entries, newest=entries, whole=True)
    assert ({"workflow_log": 2}, PROJECT) == (project.state.counts, project.state.project_id)


def test_a_project_is_adopted_once() -> None:
    """Who comes second gets the same one, whatever it read meanwhile."""
    log = restored(3)
    first = log.adopt(PROJECT, snapshot=None, since=[], newest=[entry(3)], whole=True)
    again = log.adopt(PROJECT, snapshot=None, since=[], newest=[], whole=False)
    assert first is again
    assert [3] == offsets(held(log))


def adopted(log: Log[str], *newest: int, whole: bool, project: str = PROJECT) -> Log[str]:
    """Return the log with a project brought to memory."""
    log.adopt(project, snapshot=None, since=[], newest=[entry(offset) for offset in newest], whole=whole)
    return log


def test_memory_reaches_back_to_the_beginning_if_the_journal_holds_no_more() -> None:
    """Then any cursor above the floor can be served from it."""
    timeline = adopted(restored(3, 4), 3, 4, whole=True).projects[PROJECT].timeline
    assert (None, 0) == (timeline.bottom, timeline.index_after(place(1)))


def test_memory_reaches_back_to_the_floor_if_the_journal_dropped_some() -> None:
    """The floor is the newest that is not held."""
    log = restored(3, 4)
    log.raise_floor(PROJECT, Floor(place(2), mark(2)))
    timeline = adopted(log, 3, 4, whole=True).projects[PROJECT].timeline
    assert (place(2), None, 0) == (timeline.bottom, timeline.index_after(place(1)), timeline.index_after(place(2)))


def test_memory_reaches_back_to_its_oldest_entry_if_the_journal_holds_more() -> None:
    """Just below it, and no further: a cursor in between is the journal's."""
    timeline = adopted(restored(3, 4), 3, 4, whole=False).projects[PROJECT].timeline
    assert [None, None, 1] == [timeline.index_after(place(*where)) for where in ((2,), (2, END, END), (3,))]


def test_memory_may_hold_nothing_of_a_project() -> None:
    """All it has is settled, so everything up to there is the journal's."""
    log = adopted(restored(3, 4), whole=False)
    timeline = log.projects[PROJECT].timeline
    assert (log.settled, None) == (timeline.bottom, timeline.index_after(place(4)))
    grow(log, 5, said(line()))
    assert [5] == offsets(timeline.slice(0, 1))
    assert 0 == timeline.index_after(log.end_of(4))


def test_what_is_only_folded_has_a_place_too() -> None:
    """Else its snapshot could never be written, and it could never be unloaded."""
    log = restored(3, 4)
    assert place(4) == log.adopt(PROJECT, snapshot=None, since=[entry(4)], newest=[], whole=False).place
    assert None is adopted(restored(3), whole=True, project="empty").projects["empty"].place


def test_a_project_nobody_knows_is_new() -> None:
    """And the same one for whoever comes next."""
    log = grown()
    assert log.open("new") is log.open("new")


# -- shrinking -----------------------------------------------------------------------------------------------------


def settle(log: Log[str], *snapshots: str) -> Log[str]:
    """Note that the journal holds everything, and these projects' snapshots."""
    log.settled, log.loose = log.head or BELOW_ALL, False
    for project in snapshots:
        log.projects[project].dirty = False
        log.shelved.add(project)
    return log


def test_a_project_keeps_its_newest_events() -> None:
    """A quarter more may stay, to trim seldom."""
    log = grown(*range(1, 6))
    log.trim(log.projects.values(), events=4, nbytes=FAR)
    assert 5 == len(held(log))
    grow(log, 6, said(line()))
    log.trim(log.projects.values(), events=4, nbytes=FAR)
    assert [3, 4, 5, 6] == offsets(held(log))
    assert sum(len(one.payload) for one in held(log)) == log.nbytes


def test_only_touched_projects_are_counted() -> None:
    """The others have not grown."""
    log = grown(*range(9))
    log.trim([], events=1, nbytes=FAR)
    assert 9 == len(held(log))


def test_without_a_journal_what_is_dropped_raises_the_floor() -> None:
    """With the fingerprint of the last event that went, so that its viewers miss nothing."""
    log = grown(*range(1, 7), window=1)
    log.trim(log.projects.values(), events=4, nbytes=FAR)
    assert Floor(place(2), mark(2)) == log.floor_of(PROJECT)
    assert ["gap", "whole"] == [log.judge(PROJECT, at(offset)).kind for offset in (1, 2)]


def test_with_a_journal_what_is_settled_can_be_dropped() -> None:
    """It is still there, so no floor is raised."""
    log = settle(grown(*range(1, 7)))
    log.trim(log.projects.values(), events=4, nbytes=FAR)
    assert ([3, 4, 5, 6], None) == (offsets(held(log)), log.floor_of(PROJECT))


def test_what_is_not_settled_stays() -> None:
    """Whatever the bounds say: it exists nowhere else."""
    log = settle(grown(1))
    for offset in range(2, 9):
        grow(log, offset, said(line()))
    log.trim(log.projects.values(), events=1, nbytes=0)
    assert [2, 3, 4, 5, 6, 7, 8] == offsets(held(log))
    settle(log).trim([], events=1, nbytes=0)
    assert [] == held(log)


def test_bytes_are_taken_from_the_coldest() -> None:
    """An eighth more than need be, to trim seldom."""
    log = grown()
    for offset, project in enumerate(("cold", "hot", "cold", "hot", "hot", "hot", "hot", "hot")):
        grow(log, offset, said(line("x" * 100, project)))
    size = log.nbytes // 8
    log.trim([], events=FAR, nbytes=7 * size)
    assert ([], [1, 3, 4, 5, 6, 7]) == (offsets(held(log, "cold")), offsets(held(log, "hot")))
    assert sum(len(one.payload) for name in log.projects for one in held(log, name)) == log.nbytes


def test_a_hot_project_over_the_bound_keeps_its_newest() -> None:
    """Its viewers may have yet to be sent them; only the oldest go."""
    log = grown(*range(10, 26))
    size = log.nbytes // 16
    log.trim(log.projects.values(), events=FAR, nbytes=15 * size)
    assert [*range(13, 26)] == offsets(held(log))


def test_bytes_within_the_bound_stay() -> None:
    """Exactly at it, too."""
    log = grown(1, 2)
    log.trim(log.projects.values(), events=FAR, nbytes=log.nbytes)
    assert 2 == len(held(log))


def several(*projects: str) -> Log[str]:
    """Return a log with one event of each project, in this order."""
    log = grown()
    for offset, project in enumerate(projects):
        grow(log, offset, said(line(project=project)))
    return log


def test_the_coldest_projects_go_to_the_shelf() -> None:
    """As many as are too many, with their bytes."""
    log = settle(several("a", "b", "c"), "a", "b", "c")
    log.unload(projects=2)
    assert ["b", "c"] == list(log.projects)
    assert sum(project.timeline.nbytes for project in log.projects.values()) == log.nbytes
    assert "a" in log.shelved
    assert None is log.floor
    log.unload(projects=2)
    assert 2 == len(log.projects)


def test_whoever_is_watched_written_to_or_not_yet_kept_stays() -> None:
    """Somebody behind watches, too; a snapshot or an event that is not in the journal would be lost."""
    log = settle(several("watched", "pinned", "dirty", "fresh", "free"), "watched", "pinned", "free", "fresh")
    log.projects["watched"].channel.fall("ada")
    log.pinned = {"pinned"}
    grow(log, 9, said(line(project="fresh")))
    log.projects["fresh"].dirty = False
    log.unload(projects=0)
    assert ["watched", "pinned", "dirty", "fresh"] == list(log.projects)


def test_a_project_without_events_can_go() -> None:
    """Somebody asked for it and found nothing."""
    log = settle(grown(1))
    log.open("nothing")
    log.unload(projects=1)
    assert [PROJECT] == list(log.projects)


def test_without_a_journal_the_coldest_are_forgotten() -> None:
    """Memory is bounded whatever comes; the floor of all says so, and its fingerprint serves who missed nothing."""
    log = several("a", "b", "c", "d", "e")
    log.projects["b"].channel.fall("ada")
    log.open("nothing")
    log.unload(projects=2)
    assert ["b", "e"] == list(log.projects)
    assert Floor(place(3), mark(3)) == log.floor
    assert sum(project.timeline.nbytes for project in log.projects.values()) == log.nbytes
    assert [gap("below_floor"), whole(at(3))] == [log.judge("a", at(offset)) for offset in (0, 3)]
    assert gap("below_floor") == log.judge_beginning("unheard")


def test_a_journal_that_cant_be_written_holds_nothing_back() -> None:
    """What it lacks goes as any other, and floors tell of it; what it has tells of nothing."""
    log = settle(grown(1, 2))
    for offset in (3, 4, 5):
        grow(log, offset, said(line()))
    log.loose = True
    log.trim(log.projects.values(), events=3, nbytes=FAR)
    assert ([3, 4, 5], None) == (offsets(held(log)), log.floor_of(PROJECT))
    log.trim(log.projects.values(), events=1, nbytes=FAR)
    assert ([5], Floor(place(4), mark(4))) == (offsets(held(log)), log.floor_of(PROJECT))


def test_what_a_journal_has_goes_before_what_it_lacks() -> None:
    """It can still be read; a state that is not written yet is folded anew from the events that are."""
    log = settle(several("new", "old", "folded"), "old", "folded")
    log.projects["folded"].dirty = True
    log.loose = True
    grow(log, 9, said(line(project="new")))
    log.unload(projects=1)
    assert (["new"], None) == (list(log.projects), log.floor)
    log.unload(projects=0)
    assert ([], place(9)) == (list(log.projects), getattr(log.floor, "place", None))


def test_a_state_that_nobody_else_has_is_forgotten_last() -> None:
    """Its events were written, its snapshot never was, and the journal could not find it."""
    log = settle(several("fresh", "old"), "old")
    log.loose = True
    log.unload(projects=1)
    assert ["fresh"] == list(log.projects)
    log.unload(projects=0)
    assert place(0) == getattr(log.floor, "place", None)


def test_while_blind_memory_is_all_there_is() -> None:
    """What only the journal could tell is a gap meanwhile, and is whole again when it can be read."""
    log = restored(3, 4, projects=(PROJECT, "shelved"))
    log.floor = None
    log.floors.clear()
    adopted(log, 4, whole=False)
    adopted(log, 3, 4, whole=True, project="all here")
    before = [log.judge(project, at(3)) for project in (PROJECT, "shelved", "all here", "unheard")]
    log.blind = True
    assert [gap("below_floor"), whole(at(4))] == [log.judge(PROJECT, at(offset)) for offset in (3, 4)]
    assert [gap("below_floor"), whole(at(4, END, END))] == [
        log.judge("shelved", cursor) for cursor in (at(3), at(4, END, END))
    ]
    assert [whole(at(3))] * 2 == [log.judge(project, at(3)) for project in ("all here", "unheard")]
    log.raise_floor("all here", Floor(place(3), mark(3)))
    log.raise_floor(PROJECT, Floor(log.end_of(4)))
    assert [place(3), log.end_of(4)] == [getattr(log.floor_of(name), "place", 0) for name in ("all here", PROJECT)]
    log.floors.clear()
    log.blind = False
    assert [whole(at(3))] * 4 == before == [log.judge(name, at(3)) for name in (PROJECT, "shelved", "all here", "x")]


def test_a_snapshot_may_be_newer_than_all_events_that_are_left() -> None:
    """They were let go of before they were written; the state knows of them."""
    log = restored(3, 9)
    project = log.adopt(PROJECT, snapshot=None, place=place(7), since=[], newest=[entry(3)], whole=True)
    assert place(7) == project.place


def test_the_payload_is_what_travels() -> None:
    """An object on one line with the cursor as its id."""
    log = grown(7)
    (one,) = held(log)
    told = json.loads(one.payload)
    assert (str(at(7)), NOW, IDENTITY) == (told["id"], told["received_at"], decode(told["id"]).log)
    assert b"\n" not in one.payload


@pytest.mark.parametrize("cause", ["truncated", "recreated"])
def test_a_break_without_a_past_is_a_floor_all_the_same(cause: str) -> None:
    """Nobody can have been told anything that is still true."""
    log = grown()
    floor = log.break_(cause)  # type: ignore[arg-type]
    assert floor == log.floor == log.floor_of("anything")


def test_a_project_that_was_only_asked_for_is_let_go() -> None:
    """Strangers must not fill memory with names they made up; one that has events, viewers or a writer stays."""
    log: Log[str] = Log("t")
    log.open("asked")
    log.open("pinned")
    log.pinned = {"pinned"}
    watched = log.open("watched")
    watched.channel.fall("viewer")
    for name in ("asked", "pinned", "watched", "never"):
        log.forget_empty(name)
    assert {"pinned", "watched"} == log.projects.keys()
