from relayd.conformance.clause import Clause
from relayd.doctor.finding import Mark

CLAUSE = Clause(3, "a resume is whole", "drop nothing")


def test_a_promise_is_kept_broken_or_not_known() -> None:
    """Each is one line that names the section; what was not checked is neither well nor not."""
    kept, broken, unknown = CLAUSE.judge([], "5 events"), CLAUSE.judge(["one"], ""), CLAUSE.unchecked("nobody is there")
    assert {"section 3, a resume is whole"} == {one.looked_at for one in (kept, broken, unknown)}
    assert [Mark.OK, Mark.BAD, Mark.SKIPPED] == [one.mark for one in (kept, broken, unknown)]
    assert ["5 events", "one", "not checked: nobody is there"] == [one.found for one in (kept, broken, unknown)]
    assert "drop nothing" == broken.mend


def test_many_mistakes_are_counted() -> None:
    """The first three are told, one that is made again is told once."""
    assert "a; b; c; and 2 more" == CLAUSE.judge(["a", "a", "b", "c", "d", "e"], "").found
