"""What a running process has used, from /proc, and on which core programs run."""

import os
import resource
from pathlib import Path

__all__ = ["Cores", "busy_seconds", "cores", "cpu_seconds", "descriptors", "own_seconds", "pinned", "resident_bytes"]

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Cores:
    """The server has a core of its own; load, publisher and broker share the other."""

    def __init__(self, available: list[int]) -> None:
        """Choose among the cores that this process may use."""
        self.server = available[0]
        self.load = available[1] if len(available) > 1 else available[0]
        self.apart = len(available) > 1


def cores() -> Cores:
    """Return the cores of this machine as they are used here."""
    return Cores(sorted(os.sched_getaffinity(0)))


def pinned(core: int, argv: list[str]) -> list[str]:
    """Return a command that runs on one core only, with all its threads."""
    return ["taskset", "--cpu-list", str(core), *argv]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all living threads of a process; nanoseconds exact, unlike the ticks of /proc/pid/stat."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    return total / 1e9


def busy_seconds() -> float:
    """Return for how long all cores together were not idle, time stolen by other machines included."""
    user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_seconds() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def descriptors(pid: int) -> int:
    """Return how many files, sockets included, a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
