"""
The Chromium of this machine, headless, driven by Playwright: what a page shows, says and sends.

The browser is one process of the run; each page has a window of its own, which shares nothing with the others.  It
resolves no name, so whatever a page asks of the world outside of this machine fails.  Nothing is downloaded for it.
"""

import re
import shutil
import tempfile
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from playwright.async_api import ConsoleMessage, Page, WebError, async_playwright, expect

from tests.harness.process import find

__all__ = ["PrivateChromium"]

SECONDS = 20.0
"""Longest wait for anything in a page; a busy machine is slow."""

FLAGS = (
    # There is no graphics card, and looking for one takes a while.
    "--disable-gpu",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

REFUSED = re.compile(r"Content Security Policy|Trusted(HTML|Script|ScriptURL)\b")

expect.set_options(timeout=SECONDS * 1_000)


class PrivateChromium:
    """The browser; use it as `async with`, and its pages as `async with chromium.page(url) as page`."""

    def __init__(self) -> None:
        """Take what is installed; raises RuntimeError with the mend when Chromium is not."""
        self._program = find("chromium")
        self._ends = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start it; all that it writes is in a folder of its own."""
        async with AsyncExitStack() as ends:
            self.folder = Path(tempfile.mkdtemp(prefix="relayd-"))
            ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
            playwright = await ends.enter_async_context(async_playwright())
            # Without a sandbox, which there is none of for root: it opens only pages that a test has written.
            self._browser = await playwright.chromium.launch(
                executable_path=self._program,
                args=[*FLAGS],
                env={"HOME": str(self.folder), "TMPDIR": str(self.folder), "PATH": "/usr/local/bin:/usr/bin:/bin"},
            )
            ends.push_async_callback(self._browser.close)
            self._ends = ends.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it with all its processes, and remove its folder."""
        await self._ends.aclose()

    @asynccontextmanager
    async def page(
        self,
        url: str,
        *,
        width: int = 1280,
        height: int = 800,
        **window: Any,  # noqa: ANN401  # what Playwright's `new_context` takes
    ) -> AsyncGenerator[Page]:
        """
        Open an address in a new window of that size, and give the page when it has loaded.

        Raises AssertionError in the end when any page of the window threw what nobody caught, or did what its policy
        forbids.  Further pages of the window are `page.context.new_page()`.
        """
        context = await self._browser.new_context(viewport={"width": width, "height": height}, **window)
        context.set_default_timeout(SECONDS * 1_000)
        sins: list[str] = []

        def heard(message: ConsoleMessage) -> None:
            if REFUSED.search(message.text):
                sins.append(message.text)

        def thrown(error: WebError) -> None:
            sins.append(error.error.stack or str(error.error))

        context.on("console", heard)
        context.on("weberror", thrown)
        try:
            page = await context.new_page()
            await page.goto(url)
            yield page
        finally:
            await context.close()
        assert not sins, sins
