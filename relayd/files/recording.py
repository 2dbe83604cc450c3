"""
Recordings in files: lines of JSON, compressed where the name ends in `.gz`.

Law 1: a file is there whole or not at all: it gets its name when its last line is written.
Law 2: of a recording of any length one line is in memory.
"""

import gzip
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from relayd.protocol.messages import Event
from relayd.protocol.recording import BadRecording, End, Head, read_recording

__all__ = ["Sink", "Survey", "events_of", "survey", "writing"]

MAX_LINE = 16 * 1024 * 1024
"""Bytes; an event is far smaller, but the state of a crowded project is one line."""

GZIP = b"\x1f\x8b"


class Sink(Protocol):
    """What a recording is written to."""

    def write(self, data: bytes, /) -> int:
        """Write all of it."""
        ...


class Source(Protocol):
    """What a recording is read from."""

    def readline(self, size: int, /) -> bytes:
        """Return a line with its line feed, or the first `size` bytes of one that is longer; empty at the end."""
        ...


class Survey(Struct, frozen=True):
    """What is known of a recording once all of it was read and found good; times in Unix seconds."""

    head: Head
    end: End
    first: float
    last: float


def survey(path: Path) -> Survey:
    """Read a recording from end to end; raises BadRecording, OSError."""
    head: Head | None = None
    end: End | None = None
    first, last = float("inf"), 0.0
    for said in read_recording(lines_of(path)):
        if isinstance(said, Head):
            head = said
        elif isinstance(said, End):
            end = said
        else:
            first, last = min(first, said.timestamp), max(last, said.timestamp)
    assert head is not None, "a recording without it is none"  # noqa: S101  # for the type
    assert end is not None, "it would have been refused"  # noqa: S101  # for the type
    return Survey(head, end, min(first, last), last)


def events_of(path: Path) -> Iterator[Event]:
    """Yield the events of a recording in the log's order; raises BadRecording, OSError."""
    for said in read_recording(lines_of(path)):
        if not isinstance(said, Head | End):
            yield said


def lines_of(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, compressed or not; raises BadRecording, OSError."""
    with path.open("rb") as plain:
        packed = plain.read(len(GZIP)) == GZIP
        plain.seek(0)
        if not packed:
            yield from bounded(plain)
            return
        number = 0
        with gzip.GzipFile(fileobj=plain) as file:
            try:
                for number, line in enumerate(bounded(file), 1):  # noqa: B007  # for the sentence below
                    yield line
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                sentence = f"line {number + 1}: the compressed file is damaged or cut off ({error}); copy it again"
                raise BadRecording(sentence) from error


def bounded(file: Source) -> Iterator[bytes]:
    """Yield lines; raises BadRecording for one that is too long to be a recording's."""
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE:
            raise BadRecording(f"line {number}: is longer than {MAX_LINE} bytes, so this is no recording")
        yield line


@contextmanager
def writing(path: Path) -> Generator[Sink]:
    """Give a file to write; it takes its name when the block ends well, else nothing is left.  Raises OSError."""
    new = path.with_name(f"{path.name}.part")
    try:
        with ExitStack() as stack:
            file = stack.enter_context(new.open("wb"))
            if path.suffix == ".gz":
                # Without name and time in it the same events are the same bytes.
                packed = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
                yield stack.enter_context(packed)
            else:
                yield file
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
