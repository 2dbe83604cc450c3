from pathlib import Path

import pytest

from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import Tables
from tests.harness.tickets import WAYS, comes, fetched
from tests.harness.viewer import log, refused, watch

OURS = "https://dashboard.example"
ALLOWED: Tables = {"server": {"origins": [OURS]}}


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://dashboard.example",
        f"{OURS}:8443",
        f"{OURS}.evil.example",
        "null",
        "http://[",
        "",
    ],
)
@pytest.mark.parametrize("tables", [ALLOWED, {}], ids=["listed", "same host"])
async def test_a_foreign_page_is_refused_before_the_upgrade(tmp_path: Path, tables: Tables, origin: str) -> None:
    """A page that rides on a visitor's access learns nothing, modern or not."""
    async with inside(tmp_path, tables) as relay:
        for legacy in (False, True):
            status, body, headers = await refused(relay, "p", legacy=legacy, headers={"Origin": origin})
            assert (403, "FORBIDDEN") == (status, body["code"])
            assert "access-control-allow-origin" not in headers


async def test_a_listed_page_comes_in(tmp_path: Path) -> None:
    """Exactly as it is spelt in `server.origins`."""
    async with inside(tmp_path, ALLOWED) as relay, watch(relay, "p", headers={"Origin": OURS}) as viewer:
        assert "connection_established" == (await viewer.frame())["type"]


async def test_a_list_is_the_whole_list(tmp_path: Path) -> None:
    """Once there is one, the relay's own host must stand in it like any other."""
    async with inside(tmp_path, ALLOWED) as relay:
        assert 403 == (await refused(relay, "p", headers={"Origin": relay.url}))[0]


async def test_without_a_list_pages_of_the_same_host_come_in(relay: InsideRelay) -> None:
    """What a dashboard served by the same proxy needs, and nobody else gets."""
    async with watch(relay, "p", headers={"Origin": relay.url}) as viewer:
        assert "connection_established" == (await viewer.frame())["type"]


async def test_a_client_that_is_no_browser_has_no_origin(tmp_path: Path) -> None:
    """There are no cookies it could ride on."""
    async with inside(tmp_path, ALLOWED) as relay, watch(relay, "p") as viewer:
        assert "connection_established" == (await viewer.frame())["type"]


async def test_a_preflight_is_answered(tmp_path: Path) -> None:
    """What a browser asks before it sends a token; a foreign page is told no."""
    async with inside(tmp_path, ALLOWED) as relay:
        asked = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
        address = relay.api("/connections/c-1")
        async with relay.http.options(address, headers={"Origin": OURS, **asked}) as answer:
            assert (204, OURS) == (answer.status, answer.headers["Access-Control-Allow-Origin"])
            assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        async with relay.http.options(address, headers={"Origin": "https://evil.example", **asked}) as answer:
            assert (403, None) == (answer.status, answer.headers.get("Access-Control-Allow-Origin"))


async def test_answers_name_the_page_that_may_read_them(tmp_path: Path) -> None:
    """Polls and streams, refusals and what there is not: a page must be able to read why it was refused."""
    async with inside(tmp_path, ALLOWED) as relay:
        await relay.publish(log("p", "one"))
        wanted = [
            (relay.project("p", "/events", wait=0, token=relay.token()), 200),
            (relay.project("p", "/stream", token=relay.token()), 200),
            (relay.project("p", "/events"), 401),
            (relay.project("p", "/events", after="x", token=relay.token()), 400),
            (f"{relay.url}/nothing", 404),
        ]
        for address, status in wanted:
            async with relay.http.get(address, headers={"Origin": OURS}) as answer:
                assert (status, OURS, "Origin") == (
                    answer.status,
                    answer.headers.get("Access-Control-Allow-Origin"),
                    answer.headers.get("Vary"),
                )
                assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
                assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("made_by", ["page", "nobody"])
async def test_a_ticket_of_the_own_page_needs_no_origin(relay: InsideRelay, made_by: str) -> None:
    """A browser sends one when a page of the same host posts or opens a socket, and none with its streams."""
    await relay.publish(log("p", "one"))
    for origin in (relay.url, None):
        for way in WAYS:
            ticket = await fetched(relay, origin=relay.url if made_by == "page" else None)
            assert (await comes(relay, way, ticket, origin=origin))[0] in {101, 200}
            assert (await comes(relay, way, ticket, origin=origin))[0] in {4401, 401}


async def test_a_page_asks_for_tickets(tmp_path: Path) -> None:
    """A listed page may, and reads the answer; a foreign one gets none."""
    async with inside(tmp_path, ALLOWED) as relay:
        address = relay.api("/tickets")
        for origin, status in ((OURS, 201), ("https://evil.example", 403)):
            async with relay.http.post(address, headers={**relay.bearer(), "Origin": origin}) as answer:
                named = answer.headers.get("Access-Control-Allow-Origin")
                assert (status, OURS if status == 201 else None) == (answer.status, named)
