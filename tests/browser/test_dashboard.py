"""The dashboard in a real Chromium: what a person sees, presses and takes away."""

import asyncio
import csv
import json
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.harness.chromium import Page, PrivateChromium
from tests.harness.follower import until
from tests.harness.gate import Gate
from tests.harness.inside import InsideRelay, inside
from tests.harness.nginx import PrivateNginx
from tests.harness.viewer import log

LINES = "[...document.querySelectorAll('.line:not([hidden]) .text')].map((line) => line.textContent)"
BADGE = "document.querySelector('agent-swarm-badge').textContent"

NASTY = [
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "<svg/onload=window.hacked=1>",
    '"><iframe srcdoc="<script>parent.hacked=1</script>">',
    "javascript:window.hacked=1",
    "{{constructor.constructor('window.hacked=1')()}}",
    "</textarea><style>body{display:none}</style>",
    "\u202eright to left\u202c and \x1b[31mred\x1b[0m and \x00",
]


def event(kind: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  # what a worker may say
    """Return an event of project p."""
    return {"type": kind, "project_id": "p", "timestamp": time.time(), **fields}


@asynccontextmanager
async def opened(
    chromium: PrivateChromium, folder: Path, where: str = "&project=p", **window: int
) -> AsyncGenerator[tuple[InsideRelay, Gate, Page]]:
    """Give a relay with one line in project p, the gate before it, and the dashboard at a place."""
    async with inside(folder) as relay, Gate(urlsplit(relay.url).port or 0) as gate:
        await relay.publish(log("p", "one"))
        async with chromium.page(f"{gate.url}/#token={relay.token()}{where}", **window) as page:
            await page.until(f"{LINES}.includes('one')")
            yield relay, gate, page


async def patiently(page: Page, expression: str) -> None:
    """Return when an expression is true: here the page itself waits for seconds, and on a busy machine for long."""
    async with asyncio.timeout(90):
        while not await page.evaluate(expression):  # noqa: ASYNC110  # what is waited for is in a browser
            await asyncio.sleep(0.05)


async def test_what_a_swarm_does_this_second(chromium: PrivateChromium, tmp_path: Path) -> None:
    """State, stages, agents and lines as they come, and how the connection is."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        assert "WebSocket (Real-time)" == await page.evaluate(BADGE)
        await relay.publish(
            event("project_started", name="Web shop", estimated_duration_seconds=900),
            event("workflow_stage_update", stage="initialization", message="Cloning"),
            event("workflow_stage_update", stage="backend_development", message="Writing"),
            event("agent_status_update", agent="ada", status="working", progress=40, task="orders"),
            event("agent_status_update", agent="bob", status="waiting_for_human", progress=5, task="a question"),
            event("project_progress", progress=65, message="Building components..."),
        )
        await page.until(f"{LINES}.includes('Progress: 65% - Building components...')")
        shown = await page.evaluate("document.querySelector('agent-swarm-view').innerText")
        for text in ("Web shop", "65% · Building components...", "backend development", "orders"):
            assert text in shown
        assert re.search(r"about 1[45] min .* left", shown)
        stages = "[...document.querySelectorAll('agent-swarm-stages li')].map((item) => item.className)"
        assert ["done", "on"] == await page.evaluate(stages)
        agents = "[...document.querySelectorAll('.agent')].map((card) => card.dataset.status)"
        assert ["working", "waits"] == await page.evaluate(agents)
        await page.until("/^[0-9.]+ s ago$/.test(document.querySelector('agent-swarm-freshness').textContent)")
        await relay.publish(event("project_completed", url="https://example.org/shop", message="Done"))
        await page.until("document.querySelector('.facts .status').dataset.status === 'completed'")
        assert "https://example.org/shop" == await page.evaluate("document.querySelector('.links a').href")
        assert [] == page.console


async def test_a_token_in_the_address_goes_no_further(chromium: PrivateChromium, tmp_path: Path) -> None:
    """It is taken out of the address at once, and no request has it in its own."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        assert f"{gate.url}/#project=p" == await page.evaluate("location.href")
        asked = [told["request"]["url"] for told in page.told("Network.requestWillBeSent")]
        asked += [told["url"] for told in page.told("Network.webSocketCreated")]
        assert any("/ws/" in url for url in asked)
        # The fragment of the first address is the browser's own; it is not sent.
        assert not any(relay.token()[:20] in url.partition("#")[0] for url in asked)


async def test_the_badge_says_how_it_is_connected(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Green, yellow and red, each with its words, down and up again."""
    async with opened(chromium, tmp_path) as (_, gate, page):
        for way, words, colour in (
            ("http", "HTTP Polling (5s delay)", "yellow"),
            ("shut", "Static View", "red"),
            ("open", "WebSocket (Real-time)", "green"),
        ):
            gate.turn(way)  # type: ignore[arg-type]  # the three ways
            if way == "open":
                await page.evaluate("dispatchEvent(new Event('online'))")
            await patiently(page, f"{BADGE} === {json.dumps(words)}")
            assert colour == await page.evaluate("document.querySelector('agent-swarm-badge').dataset.colour")


async def test_whatever_a_line_says_is_only_text(chromium: PrivateChromium, tmp_path: Path) -> None:
    """As a message, a name, a task, a stage and a link: no element, no script, no broken page."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(
            *[log("p", text) for text in NASTY],
            event("project_started", name=NASTY[0], description=NASTY[1]),
            event("agent_status_update", agent=NASTY[1], status="working", progress=1, task=NASTY[2]),
            event("workflow_stage_update", stage=NASTY[3], message=NASTY[1]),
            event("project_completed", url="javascript:window.hacked=1", message=NASTY[0]),
        )
        await page.until("document.querySelector('.facts .status').dataset.status === 'completed'")
        await page.until(f"{LINES}.length === {1 + len(NASTY) + 4}")
        lines = await page.evaluate(LINES)
        assert set(NASTY) <= set(lines)
        assert NASTY[0] == await page.evaluate("document.querySelector('h2').textContent")
        inside_the_view = "document.querySelectorAll('agent-swarm-view :is(script, img, svg, iframe, style, a)').length"
        assert 0 == await page.evaluate(inside_the_view)
        assert await page.evaluate("window.hacked === undefined")


async def test_pausing_loses_nothing(chromium: PrivateChromium, tmp_path: Path) -> None:
    """It says how many lines wait, and shows them all when the reader goes on."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await page.evaluate("document.querySelector('.pause').click()")
        await relay.publish(*[log("p", f"line {number}") for number in range(20)])
        await page.until("document.querySelector('.count').textContent === '20 waiting'")
        assert ["one"] == await page.evaluate(LINES)
        await page.evaluate("document.querySelector('.pause').click()")
        await page.until(f"{LINES}.length === 21")
        assert ["one", *[f"line {number}" for number in range(20)]] == await page.evaluate(LINES)


async def test_a_filter_is_in_the_address(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Chosen by hand or opened by a link: the relay selects, and the link shows somebody else the same."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        await relay.publish({**log("p", "bad"), "level": "error"}, log("p", "fine"))
        await page.until(f"{LINES}.length === 3")
        choose = "const level = document.querySelector('select[aria-label=\"Least level\"]');"
        await page.evaluate(f"{choose} level.value = 'error', level.dispatchEvent(new Event('change'))")
        await page.until(f"{LINES}.join() === 'bad'")
        assert f"{gate.url}/#project=p&level=error" == await page.evaluate("location.href")
        await page.visit(f"{gate.url}/?other#token={relay.token()}&project=p&level=error")
        await page.until(f"{LINES}.join() === 'bad'")
        assert "error" == await page.evaluate("document.querySelector('select[aria-label=\"Least level\"]').value")


async def test_a_line_has_an_address(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Pressing its time puts it there; who opens that sees the line marked, in the middle of what came around it."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        await relay.publish(*[log("p", f"line {number}") for number in range(400)])
        await page.until(f"{LINES}.includes('line 399')")
        row = "[...document.querySelectorAll('.line')].find((row) => row.lastChild.textContent === 'line 50')"
        await page.evaluate(f"{row}.firstChild.click()")
        address = await page.evaluate("location.href")
        assert re.fullmatch(rf"{gate.url}/#project=p&event=[A-Za-z0-9_-]{{32}}", address)
        place = address.partition("#")[2]
        await page.visit(f"{gate.url}/?somebody#token={relay.token('bob')}&{place}")
        await page.until("document.querySelector('.marked .text')?.textContent === 'line 50'")
        marked = "document.querySelector('.marked').getBoundingClientRect()"
        lines = "document.querySelector('.lines').getBoundingClientRect()"
        assert await page.evaluate(f"{marked}.top > {lines}.top && {marked}.bottom < {lines}.bottom")
        assert f"#{place}" == await page.evaluate("location.hash")


async def test_everything_has_a_name_for_those_who_do_not_see(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Buttons, fields, bars and lists in the tree that a screen reader reads; headings in their order."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(
            event("project_started", name="Web shop"),
            event("agent_status_update", agent="ada", status="working", progress=40, task="orders"),
            event("workflow_stage_update", stage="testing", message="m"),
        )
        await page.until("document.querySelectorAll('.agent').length === 1")
        await page.ask("Accessibility.enable")
        tree = (await page.ask("Accessibility.getFullAXTree"))["nodes"]
    seen = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]
    needy = {"button", "combobox", "searchbox", "textbox", "progressbar", "log", "navigation", "complementary", "link"}
    assert [] == [role for role, name in seen if role in needy and not name]
    assert needy - {"textbox", "link"} <= {role for role, _ in seen}
    assert ["relayd", "Web shop", "ada"] == [name for role, name in seen if role == "heading"]
    assert "status" in {role for role, _ in seen}


async def test_searching_hides_what_does_not_match(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Of what is here at once; Enter asks the relay, which looks through its whole past."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(*[log("p", f"line {number}") for number in range(150)])
        await page.until(f"{LINES}.includes('line 149')")
        find = "const find = document.querySelector('.find');"
        await page.evaluate(f"{find} find.value = 'LINE 14', find.dispatchEvent(new Event('input'))")
        assert ["line 14", *[f"line 14{number}" for number in range(10)]] == await page.evaluate(LINES)
        await page.evaluate(
            "document.querySelector('.find').dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))"
        )
        await page.until("location.hash.endsWith('q=LINE+14')")
        await page.until(f"{LINES}.length === 11")


@pytest.mark.parametrize("kind", ["json", "csv", "txt"])
async def test_the_lines_can_be_taken_away(chromium: PrivateChromium, tmp_path: Path, kind: str) -> None:
    """As a file with all of them; what a spreadsheet would take for a formula is a text in it."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        await relay.publish(log("p", '=HYPERLINK("x")'), log("p", 'quote " and,\ncomma'))
        await page.until(f"{LINES}.length === 3")
        await page.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        await page.evaluate(f"document.querySelector('[title=\"Download as {kind.upper()}\"]').click()")
        path = tmp_path / f"p.{kind}"
        await until(path.exists)
        text = path.read_text()
    if kind == "json":
        assert ["one", '=HYPERLINK("x")', 'quote " and,\ncomma'] == [line["text"] for line in json.loads(text)]
    elif kind == "csv":
        rows = list(csv.DictReader(text.splitlines(keepends=True)))
        assert ["one", '\'=HYPERLINK("x")', 'quote " and,\ncomma'] == [row["text"] for row in rows]
    else:
        assert re.fullmatch(r'\S+Z info    one\n\S+Z info    =HYP.*\n\S+Z info    quote " and,\ncomma', text)


async def test_a_page_that_is_loaded_again_shows_the_same(chromium: PrivateChromium, tmp_path: Path) -> None:
    """The projects that were open, what they had shown, and what came meanwhile."""
    async with opened(chromium, tmp_path) as (relay, gate, page):
        await relay.publish(log("q", "other"))
        await page.until("document.querySelectorAll('#projects li').length === 2")
        await page.evaluate("[...document.querySelectorAll('#projects button')].at(0).click()")
        await page.until("document.querySelectorAll('.tab').length === 2")
        await page.visit(f"{gate.url}/?again")
        await relay.publish(log("p", "two"))
        await page.until("document.querySelectorAll('.tab').length === 2")
        await page.evaluate("[...document.querySelectorAll('.tab button')].at(0).click()")
        await page.until("document.querySelectorAll('agent-swarm-view:not([hidden]) .line').length === 2")


async def test_who_has_no_token_is_asked_for_one(chromium: PrivateChromium, tmp_path: Path) -> None:
    """And goes on when it is good."""
    async with inside(tmp_path) as relay, chromium.page(relay.url) as page:
        await relay.publish(log("p", "one"))
        await page.until("!document.getElementById('login').hidden")
        await page.evaluate(f"document.getElementById('token').value = {json.dumps(relay.token())}")
        await page.evaluate("document.querySelector('#login button').click()")
        await page.until(f"{LINES}.includes('one')")


async def test_ten_thousand_lines_and_no_more(chromium: PrivateChromium, tmp_path: Path) -> None:
    """The oldest go; the newest is in sight while the reader is at the end, and nothing moves while it is not."""
    async with opened(chromium, tmp_path) as (relay, _, page):
        for batch in range(11):
            await relay.publish(*[log("p", f"line {batch * 1_000 + number}") for number in range(1_000)])
        await page.until(f"{LINES}.at(-1) === 'line 10999'")
        count = await page.evaluate("document.querySelectorAll('.line').length")
        assert 9_900 < count <= 10_000
        at_end = "(({ scrollTop, clientHeight, scrollHeight }) => scrollHeight - scrollTop - clientHeight < 24)"
        await page.until(f"{at_end}(document.querySelector('.lines'))")
        await page.evaluate("document.querySelector('.lines').scrollTop = 0")
        await page.until("document.querySelector('.lines').scrollTop === 0")
        await relay.publish(log("p", "newest"))
        await page.until("!document.querySelector('.more').hidden")
        assert not await page.evaluate(f"{at_end}(document.querySelector('.lines'))")
        await page.evaluate("document.querySelector('.more').click()")
        await page.until(f"{at_end}(document.querySelector('.lines'))")


async def test_it_can_be_used_by_keyboard(chromium: PrivateChromium, tmp_path: Path) -> None:
    """`/` searches, `p` pauses, `t` turns the light on and off, a digit chooses a tab; nothing while one is typing."""
    press = "dispatchEvent(new KeyboardEvent('keydown', {{key: {!r}, bubbles: true, cancelable: true}}))"
    async with opened(chromium, tmp_path) as (_, _, page):
        await page.evaluate(press.format("/"))
        assert "find" == await page.evaluate("document.activeElement.className")
        await page.evaluate(f"document.activeElement.{press.format('p')}")
        assert "Pause" == await page.evaluate("document.querySelector('.pause').textContent")
        await page.evaluate(press.format("p"))
        assert "Resume" == await page.evaluate("document.querySelector('.pause').textContent")
        before = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        await page.evaluate(press.format("t"))
        assert before != await page.evaluate("getComputedStyle(document.body).backgroundColor")


async def test_it_lives_behind_nginx(chromium: PrivateChromium, tmp_path: Path) -> None:
    """The shipped configuration lets through what it needs, over TLS and HTTP/2, and its policy holds."""
    async with inside(tmp_path) as relay:
        upstream = f"127.0.0.1:{urlsplit(relay.url).port}"
        with PrivateNginx(tmp_path / "nginx", relayd=upstream) as nginx:
            await relay.publish(log("p", "one"))
            async with chromium.page("about:blank") as page:
                await page.ask("Security.setIgnoreCertificateErrors", ignore=True)
                await page.visit(f"{nginx.https}/#token={relay.token()}&project=p")
                await page.until(f"{LINES}.includes('one')")
                await relay.publish(log("p", "two"))
                await page.until(f"{LINES}.includes('two')")
                assert "WebSocket (Real-time)" == await page.evaluate(BADGE)
                assert [] == page.console
                answers = {told["response"]["url"]: told["response"] for told in page.told("Network.responseReceived")}
                (script,) = [answer for url, answer in answers.items() if url.endswith("/dashboard.js")]
            assert ("h2", 200) == (script["protocol"], script["status"])
            assert not any(relay.token()[:30] in text for text in nginx.logs().values())


@pytest.mark.parametrize(("width", "height"), [(390, 800), (1280, 800), (3840, 2160)])
async def test_it_fits_a_phone_and_a_wall(chromium: PrivateChromium, tmp_path: Path, width: int, height: int) -> None:
    """Nothing is wider than the window, and the lines are in it."""
    async with opened(chromium, tmp_path, width=width, height=height) as (relay, _, page):
        await relay.publish(log("p", "long " * 200), log("p", "x" * 500))
        await page.until(f"{LINES}.length === 3")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate("document.querySelector('.lines').getBoundingClientRect().bottom <= innerHeight")


async def test_two_people_look_at_the_same_thing(chromium: PrivateChromium, tmp_path: Path) -> None:
    """One shares, the other follows filter and place, and is told when it is over."""
    async with opened(chromium, tmp_path) as (relay, gate, ada):
        await relay.publish(
            *[log("p", f"line {number}") for number in range(90)], {**log("p", "bad"), "level": "error"}
        )
        async with chromium.page(f"{gate.url}/#token={relay.token('bob')}&project=p") as bob:
            await bob.until(f"{LINES}.includes('bad')")
            await ada.evaluate("document.querySelector('agent-swarm-together button').click()")
            await bob.until("document.querySelector('.offers button')?.textContent === 'Follow ada'")
            await bob.evaluate("document.querySelector('.offers button').click()")
            choose = "var level = document.querySelector('select[aria-label=\"Least level\"]');"
            await ada.evaluate(f"{choose} level.value = 'error', level.dispatchEvent(new Event('change'))")
            await bob.until(f"{LINES}.join() === 'bad'")
            await ada.evaluate(f"{choose} level.value = '', level.dispatchEvent(new Event('change'))")
            await ada.until(f"{LINES}.length === 92")
            await bob.until(f"{LINES}.length === 92")
            await ada.evaluate("document.querySelector('.lines').scrollTop = 0")
            await bob.until("document.querySelector('.marked .text')?.textContent === 'one'")
            await ada.evaluate("document.querySelector('agent-swarm-together button').click()")
            await bob.until("document.querySelectorAll('.offers button').length === 0")
            await ada.until("document.querySelector('agent-swarm-together .who').textContent === '2 are watching'")
