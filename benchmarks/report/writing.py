"""Writes the report after each row, so that a run that is cut short leaves what it found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report.markdown import markdown
from benchmarks.report.plots import draw

__all__ = ["read", "write"]

NAME = "report"


def read(folder: Path) -> dict[str, Any]:
    """Return the rows of the last report, none if there is no report."""
    path = folder / f"{NAME}.json"
    if not path.exists():
        return {}
    rows: dict[str, Any] = json.loads(path.read_text())["rows"]
    return rows


def write(folder: Path, report: Mapping[str, Any]) -> None:
    """Write all files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    plots = draw(folder, report["rows"])
    (folder / f"{NAME}.md").write_text(markdown(report, plots))
