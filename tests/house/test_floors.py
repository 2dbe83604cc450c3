"""Imports go down only: import-linter holds the floors that pyproject.toml draws."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.house.tree import ROOT


def test_imports_go_down_only(tmp_path: Path) -> None:
    """No room knows a room beside or above it, type-only imports included."""
    command = shutil.which("lint-imports", path=sysconfig.get_path("scripts"))
    assert command is not None, f"import-linter is not installed beside {sys.executable}; run `make test`"
    done = subprocess.run(
        [command, "--cache-dir", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, f"an import goes up or sideways; move what both need to a lower floor:\n{done.stdout}"
