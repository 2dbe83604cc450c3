"""The shipped unit and its drop-ins, by systemd's own tool."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.process import find

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = (FOLDER / "relayd.service").read_text(encoding="utf-8")
DROP_INS = ("rabbitmq.conf", "jwks.conf", "redis.conf")
THRESHOLD = 15
"""Tenths: an exposure of 1.5; what is left is the network, which a relay needs."""


@pytest.fixture(params=["relayd.service", "relayd@.service"])
def name(request: pytest.FixtureRequest) -> str:
    """The unit of one relay, and of one of several."""
    return str(request.param)


@pytest.fixture(params=["alone", *DROP_INS])
def unit(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The unit with an interpreter that this machine has, alone and with each drop-in."""
    written = (FOLDER / name).read_text(encoding="utf-8")
    path = tmp_path / name.replace("@", "@1")
    path.write_text(written.replace("/opt/relayd/venv/bin/python", sys.executable), encoding="utf-8")
    shutil.copy(FOLDER / "relayd.target", tmp_path)
    if request.param != "alone":
        (tmp_path / f"{name}.d").mkdir()
        shutil.copy(FOLDER / request.param, tmp_path / f"{name}.d")
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze and return what it said."""
    return subprocess.run([find("systemd-analyze"), *arguments], capture_output=True, text=True, check=False)


def test_systemd_understands_every_line(unit: Path) -> None:
    """A directive that is misspelt is a warning to systemd and a hole to us."""
    said = analyze("verify", "--man=no", unit)
    assert (0, "") == (said.returncode, said.stderr)


def test_the_unit_is_a_tight_one(unit: Path) -> None:
    """A daemon that faces the network can do little else."""
    said = analyze("security", "--offline=true", f"--threshold={THRESHOLD}", unit)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("name", DROP_INS)
def test_a_drop_in_only_adds(name: str) -> None:
    """It resets nothing of the unit's: an empty assignment would."""
    drop_in = (FOLDER / name).read_text(encoding="utf-8")
    assert [] == re.findall(r"^\w+=$", drop_in, re.MULTILINE)


def test_a_configuration_that_can_not_work_is_not_tried_again() -> None:
    """The relay ends with 78; systemd heeds the list for the main process alone, so nothing checks it before."""
    assert [] == re.findall(r"^ExecStartPre=", UNIT, re.MULTILINE)
    assert re.search(r"^RestartPreventExitStatus=.*\b78\b", UNIT, re.MULTILINE)


def test_nothing_secret_is_given_by_environment_or_arguments() -> None:
    """Both can be read by others; credentials can't."""
    assert "LoadCredential=jwt_key:" in UNIT
    assert not re.search(r"^Environment", UNIT, re.MULTILINE)
