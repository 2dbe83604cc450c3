import time

from relayd.app.clock import SystemClock
from relayd.ports import Clock


def test_the_clocks_are_this_machine_s() -> None:
    """Unix seconds, seconds that never go back, and the thread's own work, to which sleep adds nothing."""
    clock: Clock = SystemClock()
    before = time.time(), time.monotonic(), time.thread_time()
    time.sleep(0.05)
    found = clock.now(), clock.monotonic(), clock.spent()
    assert before[0] <= found[0] <= time.time()
    assert before[1] <= found[1] <= time.monotonic()
    assert before[2] <= found[2] <= time.thread_time()
    assert found[2] - before[2] < found[1] - before[1]
