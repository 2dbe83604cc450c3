"""The dashboard in a real Chromium: what a person sees, presses and takes away."""

import csv
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.harness.chromium import PrivateChromium
from tests.harness.dashboard import badge, event, lines, opened
from tests.harness.inside import inside
from tests.harness.viewer import log

pytestmark = pytest.mark.asyncio(loop_scope="session")

ATTACKS = Path(__file__).with_name("attacks.txt").read_text(encoding="utf-8").splitlines()

SQUEEZED = """(list) => {
  document.querySelector(".head").style.paddingBottom = "200px";
  list.dispatchEvent(new Event("scroll"));
}"""
"""The list is told that it was scrolled, and meanwhile has become lower, before it is told of that."""


def terminal(page: Page) -> Locator:
    """Return the part of the page that the lines scroll in."""
    return page.get_by_role("log", name="Messages")


async def test_what_a_swarm_does_this_second(chromium: PrivateChromium, tmp_path: Path) -> None:
    """State, stages, agents and lines as they come, and how the connection is."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(
            event("project_started", name="Web shop", estimated_duration_seconds=900),
            event("workflow_stage_update", stage="initialization", message="Cloning"),
            event("workflow_stage_update", stage="backend_development", message="Writing"),
            event("agent_status_update", agent="ada", status="working", progress=40, task="orders"),
            event("agent_status_update", agent="bob", status="waiting_for_human", progress=5, task="a question"),
            event("project_progress", progress=65, message="Building components..."),
        )
        await expect(lines(page).last).to_have_text("Progress: 65% - Building components...")
        await expect(page.get_by_role("heading", name="Web shop")).to_be_visible()
        await expect(page.get_by_text("65% · Building components...", exact=True)).to_be_visible()
        await expect(page.get_by_text("orders", exact=True)).to_be_visible()
        stages = page.get_by_role("list", name="Stages").get_by_role("listitem")
        await expect(stages).to_have_text(["initialization", "backend development"])
        await expect(stages).to_have_class(["done", "on"])
        agents = page.locator(".agent")
        await expect(agents).to_have_count(2)
        assert ["working", "waits"] == [await one.get_attribute("data-status") for one in await agents.all()]
        await expect(page.locator("agent-swarm-freshness")).to_have_text(re.compile(r"^[0-9.]+ s ago$"))
        await relay.publish(event("project_completed", url="https://example.org/shop", message="Done"))
        await expect(page.locator(".facts .status")).to_have_text("completed")
        await expect(page.locator(".links").get_by_role("link")).to_have_attribute("href", "https://example.org/shop")
        assert [] == await page.console_messages()


async def test_for_how_long_it_has_been_running_and_will_be(chromium: PrivateChromium, tmp_path: Path) -> None:
    """A project tells how long it thinks to take; beyond that it is told, and a finished one stands still."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        timer = page.locator("agent-swarm-timer")
        started = event("project_started", estimated_duration_seconds=900)
        await relay.publish({**started, "timestamp": started["timestamp"] - 60})
        await expect(timer).to_have_text(re.compile(r"^1 min 0\d s, about 1[34] min \d\d s left$"))
        await relay.publish({**started, "timestamp": started["timestamp"] - 1_000})
        await expect(timer).to_have_text(re.compile(r"^16 min [45]\d s, 1 min [45]\d s over the estimate$"))
        await relay.publish({**event("project_completed"), "timestamp": started["timestamp"] - 100})
        await expect(timer).to_have_text("15 min 00 s")


