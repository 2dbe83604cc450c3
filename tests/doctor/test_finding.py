import msgspec

from relayd.doctor.finding import Finding, Mark, bad, ok, skipped, warn


def test_a_finding_is_an_object_for_programs() -> None:
    """Its four fields, the mark as a word."""
    assert b'{"mark":"bad","looked_at":"a","found":"b","mend":"c"}' == msgspec.json.encode(bad("a", "b", mend="c"))


def test_what_is_well_has_no_mend() -> None:
    """Nor needs what was not looked at one."""
    assert Finding(mark=Mark.OK, looked_at="a", found="b") == ok("a", "b")
    assert ("warn", "c") == ((found := warn("a", "b", mend="c")).mark, found.mend)
    assert ("skip", "") == ((found := skipped("a", "b")).mark, found.mend)
