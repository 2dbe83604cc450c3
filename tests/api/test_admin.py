import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from relayd.api.admin import admin_app
from relayd.telemetry.health import Health
from relayd.telemetry.metrics import Metrics
from relayd.testing.journal import FakeJournal
from tests.telemetry.clock import HandClock


class Relay:
    """Real metrics and health with a loop whose lag the test sets."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.lag = 0.0
        self.metrics = Metrics(version="1.2.3")
        self.health = Health(self.clock, lag=lambda: self.lag)

    def app(self, *, journal: FakeJournal | None = None, routes: tuple[web.RouteDef, ...] = ()) -> web.Application:
        return admin_app(
            render_metrics=self.metrics.render, health=self.health, clock=self.clock, journal=journal, routes=routes
        )


@pytest.fixture
def relay() -> Relay:
    """A relay that is fine."""
    return Relay()


async def test_metrics_are_prometheus_text(aiohttp_client: AiohttpClient, relay: Relay) -> None:
    """With the content type that scrapers ask for."""
    client = await aiohttp_client(relay.app())
    response = await client.get("/metrics")
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (response.status, response.headers["Content-Type"])
    assert 'relayd_build_info{version="1.2.3"} 1.0' in await response.text()


async def test_a_relay_that_is_ready_says_so(aiohttp_client: AiohttpClient, relay: Relay) -> None:
    """No proxy may keep the answer."""
    client = await aiohttp_client(relay.app())
    response = await client.get("/readyz")
    assert (200, {"ready": True, "reasons": {}, "notes": {}}) == (response.status, await response.json())
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_relay_that_is_not_ready_says_why(aiohttp_client: AiohttpClient, relay: Relay) -> None:
    """503 for machines, sentences for people; and it lives on."""
    relay.health.add("source", lambda: "the broker is away since 12 s")
    client = await aiohttp_client(relay.app())
    response = await client.get("/readyz")
    assert response.status == 503
    told = {"ready": False, "reasons": {"source": "the broker is away since 12 s"}, "notes": {}}
    assert told == await response.json()
    assert (await client.get("/livez")).status == 200


async def test_what_keeps_nobody_away_is_told_beside(aiohttp_client: AiohttpClient, relay: Relay) -> None:
    """200, for viewers are served; and a sentence for whoever looks."""
    relay.health.note("source", lambda: "a canary is late")
    client = await aiohttp_client(relay.app())
    response = await client.get("/readyz")
    told = {"ready": True, "reasons": {}, "notes": {"source": "a canary is late"}}
    assert (200, told) == (response.status, await response.json())


async def test_life_is_told_with_figures(aiohttp_client: AiohttpClient, relay: Relay) -> None:
    """Loop lag and restarts; 503 when the loop does not keep up."""
    relay.health.restarted("intake")
    relay.lag = 0.25
    client = await aiohttp_client(relay.app())
    response = await client.get("/livez")
    assert response.status == 200
    assert {"alive": True, "loop_lag_seconds": 0.25, "task_restarts": {"intake": 1}} == await response.json()
    relay.lag = 60.0
    assert (await client.get("/livez")).status == 503


async def test_rejected_events_need_a_journal(aiohttp_client: AiohttpClient, relay: Relay) -> None:
    """Without one there is nothing to list."""
    journal = FakeJournal()
    await journal.open("log", window=100)
    assert (await (await aiohttp_client(relay.app())).get("/rejected")).status == 404
    assert (await (await aiohttp_client(relay.app(journal=journal))).get("/rejected")).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_a_web_page_gives_no_orders(aiohttp_client: AiohttpClient, relay: Relay, origin: str) -> None:
    """A page in an operator's browser reaches loopback, too; it must not be able to replay or disconnect."""
    done: list[str] = []

    async def disconnect(_request: web.Request) -> web.Response:
        done.append("disconnected")
        return web.Response()

    client = await aiohttp_client(relay.app(routes=(web.post("/connections/c-1/disconnect", disconnect),)))
    response = await client.post("/connections/c-1/disconnect", headers={"Origin": origin})
    assert (403, "FORBIDDEN") == (response.status, (await response.json())["code"])
    assert not done
    assert (await client.post("/connections/c-1/disconnect")).status == 200
    assert done
