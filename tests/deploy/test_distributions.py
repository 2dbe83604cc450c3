"""Wheel and sdist: what is in them and what is not, that both make the same relay, and that it serves."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path
from shutil import copy2

import aiohttp
import pytest

from relayd import __version__
from relayd.web.pages import Pages
from tests.harness.daemon import PrivateRelay
from tests.house.tree import ROOT, tracked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STEM = f"relayd-{__version__}"
SHIPPED = {"relayd", "config", "deploy", "docs", "examples", "CHANGELOG.md", "LICENSE", "README.md"}
LOCAL = (
    "config/credentials/jwt_key",
    "var/relayd.db",
    "relayd/journal/relayd.db-wal",
    "relayd/__pycache__/left.cpython-311.pyc",
    "notes.txt",
    ".env",
)
"""What may lie about in somebody's checkout, and must not travel."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in the repository, with somebody's own files beside it."""
    checkout = tmp_path_factory.mktemp("checkout")
    for path in tracked():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        copy2(ROOT / path, checkout / path)
    for name in LOCAL:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("of one machine")
    return checkout


@pytest.fixture(scope="module")
def sdist(checkout: Path) -> Path:
    """The sources, as they are published."""
    return built(checkout, "--sdist")


@pytest.fixture(scope="module")
def wheel(checkout: Path) -> Path:
    """The package, as it is published."""
    return built(checkout, "--wheel")


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel, and this one's packages in place of those that the network would give."""
    home = tmp_path_factory.mktemp("venv")
    python = home / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", home)
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # Below its own: where both have one, the wheel's comes first.
    Path(site, "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    return python


def built(source: Path, what: str) -> Path:
    """Build one of the two without any network, and return it."""
    out = source / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", what, "--outdir", out, source)
    (made,) = out.glob("*.whl" if what == "--wheel" else "*.tar.gz")
    return made


def run(*argv: str | Path) -> str:
    """Run a program and return what it printed."""
    environ = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "SOURCE_DATE_EPOCH": "1000000000"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def repository(*roots: str) -> set[str]:
    """Return what the repository has below these."""
    return {str(path) for path in tracked() if path.parts[0] in roots}


def names(archive: Path) -> set[str]:
    """Return the files in it, a sdist's without the folder that all of them are in."""
    if archive.suffix == ".whl":
        return {*zipfile.ZipFile(archive).namelist()}
    with tarfile.open(archive) as files:
        return {name.removeprefix(f"{STEM}/") for name in files.getnames()}


def test_a_wheel_holds_the_package_and_what_is_said_of_it(wheel: Path) -> None:
    """All pages and the mark of types, the licence and the ways in; nothing else, and nobody's own files."""
    info = f"{STEM}.dist-info"
    about = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    found = names(wheel)
    assert set() == (repository("relayd") | about) ^ found
    assert {"relayd/py.typed", "relayd/web/static/index.html", "relayd/web/static/relay-client.d.ts"} <= found


def test_an_sdist_holds_what_is_read_and_adapted_beside_it(sdist: Path) -> None:
    """Sources, documents, examples; no tests, no measurements, nobody's keys."""
    assert set() == (repository(*SHIPPED) | {"pyproject.toml", ".gitignore", "PKG-INFO"}) ^ names(sdist)


def test_an_sdist_makes_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    """Byte by byte."""
    # Debian's Python 3.11.2 has no filter for tarfile yet, and later ones warn of who uses none.
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path], check=True)
    assert wheel.read_bytes() == built(tmp_path / STEM, "--wheel").read_bytes()


def test_a_wheel_says_what_it_is(wheel: Path) -> None:
    """Its name, its licence by the name that machines know, and its readme in full."""
    with zipfile.ZipFile(wheel) as files:
        said = Parser().parsestr(files.read(f"{STEM}.dist-info/METADATA").decode())
        licence = files.read(f"{STEM}.dist-info/licenses/LICENSE")
    assert ["relayd", __version__, "Apache-2.0", "LICENSE", ">=3.11"] == [
        said[name] for name in ("Name", "Version", "License-Expression", "License-File", "Requires-Python")
    ]
    assert {*PROJECT["optional-dependencies"]} == {*said.get_all("Provides-Extra", [])}
    assert (ROOT / "LICENSE").read_bytes() == licence
    assert (ROOT / "README.md").read_text(encoding="utf-8").strip() == str(said.get_payload()).strip()


def test_what_is_installed_has_all_its_doors(python: Path) -> None:
    """The command, and each plug-in that pyproject.toml promises."""
    asked = (
        "import json; from importlib.metadata import distribution; "
        "print(json.dumps([[e.group, e.name, e.value] for e in distribution('relayd').entry_points]))"
    )
    promised = {"console_scripts": PROJECT["scripts"], **PROJECT["entry-points"]}
    assert sorted([group, name, value] for group, all_ in promised.items() for name, value in all_.items()) == sorted(
        json.loads(run(python, "-I", "-c", asked))
    )
    assert __version__ in run(python.parent / "relayd", "version")


@pytest.fixture(scope="module")
def relay(python: Path) -> Iterator[PrivateRelay]:
    """A relay of what is installed, which sees nothing of this folder."""
    with PrivateRelay(env={"PYTHONPATH": ""}, python=python) as relay:
        yield relay


async def test_what_is_installed_serves(relay: PrivateRelay, python: Path) -> None:
    """The page and each of its files, of the version that is here."""
    assert str(python.parents[1]) in run(python, "-I", "-c", "import relayd; print(relayd.__file__)")
    async with aiohttp.ClientSession(relay.url) as http:
        async with http.get("/") as answer:
            page = await answer.text()
            assert (200, "text/html") == (answer.status, answer.content_type)
        assert f"assets/{Pages().fingerprint}/dashboard.js" in page
        for path in sorted(path for path in repository("relayd") if path.startswith("relayd/web/static/")):
            name = path.rpartition("/")[2]
            if name != "index.html":
                async with http.get(f"/assets/{Pages().fingerprint}/{name}") as answer:
                    assert 200 == answer.status, name
