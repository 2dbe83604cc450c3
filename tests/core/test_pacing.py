import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayd.core.pacing import Governor, Pace, TokenBucket
from tests.protocol.strategies import quick

PACE = Pace(rate=100, burst=10)
pauses = st.floats(0, 0.5, allow_subnormal=False)
slowdowns = st.sampled_from([1.0, 2.0, 5.0, 10.0])


def taken(bucket: TokenBucket, now: float) -> int:
    """Return how many tokens can be taken one by one at once."""
    count = 0
    while bucket.take(now):
        count += 1
    return count


def test_what_comes_after_quiet_leaves_at_once() -> None:
    """A full bucket is a burst, and no quiet makes it more."""
    assert 10 == taken(TokenBucket(PACE, 0.0), 0.0)
    assert 10 == taken(TokenBucket(PACE, 0.0), 1_000.0)


def test_what_follows_comes_at_the_rate() -> None:
    """Half a second later half of the rate would be there, were the burst not less."""
    bucket = TokenBucket(PACE, 0.0)
    taken(bucket, 0.0)
    assert 5 == taken(bucket, 0.0501)
    assert 10 == taken(bucket, 0.5501)


def test_nothing_is_taken_when_there_is_not_enough() -> None:
    """A frame is not begun that can't be ended."""
    bucket = TokenBucket(PACE, 0.0)
    assert not bucket.take(0.0, 11)
    assert bucket.take(0.0, 10)


def test_a_slowdown_stretches_the_intervals() -> None:
    """Under overload the next frame is later and holds more."""
    bucket = TokenBucket(PACE, 0.0)
    taken(bucket, 0.0)
    assert 0.01 == bucket.due()
    assert 0.05 == pytest.approx(bucket.due(slowdown=5))
    assert 0.02 == pytest.approx(bucket.due(2))
    assert 1 == pytest.approx(bucket.refill(0.05, slowdown=5))
    assert 0.0 == bucket.due()


def test_a_clock_that_stands_still_adds_nothing() -> None:
    """Nor does one that goes back."""
    bucket = TokenBucket(PACE, 5.0)
    taken(bucket, 5.0)
    assert 0 == bucket.refill(5.0) == bucket.refill(4.0)


@quick
@given(st.floats(0, 1e6), st.lists(st.tuples(pauses, st.floats(0, 12), slowdowns), max_size=60))
def test_never_more_than_burst_and_rate(began: float, asked: list[tuple[float, float, float]]) -> None:
    """Between any two moments at most burst + rate · time come through."""
    bucket, now, spent = TokenBucket(PACE, began), began, [(began, 0.0)]
    for pause, count, slowdown in asked:
        now += pause
        if bucket.take(now, count, slowdown):
            spent.append((now, count))
    for first, (begin, _) in enumerate(spent):
        through = 0.0
        for end, count in spent[first:]:
            through += count
            assert through <= PACE.burst + PACE.rate * (end - begin) + 1e-3


@quick
@given(st.lists(pauses, max_size=20), st.floats(0.1, 10), slowdowns)
def test_what_is_due_is_there_in_time(quiet: list[float], count: float, slowdown: float) -> None:
    """Who waits as long as it was told gets what it waits for."""
    bucket, now = TokenBucket(PACE, 0.0), 0.0
    for pause in quiet:
        now += pause
        bucket.take(now, 7, slowdown)
    assert bucket.refill(now + bucket.due(count, slowdown), slowdown) >= count - 1e-9


