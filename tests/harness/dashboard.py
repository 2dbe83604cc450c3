"""The dashboard as a person finds it: where the lines are, what the badge says, and what its address is."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Locator, Page, expect

from tests.harness.chromium import PrivateChromium
from tests.harness.gate import Gate
from tests.harness.inside import InsideRelay, inside
from tests.harness.viewer import log

__all__ = ["badge", "event", "lines", "opened", "trouble"]

VIEW = "agent-swarm-view:not([hidden])"


def event(kind: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # what a worker may say
    """Return an event of project p."""
    return {"type": kind, "project_id": "p", "timestamp": time.time(), **fields}


def lines(page: Page) -> Locator:
    """Return the texts of the lines that are shown, in order."""
    return page.locator(f"{VIEW} .line:not([hidden]) .text")


def badge(page: Page) -> Locator:
    """Return what tells how the page is connected."""
    return page.locator(f"{VIEW} agent-swarm-badge")


def trouble(page: Page) -> Locator:
    """Return what the person is told that goes wrong."""
    return page.locator(f"{VIEW} .trouble")


@asynccontextmanager
async def opened(
    chromium: PrivateChromium,
    folder: Path,
    *before: dict[str, Any],
    **window: Any,  # noqa: ANN401  # what `page` takes
) -> AsyncGenerator[tuple[InsideRelay, Gate, Page]]:
    """Give a relay with one line in project p, and what was said before, the gate before it, and the page at p."""
    async with inside(folder) as relay, Gate(urlsplit(relay.url).port or 0) as gate:
        await relay.publish(*before, log("p", "one"))
        async with chromium.page(f"{gate.url}/#token={relay.token()}&project=p", **window) as page:
            await expect(lines(page).last).to_have_text("one")
            yield relay, gate, page
