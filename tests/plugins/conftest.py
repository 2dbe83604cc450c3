"""The sample package, installed as anybody installs one, into a folder of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "relayd-shout"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder; nothing is asked of any network."""
    # A build may leave files beside the sources.
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("plugin") / "relayd-shout")
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps",
            "--no-build-isolation", "--no-index", "--quiet", "--target", target, source,
        ],
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="session")
def environment(site: Path) -> dict[str, str]:
    """Give what lets a process find the package."""
    return {"PYTHONPATH": f"{site}{os.pathsep}{Path(__file__).parents[2]}"}
