"""A wall clock that a test sets for a program, with Debian's `libfaketime`; what only counts seconds stays true."""

from collections.abc import Mapping
from pathlib import Path

from tests.harness.process import MEND

__all__ = ["WallClockOf"]

LIBRARIES = Path("/usr/lib")
LIBRARY = "*/faketime/libfaketime.so.1"
"""Where Debian keeps it; the star stands for the machine's kind."""


class WallClockOf:
    """The clock of whatever is started with its `env`; raises RuntimeError with the mend where the library is not."""

    def __init__(self, folder: Path) -> None:
        """Begin right."""
        library = next(LIBRARIES.glob(LIBRARY), None)
        if library is None:
            raise RuntimeError(f"libfaketime is not installed, and this test sets the clock with it; {MEND}")
        self._file = folder / "clock"
        self.env: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            # Looked at each time, so that the clock is set at once.
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        """Set it so many seconds off the right time."""
        # In one step: a file that is half written would be read as a time.
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n", encoding="ascii")
        fresh.rename(self._file)
