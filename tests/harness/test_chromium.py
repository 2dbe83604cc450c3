"""A browser that tells something else than its page does would prove nothing."""

import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.chromium import PageError, PrivateChromium

PAGE = """data:text/html,<title>A page</title><body style="background:rgb(1,2,3)"><script>
console.log("hello", 42, {});
setTimeout(() => { throw new Error("nobody caught me"); });
</script>"""


async def test_a_page_tells_what_it_does(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Values and promises come back, what is thrown is raised, and console, uncaught errors and pixels are seen."""
    async with chromium.page(PAGE, width=320, height=200) as page:
        assert "A page" == await page.evaluate("document.title")
        assert [320, 200] == await page.evaluate("[innerWidth, innerHeight]")
        assert {"a": [1, None]} == await page.evaluate("new Promise(done => setTimeout(() => done({a: [1, null]})))")
        with pytest.raises(PageError, match="TypeError: no such luck"):
            await page.evaluate("Promise.reject(new TypeError('no such luck'))")
        assert "later" == await page.until("window.word ?? (setTimeout(() => window.word = 'later'), null)")
        assert "log: hello 42 Object" == page.console[0]
        assert page.console[1].startswith("error: Error: nobody caught me")
        await page.screenshot(tmp_path / "page.png")
    head = (tmp_path / "page.png").read_bytes()[:24]
    assert (b"\x89PNG", 320, 200) == (head[:4], *struct.unpack(">II", head[16:]))


async def test_pages_share_nothing_and_reach_nobody(chromium: PrivateChromium) -> None:
    """Each has its own storage, and a name of the world outside is not even looked up."""
    at_home = (chromium.folder / "page.html").as_uri()
    (chromium.folder / "page.html").write_text("<title>Empty</title>")
    async with chromium.page(at_home) as one, chromium.page(at_home) as other:
        await one.evaluate("localStorage.setItem('word', 'mine')")
        assert "mine" == await one.evaluate("localStorage.getItem('word')")
        assert await other.evaluate("localStorage.getItem('word')") is None
        with pytest.raises(PageError, match=r"http://example\.com: net::ERR_NAME_NOT_RESOLVED"):
            await other.visit("http://example.com")


def test_it_leaves_nothing() -> None:
    """All of its processes and files go with it."""
    with PrivateChromium() as chromium:
        profile = f"--user-data-dir={chromium.folder / 'profile'}".encode()
        assert having(profile)
    # A signal takes its time on a busy machine.
    deadline = time.monotonic() + 10
    while having(profile) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [] == having(profile)
    assert not chromium.folder.exists()


def having(argument: bytes) -> list[str]:
    """Return the processes of this machine that were started with an argument."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # One may end while it is looked at.
        with suppress(OSError):
            if argument in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(process.name)
    return found
