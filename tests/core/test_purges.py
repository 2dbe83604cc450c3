from msgspec.structs import replace

from relayd.core.purges import Purge, Purges
from relayd.protocol.cursor import Place
from tests.core.words import PROJECT, entry, line, mark, place

EVENT = Purge(epoch=0, offset=3, item=1, fingerprint=mark(3), project_id=PROJECT)
WHOLE = Purge(epoch=0, offset=5, item=None, fingerprint=mark(5), project_id=PROJECT, owner="ada")


def test_nothing_is_hidden_while_nothing_was_removed() -> None:
    """One comparison says so."""
    purges = Purges()
    assert (0, -1) == (len(purges), purges.reach)
    assert not purges.hides(place(0), PROJECT)
    held = [entry(1)]
    assert held is purges.left(PROJECT, held)


def test_an_event_is_hidden_with_all_that_came_of_it() -> None:
    """All its messages, whatever project they speak for, and nothing beside it."""
    purges = Purges([EVENT])
    assert 3 == purges.reach
    assert [True, True] == [purges.hides(place(3, 1, part), name) for part, name in ((0, PROJECT), (7, "other"))]
    assert purges.hides(place(3, 1), None, mark(3))
    for beside in (place(3), place(3, 2), place(2, 1), place(4, 1), place(3, 1, epoch=1)):
        assert not purges.hides(beside, PROJECT)


def test_another_body_at_the_same_place_is_not_hidden() -> None:
    """It is another log, whatever its places are."""
    assert not Purges([EVENT]).hides(place(3, 1), PROJECT, mark(4))
    purges = Purges([WHOLE])
    assert not purges.hides(place(5), PROJECT, mark(4))
    assert purges.hides(place(5), PROJECT, mark(5))
    # Where it is not known which body stood there, the place says it.
    assert Purges([replace(WHOLE, fingerprint=b"")]).hides(place(5), PROJECT, mark(4))


def test_a_project_is_hidden_up_to_a_place() -> None:
    """With what it said in a log before; not what comes behind it, and nobody else."""
    purges = Purges([replace(WHOLE, epoch=1)])
    assert purges.hides(place(0, epoch=1), PROJECT)
    assert purges.hides(place(5, 9, 9, epoch=1), PROJECT)
    assert purges.hides(place(5, epoch=0), PROJECT, mark(9))
    assert purges.hides(place(99, epoch=0), PROJECT)
    assert not purges.hides(place(6, epoch=1), PROJECT)
    assert not purges.hides(place(0, epoch=2), PROJECT)
    assert not purges.hides(place(0, epoch=1), "other")
    assert not purges.hides(place(0, epoch=1), None)


def test_what_is_left_may_be_shown() -> None:
    """In its order."""
    held = [entry(offset) for offset in (1, 5, 6)]
    assert held[2:] == Purges([WHOLE]).left(PROJECT, held)
    assert held == Purges([WHOLE]).left("other", held)


def test_a_project_stands_for_its_events() -> None:
    """So that purging it makes room; those of others and those behind it stay."""
    later = replace(EVENT, offset=6)
    foreign = replace(EVENT, project_id="other")
    mute = replace(EVENT, item=2, project_id=None)
    purges = Purges([EVENT, later, mute, WHOLE])
    assert [WHOLE, later, mute] == list(purges.all())
    assert 3 == len(purges)
    # One raw event that spoke for two projects is kept for the other's sake.
    assert [WHOLE, EVENT, foreign] == list(Purges([EVENT, foreign, WHOLE]).all())


def test_a_later_purge_of_a_project_takes_the_place_of_the_one_before() -> None:
    """It reaches further."""
    later = replace(WHOLE, offset=9)
    purges = Purges([WHOLE, later])
    assert [later] == list(purges.all())
    assert later == purges.of(PROJECT)
    assert purges.of("other") is None


def test_purges_of_an_event_are_found_in_any_epoch() -> None:
    """By the body that stands there."""
    older = replace(EVENT, epoch=1)
    purges = Purges([EVENT, older, replace(EVENT, offset=4)])
    assert [EVENT, older] == list(purges.at(3, 1, mark(3)))
    assert [] == list(purges.at(3, 1, mark(4)))


def test_a_project_begins_with_who_may_see_it() -> None:
    """And with nothing else; one that was nobody's begins like any other."""
    state = Purges([WHOLE]).state(PROJECT)
    assert state is not None
    assert ("ada", None, {}) == (state.owner, state.team, state.counts)
    assert Purges([WHOLE]).state("other") is None
    assert Purges([replace(WHOLE, owner=None)]).state(PROJECT) is None
    of_team = Purges([replace(WHOLE, owner=None, team="blue")]).state(PROJECT)
    assert of_team is not None
    assert "blue" == of_team.team


def test_purges_of_an_older_log_end_with_it() -> None:
    """A journal says which log it is; without one they are taken for those of the log that is there."""
    newer = replace(EVENT, epoch=2)
    assert [newer] == list(Purges([WHOLE, newer]).of_log(1, known=True, end=None).all())
    assert [replace(newer, epoch=0)] == list(Purges([newer]).of_log(0, known=False, end=None).all())


def test_a_log_that_ends_before_a_purge_is_new_behind_its_end() -> None:
    """A backup of a journal that is the log: what is written from there on was never removed."""
    cut = replace(WHOLE, offset=4, fingerprint=b"")
    assert [cut, EVENT] == list(Purges([WHOLE, EVENT]).of_log(0, known=True, end=4).all())
    assert [replace(WHOLE, offset=2, fingerprint=b"")] == list(
        Purges([WHOLE, EVENT]).of_log(0, known=True, end=2).all()
    )
    assert [] == list(Purges([WHOLE, EVENT]).of_log(0, known=True, end=-1).all())


def test_what_retention_has_passed_need_not_be_remembered() -> None:
    """It can't come back."""
    floor = Place(0, 4, 0x10000)
    assert [WHOLE] == list(Purges([WHOLE, EVENT]).behind(floor).all())
    assert [] == list(Purges([WHOLE, EVENT]).behind(Place(0, 5, 0x10000)).all())
    assert [replace(EVENT, epoch=1)] == list(Purges([replace(EVENT, epoch=1)]).behind(Place(0, 5, 0x10000)).all())


def test_what_a_purge_removes_stands_between_its_places() -> None:
    """All parts of one raw event, or everything up to the end of a body."""
    assert EVENT.after < place(3, 1) < place(3, 1, 9) < EVENT.before
    assert not EVENT.after < place(3, 0, 9)
    assert not place(3, 2) < EVENT.before
    assert WHOLE.after < place(0) < place(5, 10_000, 9) < WHOLE.before
    assert not place(6) < WHOLE.before
    assert line().project_id == PROJECT


def test_one_that_names_nothing_hides_nothing() -> None:
    """Neither an event nor a project: there is nothing to remember."""
    assert 0 == len(Purges([replace(WHOLE, project_id=None)]))
