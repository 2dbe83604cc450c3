"""The browser's client in a real Chromium: three levels and the way back, resume, refresh, many tabs."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from relayd.web.pages import Pages
from tests.harness.chromium import PrivateChromium
from tests.harness.gate import Gate
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Tables
from tests.harness.viewer import log

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEGIN = """(async () => {
  window.module = await import("/assets/FINGERPRINT/relay-client.js");
  window.states = [], window.lines = [], window.told = [], window.asked = [], window.said = {};
  window.client = new module.RelayClient(PROJECTS, {
    token: (reason) => { asked.push(reason); return window.next?.() ?? window.token; }, share: false, ...OPTIONS,
  });
  client.on("state", ({ state }) => { if (states.at(-1) !== state) states.push(state); });
  client.on("workflow_log", ({ message }) => lines.push(message));
  client.on("restored", ({ messages }) => lines.push(...messages.filter((m) => m.level).map((m) => m.message)));
  client.on("established", ({ established }) => told.push(established.replay));
  client.on("error", ({ code, retried, userMessage }) => {
    told.push(`${code} ${retried}`);
    said[code] = userMessage;
  });
  window.token = TOKEN;
  client.start();
})()"""

PROVIDE = "(tokens) => { window.next = () => tokens.length > 1 ? tokens.shift() : tokens[0]; }"
"""The client is given one token after the other, and the last one again and again."""

BARE = "/v1/public/agent-swarms/health"
"""A page of the relay's origin that does nothing by itself."""

QUICK = {"waits": [50, 75, 110], "probes": [100, 200]}
"""The same ladder with shorter steps."""


@asynccontextmanager
async def served(folder: Path, *tables: Tables) -> AsyncGenerator[tuple[InsideRelay, Gate]]:
    """Give a relay and the gate before it."""
    async with inside(folder, *tables) as relay, Gate(urlsplit(relay.url).port or 0) as gate:
        yield relay, gate


async def begin(page: Page, relay: InsideRelay, *projects: str, token: str | None = None, **options: object) -> None:
    """Start a client in a page."""
    script = BEGIN.replace("FINGERPRINT", Pages().fingerprint).replace("PROJECTS", json.dumps(projects))
    script = script.replace("TOKEN", json.dumps(token or relay.token()))
    await page.evaluate(script.replace("OPTIONS", json.dumps({**QUICK, **options})))


def frames_sent(page: Page) -> list[str]:
    """Return a list that gets each frame that a page sends from now on."""
    sent: list[str] = []

    def heard(frame: str | bytes) -> None:
        sent.append(str(frame))

    page.on("websocket", lambda socket: socket.on("framesent", heard))
    return sent


async def hears(page: Page, *lines: str) -> None:
    """Return when the page has heard exactly these lines."""
    await page.wait_for_function(f"lines.length >= {len(lines)}")
    assert list(lines) == await page.evaluate("lines")


