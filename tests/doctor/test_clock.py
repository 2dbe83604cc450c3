import pytest

from relayd.doctor.clock import clock_of, date_of


@pytest.mark.parametrize(
    ("ahead", "mark", "words"),
    [
        (0.0, "ok", "0.0 s"),
        (1.9, "ok", "1.9 s behind that of X"),
        (2.1, "warn", "behind"),
        (-3.0, "warn", "3.0 s ahead of"),
    ],
)
def test_clocks_may_differ_by_two_seconds(ahead: float, mark: str, words: str) -> None:
    """In either direction; beyond that tokens are judged wrong before long."""
    finding = clock_of(ahead, "that of X")
    assert mark == finding.mark
    assert words in finding.found
    assert bool(finding.mend) is (mark == "warn")


def test_a_date_is_the_middle_of_its_second() -> None:
    """A header names whole seconds."""
    assert 784_111_777.5 == date_of("Sun, 06 Nov 1994 08:49:37 GMT")
    assert date_of("yesterday") is None
    assert date_of("") is None
