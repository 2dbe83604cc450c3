"""The dashboard for those who do not see, do not point, or do not want things to move: axe-core, names, keys."""

from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.harness.chromium import PrivateChromium
from tests.harness.dashboard import event, lines, opened, trouble
from tests.harness.gate import Gate
from tests.harness.inside import inside
from tests.harness.viewer import log

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEVELS = ("info", "success", "warning", "error")

SWARM = [
    event("project_started", name="Web shop", estimated_duration_seconds=900),
    event("workflow_stage_update", stage="initialization", message="Cloning"),
    event("workflow_stage_update", stage="testing", message="Writing"),
    *[
        event("agent_status_update", agent=f"agent {status}", status=status, progress=40, task="orders")
        for status in ("idle", "working", "completed", "failed", "waiting_for_human")
    ],
    *[{**log("p", f"a line of {level}"), "level": level, "agent": "ada"} for level in LEVELS],
    event("project_progress", progress=65, message="Building components..."),
]

MOVING = """() => {
  const moves = ({ style }) => style && (style.transitionDuration || style.animationName || style.scrollBehavior);
  const holds = (rule) => !(rule instanceof CSSMediaRule) || matchMedia(rule.conditionText).matches;
  const under = (rules) => [...rules].filter(holds).flatMap((rule) => [rule, ...under(rule.cssRules ?? [])]);
  return [...document.styleSheets].flatMap((sheet) => under(sheet.cssRules)).filter(moves).map((rule) => rule.cssText);
}"""
"""The rules of the page's sheets that hold and let something move."""


async def findings(page: Page) -> list[str]:
    """Return what axe-core finds that is serious or critical, as `rule: element`."""
    answer: dict[str, Any] = (await Axe().run(page)).response
    assert answer["violations"] is not None
    return [
        f"{rule['id']}: {node['html'][:200]} - {node['failureSummary']}"
        for rule in answer["violations"]
        for node in rule["nodes"]
        if node["impact"] in {"serious", "critical"}
    ]


async def test_axe_finds_what_is_wrong(chromium: PrivateChromium) -> None:
    """A page that shuts people out is told of, else the next tests would prove nothing."""
    async with chromium.page("data:text/html,<button></button><p style='color:%23bbb;background:%23fff'>faint") as page:
        found = await findings(page)
    assert {"button-name", "color-contrast"} <= {line.partition(":")[0] for line in found}


@pytest.mark.parametrize(("scheme", "width", "height"), [("dark", 390, 800), ("dark", 1280, 900), ("light", 1280, 900)])
async def test_axe_finds_nothing(
    chromium: PrivateChromium, tmp_path: Path, scheme: Literal["dark", "light"], width: int, height: int
) -> None:
    """At the door, in a project with everything in it, in the list, paused and searched, and while things go wrong."""
    async with inside(tmp_path) as relay, Gate(int(relay.url.rpartition(":")[2])) as gate:
        await relay.publish(*SWARM, {**log("q", "m"), "type": "project_error", "error": "broken"})
        async with chromium.page(gate.url, width=width, height=height, color_scheme=scheme) as page:
            await expect(page.get_by_label("Token")).to_be_visible()
            found = await findings(page)
            await page.goto(f"{gate.url}/?in#token={relay.token()}&project=p")
            await expect(lines(page)).to_have_count(len(SWARM))
            found += await findings(page)
            if width < 720:
                await page.get_by_role("button", name="Projects").click()
                await expect(page.get_by_role("complementary")).to_be_visible()
                found += await findings(page)
                await page.get_by_role("button", name="Projects").click()
            await page.get_by_role("button", name="Pause").click()
            await page.get_by_role("searchbox").fill("nothing has this")
            await page.get_by_role("button", name="Share my view").click()
            await page.locator(".line time").first.evaluate("(time) => time.click()")
            gate.turn("http")
            await expect(trouble(page)).to_be_visible()
            found += await findings(page)
    assert [] == found


