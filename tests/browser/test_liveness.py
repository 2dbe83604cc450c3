"""What a person sees of an agent that has fallen silent."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Locator, Page, expect

from relayd.web.pages import Pages
from tests.harness.chromium import PrivateChromium
from tests.harness.dashboard import event
from tests.harness.gate import Gate
from tests.harness.inside import inside
from tests.harness.viewer import log

pytestmark = pytest.mark.asyncio(loop_scope="session")

QUICK = {"quiet_seconds": 1, "stuck_seconds": 2, "tool_seconds": 600, "lost_seconds": 600}


def card(page: Page, name: str, part: str) -> Locator:
    """Return a part of an agent's card."""
    return page.locator(".agent").filter(has=page.get_by_role("heading", name=name)).locator(part)


def update(name: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # what a worker may say
    """Return an agent that works."""
    return event("agent_status_update", **{"agent": name, "status": "working", "progress": 40, **fields})


async def test_a_card_says_how_its_agent_seems_to_be(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Maybe stuck, for how long and why, whatever its heartbeat says; who waits, waits; a line of log ends it."""
    async with inside(tmp_path, {"liveness": QUICK}) as relay:
        asker, tester = update("asker", activity="waiting_for_human"), update("tester", activity="using_tool")
        await relay.publish(event("project_started"), update("coder"), asker, tester)
        async with chromium.page(f"{relay.url}/#token={relay.token()}&project=p") as page:
            await expect(card(page, "coder", ".status")).to_have_text("maybe stuck")
            await relay.publish(update("coder"))
            reason = card(page, "coder", ".reason")
            await expect(reason).to_have_text("no sign of work since: its first status; signs of life go on")
            await expect(card(page, "asker", ".status")).to_have_text("waiting for human")
            await expect(card(page, "tester", ".status")).to_have_text("waits on a tool")
            idle = await card(page, "coder", ".seen").inner_text()
            assert re.fullmatch(r"40% · no work for \d+(\.\d)? s", idle)
            # The seconds go on by themselves.
            await expect(card(page, "coder", ".seen")).not_to_have_text(idle)
            await relay.publish({**log("p", "it goes on"), "agent": "coder"})
            await expect(reason).to_be_empty()
            await expect(card(page, "coder", ".status")).to_have_text("working")
            await relay.publish(event("project_completed"))
            await expect(page.locator(".missing")).to_have_text(
                "No word that they had ended came of: coder, asker, tester."
            )
            assert [] == await page.console_messages()


POLLING = """(async () => {
  const { RelayClient } = await import("/assets/FINGERPRINT/relay-client.js");
  window.told = [];
  window.client = new RelayClient("p", { token: TOKEN, share: false, storage: null, waits: [10, 10, 10] });
  client.on("notice", (notice) => told.push(notice));
  client.start();
})()"""


async def test_who_polls_hears_of_it_too(chromium: PrivateChromium, tmp_path: Path) -> None:
    """As the same notice, made out of the answer: a poll hears none by itself."""
    async with inside(tmp_path) as relay, Gate(urlsplit(relay.url).port or 0) as gate:
        await relay.publish(log("p", "one"), update("asker", activity="waiting_for_human"))
        async with chromium.page(f"{gate.url}/v1/public/agent-swarms/health") as page:
            gate.turn("http")
            script = POLLING.replace("FINGERPRINT", Pages().fingerprint).replace("TOKEN", json.dumps(relay.token()))
            await page.evaluate(script)
            await page.wait_for_function("client.state === 'polling'")
            await relay.publish(log("p", "two"))
            await page.wait_for_function("told.length > 0")
            notice = await page.evaluate("told[0]")
            assert ("LIVENESS", "p") == (notice["code"], notice["project_id"])
            assert "waiting_for_human" == notice["data"]["agents"]["asker"]["state"]