async def test_down_the_ladder_and_up_again(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Socket, poll, static view and back by itself; every line once and in order, whatever carried it."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        await begin(page, relay, "p")
        await hears(page, "one")
        assert ["websocket"] == (await page.evaluate("states"))[-1:]
        gate.turn("http")
        await relay.publish(log("p", "two"))
        await hears(page, "one", "two")
        assert "polling" == await page.evaluate("client.state")
        gate.turn("shut")
        await page.wait_for_function("client.state === 'static'")
        await relay.publish(log("p", "three"))
        gate.turn("open")
        await page.wait_for_function("client.state === 'websocket'")
        await hears(page, "one", "two", "three")
        await relay.publish(log("p", "four"))
        await hears(page, "one", "two", "three", "four")
        passed = await page.evaluate("states.filter((state) => state !== 'connecting')")
        assert ["websocket", "polling", "static"] == passed[:3]
        assert "websocket" == passed[-1]


async def test_a_socket_that_fails_three_times_is_given_up_for_a_while(
    chromium: PrivateChromium, tmp_path: Path
) -> None:
    """Three attempts with waits behind them, then the poll, at which it is tried again and again."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        gate.turn("http")
        await begin(page, relay, "p", probes=[100_000])
        await page.wait_for_function("client.state === 'polling'")
        assert 3 == gate.sockets
        await hears(page, "one")
        gate.turn("open")
        # The page is looked at again: what would be tried in a minute and a half is tried now.
        await page.evaluate("window.dispatchEvent(new Event('online'))")
        await page.wait_for_function("client.state === 'websocket'")
        assert 4 == gate.sockets


async def test_the_waits_are_those_of_the_contract(chromium: PrivateChromium, tmp_path: Path) -> None:
    """1.0, 1.5 and 2.25 s, each spread by a fifth, so 4.75 s in all: the clock of the page says so."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        gate.turn("http")
        await page.evaluate("""() => {
          window.waited = [];
          const later = window.setTimeout;
          window.setTimeout = (call, ms, ...rest) => later(call, (waited.push(ms), ms / 20), ...rest);
        }""")
        await begin(page, relay, "p", waits=[1_000, 1_500, 2_250])
        await page.wait_for_function("client.state === 'polling'")
        waited = [ms for ms in await page.evaluate("waited") if 700 < ms < 3_000]
    for wait, ms in zip([1_000, 1_500, 2_250], waited[:3], strict=True):
        assert 0.8 * wait <= ms <= 1.2 * wait


async def test_a_page_that_is_loaded_again_goes_on_where_it_was(chromium: PrivateChromium, tmp_path: Path) -> None:
    """What it saw is there at once, what it missed follows, and nothing comes twice."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        await begin(page, relay, "p")
        await hears(page, "one")
        await page.evaluate("dispatchEvent(new Event('pagehide'))")
        await page.goto(f"{gate.url}{BARE}?again")
        await relay.publish(log("p", "two"))
        await begin(page, relay, "p")
        await hears(page, "one", "two")
        assert ["resume"] == await page.evaluate("told")


@pytest.mark.parametrize(("ending", "told"), [("bad", "AUTH_FAILED"), ("foreign", "FORBIDDEN")])
async def test_who_may_not_come_in_is_told_and_not_tried_again(
    chromium: PrivateChromium, tmp_path: Path, ending: str, told: str
) -> None:
    """A bad token is asked for once more, and then it ends; somebody else's project ends at once."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish({**log("p", "one"), "type": "project_started", "owner": "bob"})
        token = relay.token(projects=[]) if ending == "foreign" else "no.good.token"
        await begin(page, relay, "p", token=token)
        await page.wait_for_function("client.state === 'closed'")
        assert [f"{told} false"] == await page.evaluate("told")
        asked = ["connect", "refused"] if ending == "bad" else ["connect"]
        assert asked == await page.evaluate("asked")


SAID = {
    "WEBSOCKET_NOT_SUPPORTED": "This browser has no WebSockets; updates come by polling.",
    "CONNECTION_FAILED": "The live connection could not be made; updates come by polling.",
    "AUTH_FAILED": "Your session has ended. Please log in again.",
    "TIMEOUT": "The server took too long to answer.",
    "NETWORK_ERROR": "The network is not reachable. What you see may be out of date.",
    "SERVER_ERROR": "The server has a problem. We keep trying.",
}


@pytest.mark.parametrize("code", SAID)
async def test_what_goes_wrong_has_a_name_and_a_sentence(chromium: PrivateChromium, tmp_path: Path, code: str) -> None:
    """The six names that front ends know, each out of what it stands for, in words for a person."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        # The page has what it needs, before anything goes wrong.
        await page.evaluate(f"import('/assets/{Pages().fingerprint}/relay-client.js').then(() => 0)")
        match code:
            case "WEBSOCKET_NOT_SUPPORTED":
                await page.evaluate("delete window.WebSocket")
            case "CONNECTION_FAILED":
                gate.turn("http")
            case "NETWORK_ERROR":
                gate.turn("shut")
            case "SERVER_ERROR":
                relay.rooms.admission.draining = True
        token = "no.good.token" if code == "AUTH_FAILED" else None
        silent = gate.swallowing("answered") if code == "TIMEOUT" else nullcontext()
        with silent:
            await begin(page, relay, "p", token=token, timeout=300)
            await page.wait_for_function(f"{json.dumps(code)} in said")
            if code == "TIMEOUT":
                # Sockets first, and polls after them.
                await page.wait_for_function("client.state === 'static'")
                assert {"TIMEOUT true"} == set(await page.evaluate("told"))
        assert SAID[code] == await page.evaluate(f"said.{code}")


@pytest.mark.parametrize("way", ["socket", "polls"])
async def test_who_asked_too_much_is_told_that_and_goes_on_in_a_moment(
    chromium: PrivateChromium, tmp_path: Path, way: str
) -> None:
    """And not that all its connections are in use, or that the server has a problem; without anybody doing anything."""
    limits = {"requests_per_second": 0.5, "request_burst": 1, "connections_per_user": 1}
    async with served(tmp_path, {"limits": limits}) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        if way == "polls":
            gate.turn("http")
        relay.rooms.admission.restraint.request("ada")
        await begin(page, relay, "p")
        await page.wait_for_function("told.includes('RATE_LIMITED true')")
        assert "TOO_MANY_CONNECTIONS true" not in await page.evaluate("told")
        await hears(page, "one")


async def test_a_token_is_renewed_before_it_expires(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Over the same socket, without a line lost; the notice of the relay asks for it."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        await begin(page, relay, "p", token=relay.token(ttl=5))
        await hears(page, "one")
        await page.evaluate(f"window.token = {json.dumps(relay.token())}")
        await page.wait_for_function("asked.includes('expiring')")
        await relay.publish(log("p", "two"))
        await hears(page, "one", "two")
        assert 1 == gate.sockets


@pytest.mark.parametrize("others", [0, 5])
async def test_who_gets_no_lasting_token_does_not_go_round_and_round(
    chromium: PrivateChromium, tmp_path: Path, others: int
) -> None:
    """The same one is not shown again, and of those that expire at once as well not one after the other."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        sent = frames_sent(page)
        await relay.publish(log("p", "one"))
        tokens = [relay.token(ttl=30 + number) for number in range(1 + others)]
        await page.evaluate(
            "(tokens) => { window.next = () => tokens.length > 1 ? tokens.shift() : tokens[0]; }", tokens
        )
        await begin(page, relay, "p")
        await page.wait_for_function("asked.includes('expiring')")
        # Whatever was said before it, the relay has answered when it answers this.
        await page.evaluate("new Promise((done) => { client.on('beat', done); client.say({type: 'ping'}); })")
        await page.evaluate("new Promise((done) => { client.on('beat', done); client.say({type: 'ping'}); })")
        assert ["connect", "expiring"] == await page.evaluate("asked")
        assert min(1, others) == sum('"refresh"' in frame for frame in sent)


async def test_several_projects_share_a_socket(chromium: PrivateChromium, tmp_path: Path) -> None:
    """One is added and one is taken away while it runs, and each resumes by its own cursor."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "p1"), log("q", "q1"), log("r", "r1"))
        await begin(page, relay, "p", "q")
        await page.wait_for_function("lines.length === 2")
        await page.evaluate("client.subscribe('r')")
        await page.wait_for_function("lines.length === 3")
        gate.turn("open")
        await relay.publish(log("p", "p2"), log("q", "q2"), log("r", "r2"))
        await page.wait_for_function("lines.length === 6")
        assert ["p1", "p2", "q1", "q2", "r1", "r2"] == await page.evaluate("lines.toSorted()")
        await page.evaluate("client.unsubscribe('q')")
        await relay.publish(log("q", "q3"), log("r", "r3"))
        await page.wait_for_function("lines.includes('r3')")
        assert not await page.evaluate("lines.includes('q3')")


async def test_a_filter_is_the_relays(chromium: PrivateChromium, tmp_path: Path) -> None:
    """What is not wanted does not travel, over a socket and over polls; the past is shown anew as it is wanted now."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "quiet"), {**log("p", "loud"), "level": "error"})
        await begin(page, relay, "p")
        await hears(page, "quiet", "loud")
        await page.evaluate("lines.length = 0, client.setFilter({ level: 'error' })")
        await relay.publish(log("p", "no"), {**log("p", "yes"), "level": "error"})
        await page.wait_for_function("lines.includes('yes')")
        assert ["loud", "yes"] == await page.evaluate("lines")
        gate.turn("http")
        await page.wait_for_function("client.state === 'polling'")
        await relay.publish(log("p", "no"), {**log("p", "again"), "level": "error"})
        await hears(page, "loud", "yes", "again")


async def test_six_tabs_take_one_place(chromium: PrivateChromium, tmp_path: Path) -> None:
    """One leads and the others hear through it; when it is closed another goes on, and nobody loses a line."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        tabs = [page, *[await page.context.new_page() for _ in range(5)]]
        for tab in tabs:
            await tab.goto(gate.url + BARE)
            await begin(tab, relay, "p", share=True, storage=None)
        for tab in tabs:
            await hears(tab, "one")
        assert (1, 1) == (relay.places(), gate.sockets)
        (leader,) = [tab for tab in tabs if await tab.evaluate("client.leads")]
        await relay.publish(log("p", "two"))
        for tab in tabs:
            await hears(tab, "one", "two")
        tabs.remove(leader)
        await leader.close()
        await relay.publish(log("p", "three"))
        for tab in tabs:
            await hears(tab, "one", "two", "three")
        await relay.until(lambda: relay.places() == 1)


async def test_a_socket_that_says_nothing_is_not_waited_for(chromium: PrivateChromium, tmp_path: Path) -> None:
    """Something between may take the upgrade and swallow the rest; after the time-out the poll is tried."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"))
        await page.evaluate("""() => {
          window.WebSocket = class extends EventTarget { constructor() { super(); } close() {} };
        }""")
        await begin(page, relay, "p", timeout=200)
        await hears(page, "one")
        assert "polling" == await page.evaluate("client.state")
        assert 0 == gate.sockets


