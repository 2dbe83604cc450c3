"""The journal: its folder, its disk, its file, and who uses it."""

import os
import shutil
from pathlib import Path

from msgspec import Struct

from relayd.config import Config
from relayd.doctor.finding import Finding, bad, ok, skipped, warn
from relayd.doctor.running import Running
from relayd.journal.inspection import Inspection, holder, inspect
from relayd.ports import JournalError

__all__ = ["Journal", "disk_of", "file_of", "folder_of", "journal_at", "use_of"]

MIB = 1 << 20
LEAST_FREE = 16 * MIB
"""With less a transaction and its checkpoint may not fit any more."""


class Journal(Struct, frozen=True, kw_only=True):
    """What was seen of it; neither an inspection nor a trouble where there is no file yet."""

    path: Path
    inspection: Inspection | None = None
    trouble: str = ""
    holder: int | None = None
    command: str = ""
    """What that process was started as, empty where that can't be seen."""


def journal_at(path: Path) -> Journal:
    """Return what is seen of a journal."""
    held = holder(path)
    command = _command(held) if held else ""
    try:
        return Journal(path=path, inspection=inspect(path), holder=held, command=command)
    except FileNotFoundError:
        return Journal(path=path, holder=held, command=command)
    except JournalError as error:
        return Journal(path=path, trouble=str(error), holder=held, command=command)


def folder_of(path: Path) -> Finding:
    """Say whether the journal's folder can be written by whoever looks."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return warn("journal's folder", f"{folder} is not there", mend="nothing, if the relay may make it at its start")
    if not os.access(folder, os.W_OK | os.X_OK):
        mend = "give relayd's user the right to write it, or set `journal.path` to another place"
        return bad("journal's folder", f"{folder} can't be written by this user", mend=mend)
    return ok("journal's folder", f"{folder} can be written")


def disk_of(config: Config, journal: Journal, *, free: int | None = None) -> Finding:
    """Say whether the disk has room for what the journal may become; `free` in bytes, else the disk is asked."""
    looked_at, folder = "journal's disk", journal.path.absolute().parent
    if free is None:
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            return skipped(looked_at, f"{folder}: {error.strerror}")
    size = 0 if journal.inspection is None else journal.inspection.size
    may_grow = max(0, config.journal.max_mib * MIB - size)
    found = f"{free / MIB:,.0f} MiB free, the journal may grow by {may_grow / MIB:,.0f} MiB"
    if free < LEAST_FREE:
        return bad(looked_at, found, mend="make room, or lower `journal.max_mib`; restart nothing")
    if free < may_grow:
        return warn(looked_at, found, mend="lower `journal.max_mib`, or make room before it gets there")
    return ok(looked_at, found)


def file_of(journal: Journal, *, now: float) -> Finding:
    """Say whether the file is a journal that this relayd can read, and what is in it."""
    looked_at, seen = f"journal {journal.path}", journal.inspection
    if journal.trouble:
        found, _, mend = journal.trouble.removeprefix(f"{looked_at}: ").rpartition(": ")
        return bad(looked_at, found or mend, mend=mend)
    if seen is None:
        return ok(looked_at, "there is none yet; the relay makes it at its start")
    if not seen.format:
        return ok(looked_at, "it is empty; the relay begins it at its start")
    newest = "" if seen.last_received is None else f", the newest {max(0.0, now - seen.last_received):.0f} s old"
    found = (
        f"format {seen.format}, {seen.size / MIB:.1f} MiB, {seen.events:,} events of {seen.projects:,} projects{newest}"
    )
    if seen.format < seen.newest_format:
        mend = "nothing: it is taken over at the next start; an older relayd can't read it any more then"
        return warn(looked_at, f"{found}; this relayd writes format {seen.newest_format}", mend=mend)
    return ok(looked_at, found)


def use_of(journal: Journal, running: Running) -> Finding:
    """Say which process uses the journal, and whether that is a relay."""
    looked_at, answers = "journal's process", running.scrape is not None
    if journal.holder is None:
        if answers:
            found = "no process uses it, though a relay answers"
            mend = "that relay has another configuration: give this one, or set `journal.path` to what it uses"
            return bad(looked_at, found, mend=mend)
        return ok(looked_at, "no process uses it")
    who = f"process {journal.holder}" if journal.holder else "a process of another namespace"
    if "relayd" in journal.command and answers:
        return ok(looked_at, f"{who} uses it, which is a relay")
    if not answers:
        found = f"{who} uses it ({journal.command or 'not to be seen from here'}), and no relay answers"
        mend = "a relay could not start: end that process, or give each its own `journal.path`"
        return bad(looked_at, found, mend=mend)
    if not journal.command:
        return ok(looked_at, f"{who} uses it, which can't be seen from here; a relay answers")
    mend = "end that process, or give each its own `journal.path`"
    return bad(looked_at, f"{who} uses it, which is no relay ({journal.command})", mend=mend)


def _command(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    # Arguments may hold anything; the program and its first words tell who it is.
    return " ".join(words[:4]).strip()
