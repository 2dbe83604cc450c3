import time

from relayd.app.clock import SystemClock
from relayd.ports import Clock


def test_the_clocks_are_this_machine_s() -> None:
    """Unix seconds, and seconds that never go back."""
    clock: Clock = SystemClock()
    before = time.time(), time.monotonic()
    found = clock.now(), clock.monotonic()
    assert before[0] <= found[0] <= time.time()
    assert before[1] <= found[1] <= time.monotonic()
