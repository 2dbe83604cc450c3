from collections import Counter

import pytest

from relayd.core.rounds import Rounds


def turns(rounds: Rounds[int], *, begin: float, seconds: float, interval: float, tick: float) -> list[list[int]]:
    """Return whose turn it was at each look."""
    steps = round(seconds / tick)
    return [rounds.turn(begin + number * tick, interval) for number in range(1, steps + 1)]


@pytest.mark.parametrize(("interval", "tick"), [(60.0, 0.25), (1.0, 0.05), (3_600.0, 15.0), (7.0, 0.3)])
def test_everybody_has_a_turn_once_in_an_interval(interval: float, tick: float) -> None:
    """However often it is looked; and never two at once who could have come one after the other."""
    rounds: Rounds[int] = Rounds()
    for number in range(Rounds.SLOTS):
        rounds.enter(number, 0.0)
    rounds.turn(0.0, interval)
    looks = turns(rounds, begin=0.0, seconds=4 * interval + tick, interval=interval, tick=tick)
    counted = Counter(one for look in looks for one in look)
    assert set(range(Rounds.SLOTS)) == set(counted)
    assert {4, 5} >= set(counted.values())
    slots_a_look = max(1, -(-Rounds.SLOTS * tick // interval))
    assert max(map(len, looks)) <= slots_a_look + 1


def test_ten_thousand_who_come_at_once_are_spread() -> None:
    """No slot holds more than its part, and who comes later fills what was left."""
    rounds: Rounds[int] = Rounds()
    for number in range(10_000):
        rounds.enter(number, 0.0)
    rounds.turn(0.0, 60)
    looks = turns(rounds, begin=0.0, seconds=60, interval=60, tick=0.25)
    assert 10_000 == sum(map(len, looks))
    assert {41, 42} == set(map(len, looks))
    for number in looks[7]:
        rounds.leave(number)
    newcomers = range(20_000, 20_000 + len(looks[7]))
    for number in newcomers:
        rounds.enter(number, 0.0)
    again = turns(rounds, begin=60.0, seconds=60, interval=60, tick=0.25)
    assert set(newcomers) == set(again[7])


def test_a_pause_of_our_own_is_not_made_up_for() -> None:
    """A machine that was stopped for an hour asks nobody in a burst."""
    rounds: Rounds[int] = Rounds()
    for number in range(2_400):
        rounds.enter(number, 0.0)
    rounds.turn(0.0, 60)
    assert 40 == len(rounds.turn(3_600.0, 60))
    assert 10 == len(rounds.turn(3_600.25, 60))


def test_a_round_is_never_more_than_everybody() -> None:
    """Where the interval is shorter than the look."""
    rounds: Rounds[int] = Rounds()
    rounds.enter(1, 0.0)
    rounds.turn(0.0, 0.1)
    assert [1] == rounds.turn(1.0, 0.1)


def test_who_has_left_has_no_turn() -> None:
    """And may leave again."""
    rounds: Rounds[int] = Rounds()
    rounds.enter(1, 0.0)
    rounds.leave(1)
    rounds.leave(1)
    rounds.turn(0.0, 1)
    assert (0, []) == (len(rounds), rounds.turn(1.0, 1))


def test_it_is_known_since_when_all_is_well() -> None:
    """From the moment somebody came, and from each confirmation on; of who has left nothing is."""
    rounds: Rounds[int] = Rounds()
    rounds.enter(1, 5.0)
    assert 10.0 == rounds.unconfirmed(1, 15.0)
    rounds.confirm(1, 15.0)
    assert 1.0 == rounds.unconfirmed(1, 16.0)
    rounds.leave(1)
    rounds.confirm(1, 17.0)
    assert (None, 0) == (rounds.unconfirmed(1, 18.0), len(rounds))