async def test_a_socket_that_is_opened_with_a_ticket(chromium: PrivateChromium, tmp_path: Path) -> None:
    """No token in an address or a sub-protocol, a new ticket for each attempt, for one project and for many."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await relay.publish(log("p", "one"), log("q", "one"))
        await page.evaluate("""() => {
          window.opened = [];
          const Real = WebSocket;
          window.WebSocket = class extends Real {
            constructor(url, names) {
              super(url, names);
              opened.push([new URL(url).searchParams.get("ticket"), ...names]);
            }
          };
        }""")
        await begin(page, relay, "p", tickets=True)
        await hears(page, "one")
        gate.turn("open")
        await relay.publish(log("p", "two"))
        await hears(page, "one", "two")
        await page.evaluate("client.subscribe('q')")
        await page.wait_for_function("lines.length === 3")
        opened = await page.evaluate("opened")
        assert {"relayd.v1"} == {name for _, *names in opened for name in names}
        assert 3 <= len(opened) == len({ticket for ticket, *_ in opened})
        assert "websocket" == await page.evaluate("client.state")


async def test_who_gets_no_ticket_is_told_so(chromium: PrivateChromium, tmp_path: Path) -> None:
    """As with a bad token: it is asked for once more, and then it ends."""
    async with served(tmp_path) as (relay, gate), chromium.page(gate.url + BARE) as page:
        await begin(page, relay, "p", token="no.good.token", tickets=True)
        await page.wait_for_function("client.state === 'closed'")
        assert ["AUTH_FAILED false"] == await page.evaluate("told")
        assert ["connect", "refused"] == await page.evaluate("asked")
        assert 0 == gate.sockets


STREAM = """(async () => {
  const answer = await fetch("RELAY/v1/public/agent-swarms/tickets", {
    method: "POST", headers: { Authorization: "Bearer TOKEN", "Content-Type": "application/json" },
    body: '{"project_id": "p"}',
  });
  const { ticket } = await answer.json();
  window.streams = [1, 2].map(() => {
    const seen = { lines: [], failed: false };
    const stream = new EventSource(`RELAY/v1/public/agent-swarms/projects/p/stream?ticket=${ticket}`);
    stream.onmessage = ({ data }) => seen.lines.push(JSON.parse(data).message);
    stream.onerror = () => { seen.failed = stream.readyState === EventSource.CLOSED; };
    return seen;
  });
})()"""


@pytest.mark.parametrize("where", ["own", "listed"])
async def test_an_event_source_with_a_ticket(chromium: PrivateChromium, tmp_path: Path, where: str) -> None:
    """A browser names no origin to the page's own host and one to another: of two streams one comes in, either way."""
    async with elsewhere() as (origin, show):
        listed: Tables = {"server": {"origins": [origin] if where == "listed" else []}}
        async with inside(tmp_path, listed) as relay:
            await relay.publish(log("p", "one"))
            show("<!doctype html><title>A page</title><link rel='icon' href='data:,'>")
            async with chromium.page(origin if where == "listed" else relay.url + BARE) as page:
                await page.evaluate(STREAM.replace("RELAY", relay.url).replace("TOKEN", relay.token()))
                await page.wait_for_function("streams.some(({ lines }) => lines.includes('one'))")
                await page.wait_for_function("streams.some(({ failed }) => failed)")
                assert 1 == await page.evaluate("streams.filter(({ failed }) => failed).length")


