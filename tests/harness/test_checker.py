"""The judge is judged first."""

import pytest

from tests.harness.checker import GAP, Gap, Report, check, check_all

LOG = ["a", "b", "c", "d", "e"]


def test_all_in_order_is_whole() -> None:
    """Nothing else is."""
    report = check(LOG, LOG)
    assert "whole" == report.verdict
    assert "whole: 0 gaps" == str(report)


@pytest.mark.parametrize(
    ("seen", "kind", "keys"),
    [
        (["a", "b", "d", "e"], "lost", ["c"]),
        (["a", "b", "c", "d"], "lost", ["e"]),
        (["b", "c", "d", "e"], "lost", ["a"]),
        ([], "lost", LOG),
        (["a", "b", "b", "c", "d", "e"], "repeated", ["b"]),
        (["a", "b", "c", "d", "e", "a"], "repeated", ["a"]),
        (["a", "c", "b", "d", "e"], "reordered", ["b"]),
        (["e", "d", "c", "b", "a"], "reordered", ["d", "c", "b", "a"]),
        (["a", "b", "x", "c", "d", "e"], "unexpected", ["x"]),
    ],
)
def test_each_sin_is_named(seen: list[str], kind: str, keys: list[str]) -> None:
    """One of them is enough to break the promise."""
    report = check(LOG, seen)
    assert keys == list(getattr(report, kind))
    assert "broken" == report.verdict
    assert f"{len(keys)} {kind}" in str(report)


def test_a_gap_covers_what_is_missing_at_its_place() -> None:
    """The viewer was told: that keeps the promise."""
    report = check(LOG, ["a", GAP, "d", "e"])
    assert ["b", "c"] == list(report.declared)
    assert ("declared", 1, []) == (report.verdict, report.gaps, list(report.lost))


def test_a_gap_covers_nothing_elsewhere() -> None:
    """What is missing before it or after its first event is lost."""
    assert ["b"] == list(check(LOG, ["a", "c", GAP, "e"]).lost)
    assert ["d"] == list(check(LOG, ["a", GAP, "c", "e"]).lost)


def test_a_gap_may_be_followed_by_a_tail_that_was_seen() -> None:
    """Snapshot and recent tail come again after it; within the tail nothing may be out of order or twice."""
    assert "declared" == check(LOG, ["a", "b", "c", GAP, "b", "c", "d", "e"]).verdict
    assert ["b"] == list(check(LOG, ["a", "b", "c", GAP, "c", "b", "d", "e"]).reordered)
    assert ["c"] == list(check(LOG, ["a", "b", "c", GAP, "c", "c", "d", "e"]).repeated)


def test_a_tail_that_begins_again_covers_nothing() -> None:
    """Whoever shows old events after a gap has to go on from there."""
    assert ["d"] == list(check(LOG, ["a", "b", "c", GAP, "b", "c", "e"]).lost)


def test_a_gap_at_either_end_covers_the_rest() -> None:
    """At the beginning what came before, at the end what did not come any more."""
    assert ["a", "b"] == list(check(LOG, [GAP, "c", "d", "e"]).declared)
    assert ["d", "e"] == list(check(LOG, ["a", "b", "c", GAP]).declared)
    assert LOG == list(check(LOG, [GAP, GAP]).declared)


def test_what_was_not_confirmed_may_come_or_not() -> None:
    """A publish that timed out is unknown, not failed; once seen it keeps its order like any other."""
    assert "whole" == check(LOG, ["a", "b", "d", "e"], unconfirmed={"c"}).verdict
    report = check(LOG, LOG, unconfirmed={"c"})
    assert ("whole", ["c"]) == (report.verdict, list(report.recovered))
    assert "broken" == check(LOG, ["a", "c", "b", "d", "e"], unconfirmed={"c"}).verdict


def test_a_viewer_may_begin_later() -> None:
    """What was before it came is its tail: it may be shown, and must then be in order."""
    assert "whole" == check(LOG, ["c", "d", "e"], begins=2).verdict
    assert "whole" == check(LOG, ["b", "c", "d", "e"], begins=2).verdict
    assert "broken" == check(LOG, ["d", "e"], begins=2).verdict
    assert "broken" == check(LOG, ["c", "b", "d", "e"], begins=2).verdict


def test_each_viewer_and_project_has_a_report() -> None:
    """An event of another project is as unexpected as one that was never published."""
    reports = check_all(
        {"p": ["p0", "p1"], "q": ["q0"]},
        {"ann": {"p": ["p0", "p1"], "q": ["q0"]}, "bob": {"p": ["p0"], "q": ["p1"]}},
    )
    assert {"ann/p": "whole", "ann/q": "whole", "bob/p": "broken", "bob/q": "broken"} == {
        name: report.verdict for name, report in reports.items()
    }
    assert ["p1"] == list(reports["bob/q"].unexpected)


def test_a_key_used_twice_is_the_publishers_fault() -> None:
    """Such a run proves nothing and must not look like a proof."""
    with pytest.raises(AssertionError, match="used a key twice"):
        check(["a", "a"], [])
    assert isinstance(check([], []), Report)
    assert isinstance(GAP, Gap)