async def test_a_token_in_the_address_goes_no_further(chromium: PrivateChromium, tmp_path: Path) -> None:
    """It is taken out of the address at once, and no request has it in its own."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        await expect(page).to_have_url(f"{gate.url}/#project=p")
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await page.goto(f"{gate.url}/?again#token={relay.token()}&project=p")
        await expect(badge(page)).to_have_text("WebSocket (Real-time)")
        assert 1 == len(sockets)
        asked = [*sockets, *(request.url for request in await page.requests())]
        assert any("/projects" in url for url in asked)
        # The fragment of the first address is the browser's own; it is not sent.
        assert not any(relay.token()[:20] in url.partition("#")[0] for url in asked)


async def test_whatever_a_line_says_is_only_text(chromium: PrivateChromium, tmp_path: Path) -> None:
    """As a message, a name, a task, a stage and a link: no element, no script, no broken page, nobody else asked."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        here = await page.evaluate("document.querySelectorAll('body *:not(agent-swarm-view *)').length")
        await relay.publish(*[log("p", text) for text in ATTACKS])
        await relay.publish(
            *[event("project_started", name=text, description=text) for text in ATTACKS],
            *[event("agent_status_update", agent=text, status="working", progress=1, task=text) for text in ATTACKS],
            *[event("workflow_stage_update", stage=text, message=text) for text in ATTACKS],
            *[event("project_error", error=text, code="E", fatal=False) for text in ATTACKS],
            event("project_completed", url="javascript:window.hacked=1", message=ATTACKS[0]),
        )
        await expect(page.locator(".facts .status")).to_have_text("completed")
        await expect(lines(page)).to_have_count(1 + 5 * len(ATTACKS) + 1)
        assert set(ATTACKS) <= set(await lines(page).all_text_contents())
        await expect(page.locator("h2").first).to_have_text(ATTACKS[-1])
        forged = "agent-swarm-view :is(script, img, svg, iframe, style, form, base, link, meta, agent-swarm-view, a)"
        await expect(page.locator(forged)).to_have_count(0)
        assert here == await page.evaluate("document.querySelectorAll('body *:not(agent-swarm-view *)').length")
        assert await page.evaluate("window.hacked === undefined")
        assert [] == [request.url for request in await page.requests() if not request.url.startswith(gate.url)]


async def test_pausing_loses_nothing(chromium: PrivateChromium, tmp_path: Path) -> None:
    """It says how many lines wait, and shows them all when the reader goes on."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await page.get_by_role("button", name="Pause").click()
        more = [f"line {number}" for number in range(20)]
        await relay.publish(*[log("p", text) for text in more])
        await expect(page.locator(".count")).to_have_text("20 waiting")
        await expect(lines(page)).to_have_text(["one"])
        await page.get_by_role("button", name="Resume").click()
        await expect(lines(page)).to_have_text(["one", *more])


async def test_clearing_takes_away_what_was_and_not_what_comes(chromium: PrivateChromium, tmp_path: Path) -> None:
    """The lines that are shown, and those that wait for a reader who has paused."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await page.get_by_role("button", name="Clear").click()
        await expect(lines(page)).to_have_count(0)
        await expect(page.locator(".count")).to_have_text("0 lines")
        await page.get_by_role("button", name="Pause").click()
        await relay.publish(log("p", "two"))
        await expect(page.locator(".count")).to_have_text("1 waiting")
        await page.get_by_role("button", name="Clear").click()
        await page.get_by_role("button", name="Resume").click()
        await relay.publish(log("p", "three"))
        await expect(lines(page)).to_have_text(["three"])


