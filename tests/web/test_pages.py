import asyncio
import json
import re
from asyncio.subprocess import PIPE
from gzip import decompress
from importlib.resources import files
from pathlib import Path

import pytest

from relayd.web.pages import Pages
from tests.harness.inside import InsideRelay, inside
from tests.harness.process import find

STATIC = files("relayd.web").joinpath("static")


async def test_the_page_names_its_files_by_fingerprint(relay: InsideRelay) -> None:
    """What it names is there and may be kept for ever, for under this name it never changes."""
    async with relay.http.get(relay.url + "/") as answer:
        page = await answer.text()
        assert (200, "text/html", "no-cache") == (answer.status, answer.content_type, answer.headers["Cache-Control"])
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert 4 == len(named)
    for path in named:
        async with relay.http.get(f"{relay.url}/{path}") as answer:
            assert (200, "public, max-age=31536000, immutable") == (answer.status, answer.headers["Cache-Control"])
            served = await answer.read()
        # The plain name has the newest, and this is the newest.
        async with relay.http.get(f"{relay.url}/assets/{path.rpartition('/')[2]}") as answer:
            assert served == await answer.read()


async def test_what_the_modules_import_is_there(relay: InsideRelay) -> None:
    """Beside the module itself, so of the same version."""
    for module in (entry for entry in STATIC.iterdir() if entry.name.endswith(".js")):
        for name in re.findall(r'from "\./([^"]+)"', module.read_text()):
            async with relay.http.get(f"{relay.url}/assets/{Pages().fingerprint}/{name}") as answer:
                assert (200, "text/javascript") == (answer.status, answer.content_type)


async def test_a_file_is_there_by_its_plain_name_for_pages_of_others(relay: InsideRelay) -> None:
    """They don't know the fingerprint, so they ask each time."""
    async with relay.http.get(f"{relay.url}/assets/relay-client.js") as answer:
        assert (200, "no-cache") == (answer.status, answer.headers["Cache-Control"])


@pytest.mark.parametrize("path", ["assets/0000000000000000/page.css", "assets/index.html", "assets/..%2fpages.py"])
async def test_nothing_else_is_there(relay: InsideRelay, path: str) -> None:
    """No file of another version, the page only as the page, and nothing outside of the folder."""
    async with relay.http.get(f"{relay.url}/{path}") as answer:
        assert (404, "NOT_FOUND") == (answer.status, (await answer.json())["code"])


async def test_the_page_lets_no_other_script_or_address_in(relay: InsideRelay) -> None:
    """Neither from elsewhere nor in line; and nobody learns from where somebody came, or frames the page."""
    async with relay.http.get(relay.url + "/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert ("nosniff", "no-referrer") == (
            answer.headers["X-Content-Type-Options"],
            answer.headers["Referrer-Policy"],
        )
        assert not re.search(r"<style|<script(?![^>]*src=)| style=| on\w+=", await answer.text())


async def test_the_files_travel_compressed_to_those_who_can_read_that(relay: InsideRelay) -> None:
    """The same bytes otherwise; a cache between keeps both apart."""
    path = f"{relay.url}/assets/page.css"
    async with relay.http.get(path, headers={"Accept-Encoding": "gzip"}, auto_decompress=False) as answer:
        assert ("gzip", "Accept-Encoding") == (answer.headers["Content-Encoding"], answer.headers["Vary"])
        zipped = await answer.read()
    async with relay.http.get(path, headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert decompress(zipped) == await answer.read()


async def test_all_of_it_is_small(relay: InsideRelay) -> None:
    """Under 100 kB before compression: a phone on a train gets it, too."""
    sizes = []
    for entry in (entry for entry in STATIC.iterdir() if not entry.name.endswith(".d.ts")):
        path = "/" if entry.name == "index.html" else f"/assets/{entry.name}"
        async with relay.http.get(relay.url + path, headers={"Accept-Encoding": "identity"}) as answer:
            assert 200 == answer.status
            sizes.append(len(await answer.read()))
    assert 11 == len(sizes)
    assert sum(sizes) < 100_000


async def test_scripts_travel_without_their_comments(relay: InsideRelay) -> None:
    """What browsers do not need stays in the package."""
    async with relay.http.get(f"{relay.url}/assets/terminal.js") as answer:
        served = await answer.text()
    written = (STATIC / "terminal.js").read_text()
    assert "\n/**" in written
    assert "\n    // " in written
    assert not re.search(r"^\s+|^//|^/\*(?!.*\*/.)", served, flags=re.MULTILINE)
    assert len(served) < len(written)


@pytest.mark.parametrize("name", sorted(entry.name for entry in STATIC.iterdir() if entry.name.endswith(".js")))
async def test_what_travels_does_what_was_written(relay: InsideRelay, tmp_path: Path, name: str) -> None:
    """Part by part the same script, as Node's own parser reads it, whatever was taken off."""
    async with relay.http.get(f"{relay.url}/assets/{name}") as answer:
        (tmp_path / name).write_bytes(await answer.read())
    argv = ("--expose-internals", Path(__file__).with_name("tree.js"), str(STATIC.joinpath(name)), tmp_path / name)
    node = await asyncio.create_subprocess_exec(find("node"), *argv, stdout=PIPE, stderr=PIPE)
    trees, complaint = await node.communicate()
    assert (0, "") == (node.returncode, complaint.decode())
    written, served = json.loads(trees)
    assert [] == [(one, other) for one, other in zip(written, served, strict=True) if one != other]


async def test_it_can_be_turned_off(tmp_path: Path) -> None:
    """Who has a dashboard already need not serve ours."""
    async with inside(tmp_path, {"server": {"dashboard": False}}) as relay, relay.http.get(relay.url + "/") as answer:
        assert 404 == answer.status
