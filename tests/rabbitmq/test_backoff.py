from relayd.rabbitmq.backoff import Backoff


def test_pauses_grow_to_the_limit() -> None:
    """A broker that comes back is found soon, one that stays away is not hammered."""
    backoff = Backoff(30.0)
    pauses = [backoff.pause() for _ in range(20)]
    assert 0.05 <= pauses[0] <= 0.1
    assert all(15 <= pause <= 30 for pause in pauses[-5:])


def test_it_begins_again_after_a_success() -> None:
    """The next loss has nothing to do with the last one."""
    backoff = Backoff(30.0)
    for _ in range(20):
        backoff.pause()
    backoff.reset()
    assert backoff.pause() <= 0.1


def test_relays_do_not_come_together() -> None:
    """Of many relays that lost the same broker hardly two come back at the same moment."""
    assert 100 == len({Backoff(30.0).pause() for _ in range(100)})


def test_a_small_limit_holds_from_the_start() -> None:
    """Tests and impatient operators get what they asked for."""
    assert Backoff(0.01).pause() <= 0.01