async def test_a_filter_is_in_the_address(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Chosen by hand or opened by a link: the relay selects, and the link shows somebody else the same."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        await relay.publish({**log("p", "bad"), "level": "error"}, log("p", "fine"))
        await expect(lines(page)).to_have_text(["one", "bad", "fine"])
        await page.get_by_label("Least level").select_option("error")
        await expect(lines(page)).to_have_text(["bad"])
        await expect(page).to_have_url(f"{gate.url}/#project=p&level=error")
        await page.goto(f"{gate.url}/?other#token={relay.token()}&project=p&level=error")
        await expect(lines(page)).to_have_text(["bad"])
        await expect(page.get_by_label("Least level")).to_have_value("error")


async def test_several_filters_at_once(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Kind, level, agent and text: only what passes all of them is shown, of the past and as it comes."""
    wanted = {**log("p", "Disk is full"), "level": "error", "agent": "ada"}
    others = [
        {**wanted, "message": "Network is away"},
        {**wanted, "level": "info"},
        {**wanted, "agent": "bob"},
        event("project_error", error="Disk is full"),
    ]
    async with opened(chromium, tmp_path) as (relay, gate, page):
        await relay.publish(*others, wanted)
        await expect(lines(page)).to_have_count(6)
        await page.get_by_label("Kind of message").select_option("log")
        await page.get_by_label("Least level").select_option("warning and up")
        await page.get_by_label("Agent", exact=True).select_option("ada")
        await page.get_by_role("searchbox").fill("disk")
        await page.get_by_role("searchbox").press("Enter")
        await expect(lines(page)).to_have_text(["Disk is full"])
        await expect(page).to_have_url(f"{gate.url}/#project=p&types=workflow_log&level=warning&agent=ada&q=disk")
        await relay.publish(*others, {**wanted, "message": "disk again"})
        await expect(lines(page)).to_have_text(["Disk is full", "disk again"])
        await page.get_by_label("Agent", exact=True).select_option("all agents")
        await expect(lines(page)).to_have_text(["Disk is full", "Disk is full", "Disk is full", "disk again"])


async def test_a_line_has_an_address(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Pressing its time puts it there; who opens that sees the line marked, in the middle of what came around it."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        await relay.publish(*[log("p", f"line {number}") for number in range(400)])
        await expect(lines(page).last).to_have_text("line 399")
        await page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no')); }")
        row = page.locator(".line").filter(has=page.get_by_text("line 50", exact=True))
        await row.locator("time").click()
        await expect(page).to_have_url(re.compile(rf"^{gate.url}/#project=p&event=[A-Za-z0-9_-]{{32}}$"))
        place = page.url.partition("#")[2]
        await page.goto(f"{gate.url}/?somebody#token={relay.token('bob')}&{place}")
        await expect(page.locator(".marked .text")).to_have_text("line 50")
        await expect(page.locator(".marked")).to_be_in_viewport(ratio=1)
        await expect(page).to_have_url(f"{gate.url}/?somebody#{place}")


async def test_searching_hides_what_does_not_match(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Of what is here at once; Enter asks the relay, which looks through its whole past."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(*[log("p", f"line {number}") for number in range(150)])
        await expect(lines(page).last).to_have_text("line 149")
        found = ["line 14", *[f"line 14{number}" for number in range(10)]]
        await page.get_by_role("searchbox").fill("LINE 14")
        await expect(lines(page)).to_have_text(found)
        await page.get_by_role("searchbox").press("Enter")
        await expect(page).to_have_url(re.compile(r"q=LINE\+14$"))
        await expect(lines(page)).to_have_text(found)


@pytest.mark.parametrize("kind", ["json", "csv", "txt"])
async def test_the_lines_can_be_taken_away(chromium: PrivateChromium, tmp_path: Path, kind: str) -> None:
    """As a file with all of them; what a spreadsheet would take for a formula is a text in it."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(log("p", '=HYPERLINK("x")'), log("p", 'quote " and,\ncomma'))
        await expect(lines(page)).to_have_count(3)
        async with page.expect_download() as begun:
            await page.get_by_title(f"Download as {kind.upper()}").click()
        download = await begun.value
        assert f"p.{kind}" == download.suggested_filename
        text = (await download.path()).read_text()
    if kind == "json":
        assert ["one", '=HYPERLINK("x")', 'quote " and,\ncomma'] == [line["text"] for line in json.loads(text)]
    elif kind == "csv":
        rows = list(csv.DictReader(text.splitlines(keepends=True)))
        assert ["one", '\'=HYPERLINK("x")', 'quote " and,\ncomma'] == [row["text"] for row in rows]
    else:
        assert re.fullmatch(r'\S+Z info    one\n\S+Z info    =HYP.*\n\S+Z info    quote " and,\ncomma', text)


async def test_a_tab_for_each_project(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Each goes on while another is looked at; a digit chooses one, and a closed one leaves the next."""
    others = [log("q", "other"), {**event("project_started", name="Third"), "project_id": "r"}]
    async with opened(chromium, tmp_path, *others) as (relay, gate, page):
        tabs = page.get_by_role("navigation", name="Open projects").locator(".tab button:first-child")
        await page.get_by_role("complementary").get_by_role("button", name="q").click()
        await expect(lines(page)).to_have_text(["other"])
        await page.get_by_role("complementary").get_by_role("button", name="Third").click()
        await expect(tabs).to_have_text(["p", "q", "r"])
        await expect(page).to_have_url(f"{gate.url}/#project=r")
        await relay.publish(log("p", "two"))
        await page.keyboard.press("1")
        await expect(lines(page)).to_have_text(["one", "two"])
        await expect(page.get_by_role("button", name="p", exact=True)).to_have_attribute("aria-current", "page")
        await page.get_by_role("button", name="Close p").click()
        await expect(tabs).to_have_text(["q", "r"])
        await expect(page.get_by_role("heading", name="Third")).to_be_visible()
        await relay.publish(log("q", "more"), log("r", "news"))
        await expect(lines(page).last).to_have_text("news")
        await page.keyboard.press("1")
        await expect(lines(page)).to_have_text(["other", "more"])


async def test_a_page_that_is_loaded_again_shows_the_same(chromium: PrivateChromium, tmp_path: Path) -> None:
    """The projects that were open, what they had shown, and what came meanwhile."""
    async with opened(chromium, tmp_path, log("q", "other")) as (relay, gate, page):
        await page.get_by_role("complementary").get_by_role("button", name="q").click()
        await expect(lines(page)).to_have_text(["other"])
        await page.goto(f"{gate.url}/?again")
        await relay.publish(log("p", "two"))
        await expect(page.locator(".tab button:first-child")).to_have_text(["p", "q"])
        await page.get_by_role("button", name="p", exact=True).click()
        await expect(lines(page)).to_have_text(["one", "two"])


async def test_who_has_no_token_is_asked_for_one(chromium: PrivateChromium, tmp_path: Path) -> None:
    """And goes on when it is good."""
    async with inside(tmp_path) as relay, chromium.page(relay.url) as page:
        await relay.publish(log("p", "one"))
        await page.get_by_label("Token").fill(relay.token())
        await page.get_by_role("button", name="Show my projects").click()
        await expect(lines(page)).to_have_text(["one"])


async def test_whose_token_expires_logs_in_again_and_goes_on(chromium: PrivateChromium, tmp_path: Path) -> None:
    """With the same tabs, at the same place, and with what came meanwhile; the token before is of no use."""
    async with inside(tmp_path, {"auth": {"leeway_seconds": 0, "grace_seconds": 0.1}}) as relay:
        await relay.publish(log("p", "one"), log("q", "one"), {**log("q", "bad"), "level": "error"})
        place = "project=q&level=error"
        async with chromium.page(f"{relay.url}/#token={relay.token(ttl=4)}&project=p") as page:
            await expect(lines(page)).to_have_text(["one"])
            await page.goto(f"{relay.url}/?again#{place}")
            await expect(lines(page)).to_have_text(["bad"])
            await expect(page.get_by_role("alert")).to_have_text("Your session has ended. Please log in again.")
            await expect(lines(page)).not_to_be_visible()
            await relay.publish({**log("q", "worse"), "level": "error"})
            await page.get_by_label("Token").fill(relay.token())
            await page.get_by_role("button", name="Show my projects").click()
            await expect(lines(page)).to_have_text(["bad", "worse"])
            await expect(page).to_have_url(f"{relay.url}/?again#{place}")
            await expect(page.locator(".tab button:first-child")).to_have_text(["p", "q"])


async def test_that_nobody_knows_who_watches_is_no_error(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Nothing is said of it, and everything else goes on."""
    async with inside(tmp_path) as relay, chromium.page("about:blank") as page:
        await relay.publish(log("p", "one"))
        await page.route("**/viewers", lambda route: route.abort())
        async with page.expect_event("requestfailed", lambda request: request.url.endswith("/viewers")):
            await page.goto(f"{relay.url}/#token={relay.token()}&project=p")
        await expect(lines(page)).to_have_text(["one"])
        await expect(page.locator("agent-swarm-together .who")).to_be_empty()


async def test_ten_thousand_lines_and_no_more(chromium: PrivateChromium, tmp_path: Path) -> None:
    """The oldest go; the newest is in sight while the reader is at the end, and nothing moves while it is not."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        newest = page.locator(".block:last-child .line:last-child .text")
        for batch in range(11):
            await relay.publish(*[log("p", f"line {batch * 1_000 + number}") for number in range(1_000)])
        await expect(newest).to_have_text("line 10999")
        assert 9_900 < await page.locator(".line").count() <= 10_000
        await expect(newest).to_be_in_viewport()
        await terminal(page).evaluate("(list) => { list.scrollTop = 0; }")
        await expect(page.locator(".block:first-child .line:first-child .text")).to_be_in_viewport()
        await relay.publish(log("p", "newest"))
        # By its role it would be looked for among all the lines.
        newer = page.locator(".more")
        await expect(newer).to_be_visible()
        await expect(newest).to_have_text("newest")
        await expect(newest).not_to_be_in_viewport()
        await newer.click()
        await expect(newest).to_be_in_viewport()
        await expect(newer).to_be_hidden()


async def test_only_who_scrolls_up_leaves_the_end(chromium: PrivateChromium, tmp_path: Path) -> None:
    """What is above the lines may grow in the moment in which they move: who was at the end stays there."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(*[log("p", f"line {number}") for number in range(200)])
        await expect(lines(page).last).to_be_in_viewport()
        await page.locator(".lines").evaluate(SQUEEZED)
        await relay.publish(log("p", "newest"))
        await expect(lines(page).last).to_have_text("newest")
        await expect(lines(page).last).to_be_in_viewport()
        await expect(page.get_by_role("button", name="Newest lines")).to_be_hidden()
        await terminal(page).hover()
        await page.mouse.wheel(0, -300)
        await expect(lines(page).last).not_to_be_in_viewport()
        await relay.publish(log("p", "newer"))
        await expect(page.get_by_role("button", name="Newest lines")).to_be_visible()
        await expect(lines(page).last).not_to_be_in_viewport()
        await page.mouse.wheel(0, 10_000)
        await expect(page.get_by_role("button", name="Newest lines")).to_be_hidden()


async def test_two_people_look_at_the_same_thing(chromium: PrivateChromium, tmp_path: Path) -> None:
    """One shares, the other follows filter and place, and is told when it is over."""
    async with opened(chromium, tmp_path) as (relay, gate, ada):
        await relay.publish(
            *[log("p", f"line {number}") for number in range(90)], {**log("p", "bad"), "level": "error"}
        )
        async with chromium.page(f"{gate.url}/#token={relay.token('bob')}&project=p") as bob:
            await expect(lines(bob).last).to_have_text("bad")
            await ada.get_by_role("button", name="Share my view").click()
            await bob.get_by_role("button", name="Follow ada").click()
            await ada.get_by_label("Least level").select_option("error")
            await expect(lines(bob)).to_have_text(["bad"])
            await ada.get_by_label("Least level").select_option("all levels")
            await expect(lines(ada)).to_have_count(92)
            await expect(lines(bob)).to_have_count(92)
            await terminal(ada).evaluate("(list) => { list.scrollTop = 0; }")
            await expect(bob.locator(".marked .text")).to_have_text("one")
            await ada.get_by_role("button", name="Stop sharing").click()
            await expect(bob.get_by_role("button", name="ada")).to_have_count(0)
            await expect(ada.locator("agent-swarm-together .who")).to_have_text("2 are watching")
