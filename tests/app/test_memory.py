import mmap

import pytest

from relayd.app.memory import Headroom, resident
from relayd.testing.world import FakeClock

MIB = 1024 * 1024


class Process:
    """A process whose memory the test says, in MiB, and that counts how often it is asked."""

    def __init__(self, used: float) -> None:
        self.used = used
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return int(self.used * MIB)


def test_it_is_short_above_the_bound_until_it_is_well_below() -> None:
    """Between 95 % and the bound it stays as it is, whichever way it came there."""
    clock, process = FakeClock(), Process(0)
    headroom = Headroom(100, clock, used=process)
    seen = []
    for process.used in (90, 99, 100, 101, 99, 96, 95, 96, 100, 101):
        seen.append(headroom.short())
        clock.advance(1)
    assert [False, False, False, True, True, True, False, False, False, True] == seen


def test_it_is_looked_at_once_a_second() -> None:
    """A thousand handshakes cost one look."""
    clock, process = FakeClock(), Process(200)
    headroom = Headroom(100, clock, used=process)
    assert {True} == {headroom.short() for _ in range(1_000)}
    assert 1 == process.asked
    process.used = 1
    clock.advance(0.9)
    assert headroom.short()
    clock.advance(0.1)
    assert not headroom.short()


def test_without_a_bound_nobody_looks() -> None:
    """It is the default, and there is nothing to tell."""
    process = Process(1e9)
    headroom = Headroom(0, FakeClock(), used=process)
    assert (False, None, None) == (headroom.short(), headroom.trouble(), headroom.gauge())
    assert 0 == process.asked


def test_operators_are_told_which_setting_and_what_helps() -> None:
    """While it is short; and the gauge says the same."""
    clock, process = FakeClock(), Process(101)
    headroom = Headroom(100, clock, used=process)
    told = headroom.trouble() or ""
    for part in ("server.max_memory_mib = 100 MiB", "95%", "memory.timeline_mib"):
        assert part in told
    assert 1.0 == headroom.gauge()
    process.used = 10
    clock.advance(1)
    assert (None, 0.0) == (headroom.trouble(), headroom.gauge())


def test_a_new_bound_holds_from_the_next_look() -> None:
    """An operator who raises it opens the doors."""
    clock, process = FakeClock(), Process(101)
    headroom = Headroom(100, clock, used=process)
    assert headroom.short()
    headroom.limit = 200
    clock.advance(1)
    assert not headroom.short()


def test_the_system_tells_how_much_it_is() -> None:
    """An interpreter has some megabytes; what it asks for is counted when it touches it."""
    before = resident()
    assert 5 * MIB < before
    with mmap.mmap(-1, 64 * MIB) as held:
        assert pytest.approx(before, abs=16 * MIB) == resident()
        held[::4096] = bytes(len(held) // 4096 * [1])
        assert pytest.approx(before + len(held), abs=16 * MIB) == resident()
