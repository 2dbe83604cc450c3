"""What memory a process has taken, as the kernel tells (proc(5))."""

from pathlib import Path

__all__ = ["MEBIBYTE", "forget_peak", "memory"]

MEBIBYTE = 2**20


def memory(pid: int, what: str) -> int:
    """Return a figure of `/proc/<pid>/status` in bytes: VmRSS is what it has now, VmHWM the most it has had."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (line,) = [line for line in status.splitlines() if line.startswith(f"{what}:")]
    return int(line.split()[1]) * 1024


def forget_peak(pid: int) -> None:
    """Let VmHWM begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
