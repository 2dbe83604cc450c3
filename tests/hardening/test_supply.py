"""What comes from others: packages, their hashes and their holes; each test's sentence tells the attack."""

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import aiohttp.http_parser
import pytest
from cyclonedx.model.bom import Bom

from tests.house.tree import ROOT

LOCK = (ROOT / "requirements" / "run.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", ["run.lock", "dev.lock", "bench.lock"])
def test_a_package_that_was_exchanged(lock: str) -> None:
    """Each package of a lock is pinned and hashed, so another file of that name is refused by whoever installs."""
    entries = (ROOT / "requirements" / lock).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert [] == [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert "--require-hashes" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_parser_of_requests_is_the_careful_one() -> None:
    """The library's parser in Python has been fooled more often than llhttp; what is locked brings the latter."""
    assert "aiohttp._http_parser" == aiohttp.http_parser.HttpRequestParser.__module__


def test_what_a_release_is_made_of(tmp_path: Path) -> None:
    """The list names each locked package in that version with all its hashes, and says the same each time."""
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        subprocess.run(
            [sys.executable, ROOT / "scripts" / "sbom", file], check=True, env={"SOURCE_DATE_EPOCH": "1700000000"}
        )
    text = files[0].read_text(encoding="utf-8")
    assert text == files[1].read_text(encoding="utf-8")
    bom = Bom.from_json(json.load(StringIO(text)))  # type: ignore[attr-defined]  # made by its serializer
    listed = {f"{part.name}=={part.version}" for part in bom.components}
    assert set(re.findall(r"^([a-z0-9._-]+==[^ ]+)", LOCK, re.MULTILINE)) == listed
    hashes = {one.content for part in bom.components for one in part.hashes}
    assert set(re.findall(r"sha256:([0-9a-f]{64})", LOCK)) == hashes
    assert "relayd" == bom.metadata.component.name
    assert "2023-11-14" in text


def package(name: str, **more: object) -> dict[str, object]:
    """Return what pip-audit tells of a package."""
    return {"name": name, "version": "1.0", "vulns": [], **more}


HOLE = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        (json.dumps({"dependencies": [package("a"), package("b")]}), 0, "none of 2 packages has a known hole"),
        (json.dumps({"dependencies": [package("a"), package("b", vulns=[HOLE])]}), 1, "b 1.0: PYSEC-1, mended in 1.1"),
        (json.dumps({"dependencies": [SKIPPED, package("b", vulns=[HOLE])]}), 1, "1 known holes"),
        (json.dumps({"dependencies": [package("a"), SKIPPED]}), 0, "1 packages have no known hole; NOT audited: c"),
        (json.dumps({"dependencies": [SKIPPED]}), 0, "NOT audited"),
        ("Traceback\nConnectionError: nobody there", 0, "NOT audited, for nobody could be asked: ConnectionError"),
        ("", 0, "NOT audited"),
        ("[]", 0, "NOT audited"),
    ],
)
def test_a_hole_that_is_known(told: str, status: int, said: str) -> None:
    """A finding fails the check, whatever else could not be asked; silence is told as what it is."""
    verdict: Callable[[str], tuple[int, str]] = runpy.run_path(str(ROOT / "scripts" / "audit"))["verdict"]

    found, sentence = verdict(told)

    assert (status, True) == (found, said in sentence), sentence