ELSEWHERE = """<!doctype html><title>An application of somebody else</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="RELAY/assets/elements.css">
<script type="module" src="RELAY/assets/elements.js"></script>
<agent-swarm-view project="p" base="RELAY" token="TOKEN"></agent-swarm-view>"""

FRAMEWORK = """<!doctype html><title>An application of somebody else</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="RELAY/assets/elements.css">
<script type="module">
  import "RELAY/assets/elements.js";
  const view = document.createElement("agent-swarm-view");
  for (const [name, value] of Object.entries({ project: "p", base: "RELAY", token: "TOKEN" }))
    if (name in view) view[name] = value; else view.setAttribute(name, value);
  document.body.append(view);
</script>"""
"""How React (since 19) and Vue (since 3) make an element that is not HTML's."""


@pytest.mark.parametrize("application", [ELSEWHERE, FRAMEWORK], ids=["html", "framework"])
async def test_it_works_in_an_application_of_another_origin(
    chromium: PrivateChromium, tmp_path: Path, application: str
) -> None:
    """Two lines of HTML and an element; the relay lets the origin in that it is told of."""
    async with elsewhere() as (origin, show), inside(tmp_path, {"server": {"origins": [origin]}}) as relay:
        await relay.publish(log("p", "one"))
        show(application.replace("RELAY", relay.url).replace("TOKEN", relay.token()))
        async with chromium.page(origin) as page:
            await expect(page.locator(".line .text")).to_have_text(["one"])
            await expect(page.locator("agent-swarm-badge")).to_have_text("WebSocket (Real-time)")
            await expect(page.locator("agent-swarm-view")).to_have_css("display", "flex")
            assert [] == [message.text for message in await page.console_messages()]


@asynccontextmanager
async def elsewhere() -> AsyncGenerator[tuple[str, Callable[[str], None]]]:
    """Give an origin that is not the relay's, and what sets its page."""
    shown = [""]

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=shown[0], content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", lambda text: shown.__setitem__(0, text)
    finally:
        await runner.cleanup()
