"""`make bench`: measures relayd beside the limit and its peers, and writes a report; the whole takes over an hour."""

import argparse
import os
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.measure.machine import commit, describe
from benchmarks.measure.processes import busy_seconds, cores, own_seconds
from benchmarks.native.build import build
from benchmarks.report.writing import read, write
from benchmarks.rows import ROWS, SELDOM
from benchmarks.rows.row import Bench, Result, Scale

__all__ = ["main"]

SETTLE = 2 / 3
"""Of a window's length is waited before it begins."""

RESULTS = Path(__file__).parent / "results"


def main(argv: list[str] | None = None) -> int:
    """Run the rows that are asked for; 1 when one of them failed."""
    asked = arguments(argv)
    names = asked.rows or [name for name in ROWS if name not in SELDOM]
    scale = Scale(
        quick=asked.quick,
        repeats=asked.repeat or (1 if asked.quick else 3),
        seconds=asked.seconds or (3.0 if asked.quick else 6.0),
        settle=asked.seconds * SETTLE if asked.seconds else 1.5 if asked.quick else 4.0,
        minutes=asked.minutes,
    )
    used = cores()
    machine = describe()
    os.sched_setaffinity(0, {used.load})
    report: dict[str, Any] = {
        "mode": "A quick look, good for spotting blunders only" if scale.quick else "Full runs; rows may be of several",
        "began": time.time(),
        "repeats": scale.repeats,
        "cores": vars(used),
        "machine": machine,
        "rows": read(asked.results) if asked.keep else {},
    }
    failed = False
    with tempfile.TemporaryDirectory(prefix="relayd-bench-") as folder:
        bench = Bench(Path(folder), build(Path(folder)), used, scale)
        for name in names:
            print(f"{name} …", flush=True)
            began, busy, own = time.monotonic(), busy_seconds(), own_seconds()
            row, error = measured(bench, name)
            failed |= error is not None
            took = time.monotonic() - began
            others = max(0.0, busy_seconds() - busy - (own_seconds() - own)) / took
            windows = {"seconds": scale.seconds, "runs": scale.repeats, "date": time.time()}
            run = {"error": error, "took": took, "others": others, "commit": commit(), **windows}
            report["rows"][name] = {**asdict(row), **run}
            write(asked.results, report)
            tell(row, error)
    print(f"the report is in {asked.results.name}/report.md")
    return int(failed)


def measured(bench: Bench, name: str) -> tuple[Result, str | None]:
    """Run one row; one that fails is told of and does not end the others."""
    try:
        return uvloop.run(ROWS[name](bench)), None
    except Exception as error:  # noqa: BLE001  # the other rows are still worth measuring
        traceback.print_exc()
        return Result(title=name), f"{type(error).__name__}: {error}".splitlines()[0]


def tell(row: Result, error: str | None) -> None:
    """Print what a row found."""
    if error is not None:
        print(f"  failed: {error}")
    for target in row.targets:
        verdict = {True: "met", False: "NOT MET", None: "not measured"}[target.met]
        print(f"  {target.what}: {target.figure} ({target.limit}) {verdict}")
    for note in row.notes:
        print(f"  {note}")
    sys.stdout.flush()


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Return what is asked for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short windows, one run each, few steps")
    parser.add_argument("--rows", type=names_of, metavar="A,B", help=f"only these: {', '.join(ROWS)}")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of a window; default 6, quick 3")
    parser.add_argument("--repeat", type=int, metavar="N", help="runs of each row; default 3, quick 1")
    parser.add_argument("--minutes", type=float, metavar="M", help="of the soak; default 30, quick a half")
    parser.add_argument("--keep", action="store_true", help="keep the other rows of the last report")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="where the report goes")
    return parser.parse_args(argv)


def names_of(text: str) -> list[str]:
    """Return names of rows; raises ArgumentTypeError."""
    names = text.split(",")
    if unknown := [name for name in names if name not in ROWS]:
        raise argparse.ArgumentTypeError(f"there is no row {unknown[0]!r}; choose from {', '.join(ROWS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
