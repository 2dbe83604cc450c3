"""Compiles the two programs in C into a folder that goes away."""

import shutil
import subprocess
from pathlib import Path

__all__ = ["build"]

HERE = Path(__file__).parent
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]


def build(folder: Path) -> dict[str, Path]:
    """Return the programs `load` and `sendloop`; raises RuntimeError without a compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError(
            "the load and the bare loop are written in C, and there is no gcc; run scripts/install-bench"
        )
    made = {}
    for name in ("load", "sendloop"):
        made[name] = folder / name
        subprocess.run([compiler, *FLAGS, "-o", str(made[name]), str(HERE / f"{name}.c")], check=True)
    return made
