"""
A private, headless Chromium, driven over its DevTools protocol: what a page shows, says and sends.

The browser is one process of the run; each page has storage of its own, as in a private window.  It resolves no name,
so whatever a page asks of the world outside of this machine fails.
"""

import asyncio
import base64
import json
import re
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

from tests.harness.process import Process, Whole

__all__ = ["Page", "PageError", "PrivateChromium"]

SECONDS = 20.0
"""Longest wait for an answer of the browser; a busy machine is slow."""

FLAGS = (
    "--headless=new",
    # A test run may be root's, for whom there is no sandbox; it opens only pages that a test has written.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # It asks nobody for news and reports to nobody.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--no-first-run",
    "--password-store=basic",
    "--mute-audio",
    "--hide-scrollbars",
)

READY = re.compile(r"DevTools listening on (ws://\S+)")

Hearer = Callable[[str, dict[str, Any]], None]


class PageError(Exception):
    """What went wrong in the page or in driving it, in the browser's own words."""


class PrivateChromium(Whole):
    """The browser; use it as `with`, and its pages as `async with browser.page(url) as page`."""

    def __init__(self) -> None:
        """Make its folder; raises RuntimeError with the mend when Chromium is not installed."""
        # Short, because it has sockets in there.
        self.folder = Path(tempfile.mkdtemp(prefix="relayd-"))
        # Its home and temporary folder are in there, too, so that nothing of it stays and nothing of the user's counts.
        env = {"HOME": str(self.folder), "TMPDIR": str(self.folder), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        argv = ["chromium", *FLAGS, f"--user-data-dir={self.folder / 'profile'}", "about:blank"]
        try:
            self.process = Process(argv, folder=self.folder, name="chromium", env=env)
        except RuntimeError:
            shutil.rmtree(self.folder)
            raise

    def start(self) -> None:
        """Start it, and return when pages can be opened; raises RuntimeError with what it printed."""
        self.process.start()
        self.process.wait_for_output("DevTools listening on ws://")

    @property
    def devtools(self) -> str:
        """Where it takes orders; raises RuntimeError when it is not running."""
        if (found := READY.search(self.process.output)) is None:
            raise RuntimeError(f"chromium is not running; it printed:\n{self.process.output}")
        return found[1]

    def close(self) -> None:
        """End it with all its processes, and remove its folder."""
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @asynccontextmanager
    async def page(self, url: str, *, width: int = 1280, height: int = 800) -> AsyncGenerator["Page"]:
        """Open an address in a private window of that size and give it when it has loaded; raises PageError."""
        async with (
            connect(
                self.devtools, max_size=None, compression=None, ping_interval=None, proxy=None, open_timeout=SECONDS
            ) as socket,
            Devtools(socket) as devtools,
        ):
            window = (await devtools.ask("Target.createBrowserContext", disposeOnDetach=True))["browserContextId"]
            target = await devtools.ask("Target.createTarget", url="about:blank", browserContextId=window)
            attached = await devtools.ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            page = Page(devtools, attached["sessionId"])
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.ask(f"{domain}.enable")
            await page.resize(width, height)
            await page.visit(url)
            yield page
            await devtools.ask("Target.disposeBrowserContext", browserContextId=window)


class Page:
    """One open page and what it has told so far."""

    def __init__(self, devtools: "Devtools", session: str) -> None:
        self._devtools = devtools
        self._session = session
        self._loaded = asyncio.Event()
        self.console: list[str] = []
        """`level: text` of what it logged, of uncaught errors, and of what the browser complains of."""
        self.events: list[tuple[str, dict[str, Any]]] = []
        """Name and parameters of each event of the protocol, in order: `Network.webSocketFrameReceived`."""
        devtools.hearers[session] = self._hear

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return the answer to any question of the protocol that concerns this page; raises PageError."""
        return await self._devtools.ask(method, self._session, **parameters)

    async def visit(self, url: str) -> None:
        """Go to an address and return when it has loaded; raises PageError."""
        self._loaded.clear()
        answer = await self.ask("Page.navigate", url=url)
        if "errorText" in answer:
            raise PageError(f"{url}: {answer['errorText']}")
        async with asyncio.timeout(SECONDS):
            await self._loaded.wait()

    async def resize(self, width: int, height: int) -> None:
        """Give the window another size, in CSS pixels, each of them one of the screen's."""
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401  # whatever JSON the page has
        """Return the value of an expression, of a promise what it comes to; raises PageError with what was thrown."""
        answer = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise PageError(thrown(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:  # noqa: ANN401  # the same
        """Return the value of an expression as soon as it is true; raises TimeoutError."""
        look = f"""new Promise((done, fail) => {{
            const look = () => {{
                try {{ const value = ({expression}); value ? done(value) : setTimeout(look, 10); }}
                catch (error) {{ fail(error); }}
            }};
            look();
        }})"""
        return await self.evaluate(look)

    def told(self, event: str) -> list[dict[str, Any]]:
        """Return the parameters of all events of that name so far."""
        return [parameters for name, parameters in self.events if name == event]

    async def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        answer = await self.ask("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(answer["data"]))

    def _hear(self, name: str, parameters: dict[str, Any]) -> None:
        self.events.append((name, parameters))
        match name:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Runtime.consoleAPICalled":
                words = [str(one.get("value", one.get("description", one["type"]))) for one in parameters["args"]]
                self.console.append(f"{parameters['type']}: {' '.join(words)}")
            case "Runtime.exceptionThrown":
                self.console.append(f"error: {thrown(parameters['exceptionDetails'])}")
            case "Log.entryAdded":
                self.console.append(f"{parameters['entry']['level']}: {parameters['entry']['text']}")
            case "Inspector.targetCrashed":
                self._devtools.fail("the page has crashed")
            case _:
                pass


class Devtools:
    """One connection to the browser: questions with their answers, and for each page what it tells by itself."""

    def __init__(self, socket: ClientConnection) -> None:
        self.hearers: dict[str, Hearer] = {}
        self._socket = socket
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._count = 0

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        await asyncio.wait([self._listening])

    async def ask(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        """Return the answer to a question, of a page when its session is given; raises PageError or TimeoutError."""
        self._count += 1
        number = self._count
        question = {"id": number, "method": method, "params": parameters}
        if session is not None:
            question["sessionId"] = session
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(SECONDS):
                await self._socket.send(json.dumps(question))
                heard: dict[str, Any] = await answer
        finally:
            del self._asked[number]
        if "error" in heard:
            raise PageError(f"{method}: {heard['error']['message']}")
        result: dict[str, Any] = heard["result"]
        return result

    def fail(self, why: str) -> None:
        """Let nobody wait for an answer that can't come."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(PageError(why))

    async def _listen(self) -> None:
        async for text in self._socket:
            heard = json.loads(text)
            if "id" not in heard:
                if (hearer := self.hearers.get(heard.get("sessionId", ""))) is not None:
                    hearer(heard["method"], heard["params"])
            elif (answer := self._asked.get(heard["id"])) is not None and not answer.done():
                answer.set_result(heard)
        self.fail("the browser is gone")


def thrown(details: dict[str, Any]) -> str:
    """Return what a page has thrown, with its stack where it has one."""
    text: str = details.get("exception", {}).get("description") or details["text"]
    return text
