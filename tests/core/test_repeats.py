from time import process_time

from hypothesis import given
from hypothesis import strategies as st

from relayd.core.repeats import Foresight, RepeatWindow, repeat_key
from tests.protocol.strategies import quick


def test_a_key_fits_a_signed_column() -> None:
    """The journal keeps it as an integer of 64 bits with a sign."""
    assert all(0 <= repeat_key(f"id {number}") < 2**63 for number in range(100))


def test_any_text_has_a_key() -> None:
    """Half a surrogate pair is a text, too, and another text has another key."""
    assert repeat_key("\ud800") != repeat_key("\ud801")


def test_a_key_is_the_same_in_every_process() -> None:
    """The journal brings keys back that an earlier process made."""
    assert 990_393_640_868_614_081 == repeat_key("message 1")


def test_the_oldest_gives_way() -> None:
    """A repeat that comes later than the window is long is a new event."""
    window = RepeatWindow(2)
    window.remember([1, 2, 3])
    assert [2, 3] == list(window)
    assert 1 not in window
    assert 2 == len(window)


def test_a_key_seen_again_keeps_its_old_place() -> None:
    """A repeat does not make the window longer, else it would depend on how often somebody tries."""
    window = RepeatWindow(2)
    window.remember([1, 2, 1, 3])
    assert [2, 3] == list(window)


def test_a_restored_window_has_the_order_in_which_keys_would_go() -> None:
    """A whole window that was written behind an outage says it, whatever was written before."""
    window = RepeatWindow(3)
    window.remember([9, 1, 2, 3, 9])
    assert [2, 3, 9] == list(window)
    restored = RepeatWindow(3)
    restored.restore([9, *window, 4])
    window.remember([4])
    assert [3, 9, 4] == list(window) == list(restored)


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 40), st.integers(1, 6))
def test_a_window_that_was_written_whole_restores_as_it_was(keys: list[int], cut: int, size: int) -> None:
    """Whenever that was, and whatever was remembered before and behind it."""
    window, written = RepeatWindow(size), []
    for number, key in enumerate(keys):
        if number == cut:
            written += list(window)
        if key not in window:
            written.append(key)
        window.remember([key])
    restored = RepeatWindow(size)
    restored.restore(written)
    assert list(window) == list(restored)


def test_a_cleared_window_knows_nothing() -> None:
    """And it goes on as a new one would."""
    window = RepeatWindow(2)
    window.remember([1, 2])
    window.clear()
    assert 1 not in window
    window.remember([3, 4, 5])
    assert [4, 5] == list(window)


def test_foresight_leaves_the_window_as_it_is() -> None:
    """A batch that is not applied has not been seen."""
    window = RepeatWindow(2)
    window.remember([1, 2])
    foresight = Foresight(window)
    foresight.remember(3)
    assert [False, True, True] == [key in foresight for key in (1, 2, 3)]
    assert [1, 2] == list(window)


def test_a_batch_may_be_larger_than_the_window() -> None:
    """Its own first keys are forgotten, too, and may come again."""
    foresight = Foresight(RepeatWindow(2))
    for key in (1, 2, 3):
        foresight.remember(key)
    assert [False, True, True] == [key in foresight for key in (1, 2, 3)]
    foresight.remember(1)
    assert [True, False, True] == [key in foresight for key in (1, 2, 3)]


@quick
@given(st.integers(1, 6), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=60))
def test_where_batches_end_does_not_matter(size: int, keys: list[tuple[int, bool]]) -> None:
    """What is a repeat is a function of the log alone: replicas cut it into other batches."""
    one_by_one, in_batches = RepeatWindow(size), RepeatWindow(size)
    foresight, new = Foresight(in_batches), list[int]()
    for key, ends in keys:
        repeated = key in one_by_one
        assert repeated == (key in foresight)
        if not repeated:
            one_by_one.remember([key])
            foresight.remember(key)
            new.append(key)
        if ends:
            in_batches.remember(new)
            foresight, new = Foresight(in_batches), []
    in_batches.remember(new)
    assert list(one_by_one) == list(in_batches)


@quick
@given(st.integers(1, 6), st.lists(st.integers(0, 9), max_size=60), st.integers(0, 60))
def test_a_restart_restores_the_window(size: int, keys: list[int], more: int) -> None:
    """The newest keys that were new, at least as many as the window has, are all it takes."""
    window, kept = RepeatWindow(size), list[int]()
    for key in keys:
        if key not in window:
            window.remember([key])
            kept.append(key)
    restored = RepeatWindow(size)
    restored.remember(kept[-size - more :])
    assert list(window) == list(restored)


def test_a_full_window_costs_about_as_much_as_one_that_fills() -> None:
    """A dict whose first key is deleted again and again gets a hundred times slower; a busy machine does not."""
    window = RepeatWindow(50_000)
    seconds = []
    for keys in (range(50_000), range(50_000, 100_000)):
        began = process_time()
        window.remember(keys)
        seconds.append(process_time() - began)
    fills, slides = seconds
    assert 20 * fills > slides
