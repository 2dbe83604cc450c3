from relayd.journal.ledger import Ledger


def test_a_project_is_crowded_above_the_bound() -> None:
    """Retention looks at those only."""
    ledger = Ledger(window=1, max_events=10)
    ledger.count(1, 10)
    ledger.count(2, 11)
    assert ledger.crowded == {2}


def test_losing_events_crowds_nobody() -> None:
    """A project whose oldest chunk is too large to go is looked at again when it has grown."""
    ledger = Ledger(window=1, max_events=10)
    ledger.count(1, 30)
    ledger.crowded.clear()
    ledger.count(1, -5)
    assert ledger.crowded == set()
    ledger.count(1, 1)
    assert ledger.crowded == {1}


def test_the_window_begins_where_its_keys_do() -> None:
    """The rows from there on hold at least the window; one row less would not."""
    ledger = Ledger(window=10, max_events=1)
    assert ledger.window_begin == 0
    for seq, keys in enumerate([4, 4, 4, 4, 2], start=1):
        ledger.remember(seq, keys)
    assert ledger.window_begin == 3
    ledger.remember(6, 99)
    assert ledger.window_begin == 6


def test_a_forgotten_project_leaves_nothing() -> None:
    """Its number may be another's tomorrow."""
    ledger = Ledger(window=1, max_events=1)
    ledger.numbers["a"] = 1
    ledger.count(1, 5)
    ledger.forget([(1, "a")])
    assert ({}, {}, set()) == (ledger.numbers, ledger.events, ledger.crowded)
