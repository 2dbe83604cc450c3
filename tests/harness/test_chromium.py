"""A browser that hides what goes wrong in its pages would prove nothing."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.async_api import Error

from tests.harness.chromium import PrivateChromium

pytestmark = pytest.mark.asyncio(loop_scope="session")

THROWING = "data:text/html,<script>throw new Error('nobody caught me')</script>"

FORBIDDEN = """data:text/html,<meta http-equiv="Content-Security-Policy" content="script-src 'unsafe-eval'">
<title>A page</title><script>document.title = "mine"</script>"""


async def thrown_by(chromium: PrivateChromium, url: str, script: str = "0") -> str:
    """Return what a page is reproached with that is opened and evaluates a script, in another page of its window."""
    try:
        async with chromium.page(url) as page:
            other = await page.context.new_page()
            await other.evaluate(script)
            await other.evaluate("new Promise((done) => setTimeout(done, 50))")
    except AssertionError as error:
        return str(error)
    return ""


async def test_what_nobody_catches_fails_the_test(chromium: PrivateChromium) -> None:
    """Thrown in any page of the window, or a promise that nobody waits for."""
    assert not await thrown_by(chromium, "about:blank")
    assert "no such luck" in await thrown_by(chromium, "about:blank", "void Promise.reject(new Error('no such luck'))")
    assert "nobody caught me" in await thrown_by(chromium, THROWING)


async def test_what_the_policy_forbids_fails_the_test(chromium: PrivateChromium) -> None:
    """Though the page goes on without what was refused."""
    assert "Content Security Policy" in await thrown_by(chromium, FORBIDDEN)


async def test_what_the_test_itself_finds_is_not_hidden(chromium: PrivateChromium) -> None:
    """Its own failure is told, and not what the page did besides."""
    with pytest.raises(ZeroDivisionError):
        async with chromium.page(THROWING):
            raise ZeroDivisionError


async def test_pages_share_nothing_and_reach_nobody(chromium: PrivateChromium) -> None:
    """Each has its own storage, and a name of the world outside is not even looked up."""
    at_home = (chromium.folder / "page.html").as_uri()
    (chromium.folder / "page.html").write_text("<title>Empty</title>")
    async with chromium.page(at_home) as one, chromium.page(at_home) as other:
        await one.evaluate("localStorage.setItem('word', 'mine')")
        assert "mine" == await one.evaluate("localStorage.getItem('word')")
        assert await other.evaluate("localStorage.getItem('word')") is None
        with pytest.raises(Error, match="net::ERR_NAME_NOT_RESOLVED"):
            await other.goto("http://example.com")


async def test_it_leaves_nothing() -> None:
    """All of its processes and files go with it."""
    async with PrivateChromium() as chromium:
        home = f"HOME={chromium.folder}".encode()
        assert having(home)
    async with asyncio.timeout(10):
        while having(home):  # noqa: ASYNC110  # nobody tells of the end of a grandchild
            await asyncio.sleep(0.02)
    assert not chromium.folder.exists()


def having(variable: bytes) -> list[str]:
    """Return the processes of this machine that have a variable of the environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # One may end while it is looked at.
        with suppress(OSError):
            if variable in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
    return found
