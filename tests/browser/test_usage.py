"""What a project spends, as the dashboard shows it in a real Chromium."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.harness.chromium import PrivateChromium
from tests.harness.inside import inside
from tests.harness.viewer import log

pytestmark = pytest.mark.asyncio(loop_scope="session")


def used(agent: str, tokens: int) -> dict[str, Any]:
    """Return what an agent does, with a report."""
    return {
        "type": "agent_status_update",
        "project_id": "p",
        "timestamp": 1,
        "agent": agent,
        "status": "working",
        "progress": 10,
        "usage": {"model": "large", "input_tokens": tokens},
    }


async def test_what_is_spent_is_shown_and_stays_new(chromium: PrivateChromium, tmp_path: Path) -> None:
    """One calm line in the head, what each agent used on its card, and a colour when the budget is nearly used."""
    tables: dict[str, Any] = {"usage": {"budget_cost": 10, "prices": {"large": {"input": 2.5, "output": 10}}}}
    async with inside(tmp_path, tables) as relay:
        await relay.publish(log("p", "one"), used("ada", 1_240_000), used("bob", 950))
        async with chromium.page(f"{relay.url}/#token={relay.token()}&project=p") as page:
            spent, cards = page.locator("agent-swarm-spending"), page.locator(".agent .used")
            await expect(spent).to_have_text("1.24 M tokens · $3.10 · 31 % of budget")
            await expect(cards).to_have_text(["1.24 M tokens", "950 tokens"])
            await expect(spent).to_have_attribute("data-used", "")
            await relay.publish({**used("bob", 0), "usage": [{"model": "large", "inputTokens": 2_000_000}]})
            await expect(spent).to_have_text("3.24 M tokens · $8.10 · 81 % of budget")
            await expect(cards).to_have_text(["1.24 M tokens", "2 M tokens"])
            await expect(spent).to_have_attribute("data-used", "much")
            warning = page.locator(".line.warning .text")
            await expect(warning).to_have_text("budget: 8.10 of 10.00 USD are used (81 %)")
            await relay.publish(used("ada", 1_000_000), {**used("ada", 0), "usage": {"model": "small", "tokens": 5}})
            await expect(spent).to_have_text("4.24 M tokens · at least $10.60 · 106 % of budget")
            await expect(spent).to_have_attribute("data-used", "up")
            await expect(warning.last).to_have_text(re.compile(r"\(106 %\)$"))


async def test_numbers_and_money_are_short(chromium: PrivateChromium, tmp_path: Path) -> None:
    """A currency that no browser knows stands behind the amount; how fast it goes is told as long as it is new."""
    rated = "{spending: {tokens: 5, tokens_per_minute: 12_000}, budget: {}, spentAt: 1_000}"
    async with inside(tmp_path) as relay, chromium.page(f"{relay.url}/") as page:
        told = await page.evaluate(f"""(async () => {{
            const s = await import('/assets/spending.js');
            return [
                [0, 950, 12_345, 999_999, 1_240_000, 3e9].map(s.short),
                s.money(3.1, 'EUR'), s.money(3.1, 'credits'),
                s.summary({rated}, 2_000), s.summary({rated}, 70_000),
                s.summary({{spending: null, budget: {{tokens: {{share: 0.5}}, cost: {{share: 0.626}}}}}}, 0),
            ];
        }})()""")
    assert [
        ["0", "950", "12.3 k", "1 M", "1.24 M", "3 B"],
        "€3.10",
        "3.10 credits",
        "5 tokens · 12 k/min",
        "5 tokens",
        "62 % of budget",
    ] == told
