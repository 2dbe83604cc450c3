"""The three levels as a person sees them, through the shipped nginx: what the badge, the age and the words say."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.harness.chromium import PrivateChromium
from tests.harness.dashboard import badge, lines, trouble
from tests.harness.inside import inside
from tests.harness.nginx import PrivateNginx
from tests.harness.viewer import log

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOCKETS = 'location ~ "^/ws/admin/agent-swarm'
NO_SOCKETS = 'location ~ "^/ws/" { return 403; }\n    ' + SOCKETS
"""What a company's proxy does that knows only pages."""

PATIENCE = 60_000
"""Milliseconds in which a page that waits for seconds by itself has gone on, on a busy machine."""

AS_OF = re.compile(r"^as of [0-9.]+ s ago$")

COLOUR = """(dot, name) => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = `var(--${name})`;
  const wanted = getComputedStyle(probe).color;
  probe.remove();
  return getComputedStyle(dot).backgroundColor === wanted;
}"""


async def shows(page: Page, words: str, colour: str) -> None:
    """Return when the badge says so, in that colour."""
    await expect(badge(page)).to_have_text(words, timeout=PATIENCE)
    await expect(badge(page)).to_have_attribute("data-colour", colour)
    assert await badge(page).locator(".dot").evaluate(COLOUR, colour)


async def test_down_and_up_again_through_nginx(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Sockets are shut out, then everything is; the page says each, with its age, and comes back by itself, whole."""
    async with inside(tmp_path) as relay:
        with PrivateNginx(tmp_path / "nginx", relayd=f"127.0.0.1:{urlsplit(relay.url).port}") as nginx:
            await relay.publish(log("p", "one"))
            address = f"{nginx.https}/#token={relay.token()}&project=p"
            async with chromium.page(address, ignore_https_errors=True) as page:
                await expect(lines(page)).to_have_text(["one"])
                await shows(page, "WebSocket (Real-time)", "green")
                nginx.change((SOCKETS, NO_SOCKETS))
                await shows(page, "Connecting…", "grey")
                await shows(page, "HTTP Polling (5s delay)", "yellow")
                await expect(trouble(page)).to_have_text(
                    "The live connection could not be made; updates come by polling."
                )
                await relay.publish(log("p", "two"))
                await expect(lines(page)).to_have_text(["one", "two"])
                nginx.stop()
                await shows(page, "Static View", "red")
                await expect(trouble(page)).to_have_text(
                    "The network is not reachable. What you see may be out of date."
                )
                await expect(page.locator("agent-swarm-freshness")).to_have_text(AS_OF)
                await relay.publish(log("p", "three"))
                await expect(lines(page)).to_have_text(["one", "two"])
                nginx.change()
                nginx.start()
                await shows(page, "WebSocket (Real-time)", "green")
                await expect(lines(page)).to_have_text(["one", "two", "three"])
                await expect(trouble(page)).to_be_hidden()
                # What comes by polls would be there, too; this is what comes over the socket.
                assert 1 == relay.places()
            assert not any(relay.token()[:30] in text for text in nginx.logs().values())
