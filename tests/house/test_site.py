"""The documentation as a site: every page is in it, and every link and heading that it names is there."""

import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """A link that leads nowhere is a warning, and a warning is a failure."""
    built = subprocess.run(
        [sys.executable, ROOT / "scripts" / "site", tmp_path], capture_output=True, text=True, check=False
    )
    assert (0, "", "") == (built.returncode, built.stdout, built.stderr)
    pages = {str(path.relative_to(ROOT).with_suffix(".html")) for path in (ROOT / "docs").rglob("*.md")}
    assert set() == pages - {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.html")}
    assert "Run it" in (tmp_path / "index.html").read_text(encoding="utf-8")