@quick
@given(
    st.lists(st.tuples(pauses, st.sampled_from("ab"), st.integers(1, 12)), max_size=40),
    st.lists(st.tuples(pauses, st.integers(1, 12)), max_size=20),
)
def test_who_shares_a_bucket_gets_no_second_burst(
    apart: list[tuple[float, str, int]], together: list[tuple[float, int]]
) -> None:
    """However two groups spent theirs before they met, no member gets more than burst + rate · time."""
    buckets, now = {"a": TokenBucket(PACE, 0.0), "b": TokenBucket(PACE, 0.0)}, 0.0
    got: dict[str, list[tuple[float, int]]] = {"a": [], "b": []}
    for pause, name, count in apart:
        now += pause
        if buckets[name].take(now, count):
            got[name].append((now, count))
    buckets["a"].share(buckets["b"])
    for pause, count in together:
        now += pause
        if buckets["a"].take(now, count):
            for frames in got.values():
                frames.append((now, count))
    for frames in got.values():
        for first, (begin, _) in enumerate(frames):
            for last in range(first, len(frames)):
                through = sum(count for _, count in frames[first : last + 1])
                assert through <= PACE.burst + PACE.rate * (frames[last][0] - begin) + 1e-6


def test_an_idle_bucket_does_not_fill_a_spent_one() -> None:
    """The other group was quiet for long; who has just had its burst must wait all the same."""
    spent, idle = TokenBucket(PACE, 0.0), TokenBucket(PACE, 0.0)
    taken(spent, 1.0)
    idle.share(spent)
    assert 0 == taken(idle, 1.0)


def test_a_governor_begins_unhurried() -> None:
    """And looks twice a second only."""
    governor = Governor(0.0, 0.0)
    governor.spent(0.45, 0.49, 0.49)
    assert 1.0 == governor.slowdown


@pytest.mark.parametrize(
    ("load", "course"),
    [
        (0.2, [1, 1, 1]),
        (0.4, [1, 1, 1]),
        (0.5, [1, 1, 1]),
        (0.6, [2, 4, 5, 5]),
        (0.95, [2, 4, 8, 10, 10]),
    ],
)
def test_intervals_double_under_load(load: float, course: list[float]) -> None:
    """Above half, up to five times; out of breath, up to ten."""
    governor, slowdowns_seen = Governor(0.0, 0.0), []
    for second in range(len(course)):
        governor.spent(load, second + 1.0, load * (second + 1))
        slowdowns_seen.append(governor.slowdown)
    assert course == slowdowns_seen


def test_half_a_load_holds_what_is() -> None:
    """Between a quarter and a half nothing changes, so that it does not swing; nor does a limit pull it down."""
    governor = Governor(0.0, 0.0)
    for second in range(4):
        governor.spent(0.95, second + 1.0, second + 1.0)
    governor.spent(0.4, 5.0, 4.4)
    governor.spent(0.6, 6.0, 5.0)
    assert 10.0 == governor.slowdown


def test_out_of_breath_for_another_reason_intervals_double_too() -> None:
    """A storm of handshakes leaves no CPU: fewer, larger frames leave it some, until there is breath again."""
    governor = Governor(0.0, 0.0)
    governor.spent(0.1, 1.0, 0.95)
    governor.spent(0.1, 2.0, 1.90)
    assert 4.0 == governor.slowdown
    governor.spent(0.1, 3.0, 2.70)
    assert 2.0 == governor.slowdown


def test_a_governor_recovers() -> None:
    """Below a quarter the intervals shrink again, to the pace and not below."""
    governor = Governor(0.0, 0.0)
    for second in range(4):
        governor.spent(0.95, second + 1.0, second + 1.0)
    course = []
    for second in range(5):
        governor.spent(0.1, second + 5.0, 4.0 + 0.1 * (second + 1))
        course.append(governor.slowdown)
    assert [5, 2.5, 1.25, 1, 1] == course


@quick
@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1), st.floats(0, 1)), max_size=60))
def test_a_governor_is_bounded(flushes: list[tuple[float, float, float]]) -> None:
    """Whatever is spent when, it stays between one and ten, and ten quiet seconds bring it back."""
    governor, now, used = Governor(0.0, 0.0), 0.0, 0.0
    for passed, share, others in flushes:
        now += passed
        used += passed * max(share, others)
        governor.spent(passed * share, now, used)
        assert 1.0 <= governor.slowdown <= 10.0
    for _ in range(10):
        now += 1.0
        governor.spent(0.0, now, used)
    assert 1.0 == governor.slowdown