async def test_everything_has_a_name_for_those_who_do_not_see(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Buttons, fields, bars and lists as a screen reader tells them; headings in their order."""
    async with opened(chromium, tmp_path, *SWARM[:5]) as (_, _, page):
        await expect(page.locator(".agent")).to_have_count(2)
        await expect(page.locator("body")).to_match_aria_snapshot("""
            - banner:
              - heading "relayd" [level=1]
              - navigation "Open projects":
                - button "p"
                - button "Close p"
              - button "Dark or light"
            - complementary "All projects":
              - status: 1 project
              - list:
                - listitem:
                  - button /Web shop/:
                    - progressbar "Progress of Web shop"
            - main:
              - heading "Web shop" [level=2]
              - status: WebSocket (Real-time)
              - button "Share my view"
              - progressbar "Progress of the project"
              - list "Stages":
                - listitem: /initialization/
                - listitem: testing
              - group "Agents":
                - article:
                  - heading "agent idle" [level=3]
                  - progressbar "Progress of agent idle"
              - combobox "Kind of message"
              - combobox "Least level"
              - combobox "Agent"
              - searchbox "Search in the messages"
              - button "Pause"
              - button "Clear"
              - log "Messages"
        """)


async def test_it_can_be_used_by_keyboard(chromium: PrivateChromium, tmp_path: Path) -> None:
    """`/` searches, `p` pauses, `g` goes to the newest, `t` turns the light on and off; nothing while one is typing."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.press("p")
        await expect(page.get_by_role("searchbox")).to_have_value("p")
        await expect(page.get_by_role("button", name="Pause")).to_be_visible()
        await page.keyboard.press("Backspace")
        await page.get_by_role("searchbox").blur()
        await page.keyboard.press("p")
        await page.get_by_role("button", name="Resume").press("p")
        await relay.publish(*[log("p", f"line {number}") for number in range(200)])
        await expect(lines(page).last).to_have_text("line 199")
        await page.get_by_role("log", name="Messages").focus()
        await page.keyboard.press("Home")
        await expect(lines(page).first).to_be_in_viewport()
        await page.keyboard.press("g")
        await expect(lines(page).last).to_be_in_viewport()
        before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.keyboard.press("t")
        await expect(page.locator("body")).not_to_have_css("background-color", before)


async def test_every_control_can_be_reached_by_tab_alone(chromium: PrivateChromium, tmp_path: Path) -> None:
    """And shows that it was."""
    async with opened(chromium, tmp_path) as (_, _, page):
        controls = page.locator(":is(button, select, input, [tabindex]):visible")
        for _ in range(await controls.count()):
            await page.keyboard.press("Tab")
            await expect(page.locator(":focus")).not_to_have_css("outline-style", "none")
            await page.evaluate("document.activeElement.dataset.reached = ''")
        await expect(controls.locator("visible=true").and_(page.locator(":not([data-reached])"))).to_have_count(0)


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_nothing_moves_for_those_who_do_not_want_it(
    chromium: PrivateChromium, tmp_path: Path, motion: Literal["reduce", "no-preference"]
) -> None:
    """Of the rules that hold for them none has a transition or an animation; for the others there is one."""
    async with opened(chromium, tmp_path, reduced_motion=motion) as (_, _, page):
        assert (motion == "no-preference") == bool(await page.evaluate(MOVING))


@pytest.mark.parametrize(("width", "height"), [(390, 800), (1280, 800), (3840, 2160)])
async def test_it_fits_a_phone_and_a_wall(chromium: PrivateChromium, tmp_path: Path, width: int, height: int) -> None:
    """Nothing is wider than the window, and the lines are in it."""
    async with opened(chromium, tmp_path, width=width, height=height) as (relay, _, page):
        await relay.publish(log("p", "long " * 200), log("p", "x" * 500))
        await expect(lines(page)).to_have_count(3)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate("document.querySelector('.lines').getBoundingClientRect().bottom <= innerHeight")
