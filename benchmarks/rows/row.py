"""What a row of the benchmark is given, and what it gives back."""

import math
import shutil
import statistics
import tempfile
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.load import Load
from benchmarks.measure.processes import Cores
from benchmarks.servers.bare import Bare

__all__ = ["DASH", "TIMES", "Bench", "Cell", "Result", "Run", "Scale", "Table", "Target", "median", "shown"]

TIMES, DASH = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"

Cell = str | float | int


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How long and how often is measured."""

    quick: bool
    repeats: int
    seconds: float
    """Of one window."""
    settle: float
    """Between the first event and the window: the relay's governor looks once a second."""
    minutes: float | None = None
    """Of the soak, where it was asked for."""

    def pick(self, full: Any, quick: Any) -> Any:  # noqa: ANN401  # whatever a row chooses between
        """Return one of two values."""
        return quick if self.quick else full


@dataclass(frozen=True, kw_only=True)
class Target:
    """A promise with the figure that was measured; `met` None: could not be measured."""

    what: str
    limit: str
    figure: str
    met: bool | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """Figures to read."""

    title: str
    head: Sequence[str]
    lines: Sequence[Sequence[Cell]]


@dataclass(kw_only=True)
class Result:
    """What a row found."""

    title: str
    targets: list[Target] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    series: dict[str, Any] = field(default_factory=dict)
    """For the plots."""
    samples: list[dict[str, Any]] = field(default_factory=list)
    """All that was measured."""


class Bench:
    """The place where rows run: programs, cores, folders."""

    def __init__(self, folder: Path, programs: dict[str, Path], cores: Cores, scale: Scale) -> None:
        """Put everything that is written into a folder."""
        self._folder = folder
        self._programs = programs
        self.cores = cores
        self.scale = scale

    def with_windows(self, *, seconds: float, settle: float) -> "Bench":
        """Return the same place with other windows."""
        scale = replace(self.scale, seconds=seconds, settle=settle)
        return Bench(self._folder, self._programs, self.cores, scale)

    def load(self) -> Load:
        """Return a load program that is not yet started."""
        return Load(self._programs["load"], self.cores.load, self._folder)

    def bare(self) -> Bare:
        """Return a bare loop that is not yet started."""
        return Bare(self._programs["sendloop"], self.cores.server)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder for a while."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def server_folder(self) -> Path:
        """Return a folder that its server removes."""
        return Path(tempfile.mkdtemp(dir=self._folder))


Run = Callable[[Bench], Coroutine[None, None, Result]]


def median(values: Iterable[float]) -> float:
    """Return the median of what is a number; NaN without any."""
    numbers = [value for value in values if not math.isnan(value)]
    return statistics.median(numbers) if numbers else float("nan")


def shown(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, without an exponent."""
    if math.isnan(value):
        return DASH
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{places}f}"
