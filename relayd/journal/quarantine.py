"""Where a file goes that can't be trusted any more: beside its old place, under a name with the time."""

import re
from datetime import UTC, datetime
from pathlib import Path

from relayd.ports import Aside

__all__ = ["move_aside", "moved_aside"]

KEPT = 3
"""So many stay, the newest, for somebody to look at."""

COMPANIONS = ("", "-wal", "-shm")


def move_aside(path: Path, now: float) -> Aside | None:
    """Move a file and its companions out of the way and delete the oldest moved before; None where there is none."""
    target = free_name(path, now)
    # The file itself first: a write-ahead log without its file is nothing, a file without its log is another file.
    moved = [name for name in COMPANIONS if rename(beside(path, name), beside(target, name))]
    if not moved:
        return None
    found: dict[str, list[Path]] = {}
    for one in moved_aside(path):
        found.setdefault(stamp_of(path, one), []).append(one)
    gone = [one for stamp in sorted(found)[:-KEPT] for one in found[stamp]]
    for one in gone:
        one.unlink()
    return Aside(str(target), [one.name for one in gone])


def moved_aside(path: Path) -> list[Path]:
    """Return the files that were moved out of the way, companions included, by name."""
    return [one for one in sorted(path.parent.iterdir()) if stamp_of(path, one)]


def stamp_of(path: Path, other: Path) -> str:
    """Return the time in the name of a file that was moved out of the way, empty for any other file."""
    match = re.fullmatch(re.escape(path.name) + r"\.damaged-(\d{8}T\d{6}Z(?:\.\d+)?)(-wal|-shm)?", other.name)
    return "" if match is None else match[1]


def free_name(path: Path, now: float) -> Path:
    """Return a name that nobody has, which sorts behind those of before."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    target, number = path.with_name(f"{path.name}.damaged-{stamp}"), 0
    while any(beside(target, name).exists() for name in COMPANIONS):
        number += 1
        target = path.with_name(f"{path.name}.damaged-{stamp}.{number}")
    return target


def beside(path: Path, companion: str) -> Path:
    """Return the path of a file's companion."""
    return path.with_name(path.name + companion)


def rename(old: Path, new: Path) -> bool:
    """Rename a file; tell whether there was one."""
    try:
        old.rename(new)
    except FileNotFoundError:
        return False
    return True
