"""What operators ask and order over HTTP, of a whole relay with real viewers."""

import asyncio
import json
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from relayd.api.admin import admin_app
from relayd.api.operating import operating_routes
from relayd.core.access import Viewer as Who
from relayd.core.revocations import Revocation, Revocations
from relayd.identity.jwt import Key, issue
from tests.harness.inside import InsideRelay, inside
from tests.harness.settled import SECRET
from tests.harness.tickets import WAYS as TICKET_WAYS
from tests.harness.tickets import comes, fetched
from tests.harness.viewer import Viewer, log, watch

Admin = TestClient[Any, Any]


async def admin_of(relay: InsideRelay, aiohttp_client: AiohttpClient) -> Admin:
    """Return a client of the relay's admin listener."""
    rooms = relay.rooms
    app = admin_app(
        render_metrics=rooms.metrics.render,
        health=rooms.health,
        clock=rooms.clock,
        routes=operating_routes(rooms.orders, rooms.lobby.everybody, rooms.clock),
    )
    return await aiohttp_client(app)


@pytest.fixture
async def admin(relay: InsideRelay, aiohttp_client: AiohttpClient) -> Admin:
    """Give the admin listener of the test's relay."""
    return await admin_of(relay, aiohttp_client)


async def asks(admin: Admin, method: str, path: str, body: object = None) -> tuple[int, Any]:
    """Return status and JSON of an answer."""
    data = None if body is None else BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    async with admin.request(method, path, data=data) as answer:
        return answer.status, await answer.json()


async def is_in(viewer: Viewer) -> str:
    """Return the id of a connection that was let in."""
    return str((await viewer.hears("connection_established"))["connection_id"])


# -- connections ------------------------------------------------------------------------------------------------


async def test_who_is_connected(relay: InsideRelay, admin: Admin) -> None:
    """The oldest first; by user, by any of its projects; and how many were left off."""
    began = time.time()
    async with (
        watch(relay, "p") as one,
        watch(relay, None, token=relay.token("ben")) as many,
        watch(relay, "q", token=relay.token("eve")) as other,
    ):
        first = await is_in(one)
        for project in ("q", "p"):
            await many.says({"type": "subscribe", "project_id": project})
            await is_in(many)
        await is_in(other)
        status, listed = await asks(admin, "GET", "/connections")
        assert (200, 0) == (status, listed["left_off"])
        rows = {row["user"]: row for row in listed["connections"]}
        assert began <= rows["ada"].pop("since") <= time.time()
        assert {
            "connection_id": first,
            "user": "ada",
            "transport": "websocket",
            "projects": ["p"],
            "address": "127.0.0.1",
            "buffered": 0,
            "here": True,
        } == rows["ada"]
        assert ["p", "q"] == rows["ben"]["projects"]
        for query, users in (("user=eve", {"eve"}), ("project=q", {"ben", "eve"}), ("user=ada&project=q", set())):
            _, found = await asks(admin, "GET", f"/connections?{query}")
            assert users == {row["user"] for row in found["connections"]}
        _, short = await asks(admin, "GET", "/connections?limit=2")
        assert (2, 1) == (len(short["connections"]), short["left_off"])
        assert first == short["connections"][0]["connection_id"]
    assert 400 == (await asks(admin, "GET", "/connections?limit=0"))[0]
    assert 400 == (await asks(admin, "GET", "/revocations?limit=1001"))[0]


async def test_a_poll_that_waits_is_listed(relay: InsideRelay, admin: Admin) -> None:
    """With its project, as long as it waits; ended, it is told to come back later."""
    await relay.publish(log("p", "one"))
    _, first = await relay.get(relay.project("p", "/events"))
    polling = asyncio.create_task(relay.get(relay.project("p", "/events", after=first["cursor"], wait=50)))
    await relay.until(lambda: relay.places() == 1)
    _, listed = await asks(admin, "GET", "/connections?project=p")
    assert [("longpoll", ["p"], 0)] == [
        (row["transport"], row["projects"], row["buffered"]) for row in listed["connections"]
    ]
    order = {"connection_id": listed["connections"][0]["connection_id"], "reason": "maintenance"}
    assert (200, {"ended": 1, "elsewhere": 0, "others": "none"}) == await asks(admin, "POST", "/disconnect", order)
    assert (429, {"detail": "ended by an operator: maintenance", "code": "ENDED_BY_OPERATOR"}) == await polling


@pytest.mark.parametrize("by", ["user", "project_id", "connection_id"])
async def test_who_is_meant_is_ended(relay: InsideRelay, admin: Admin, by: str) -> None:
    """With a time to wait and the operator's reason; others stay."""
    async with watch(relay, "p") as meant, watch(relay, "q", token=relay.token("ben")) as other:
        about = {"user": "ada", "project_id": "p", "connection_id": await is_in(meant)}
        await is_in(other)
        status, answer = await asks(admin, "POST", "/disconnect", {by: about[by], "reason": "please update ✓"})
        assert (200, {"ended": 1, "elsewhere": 0, "others": "none"}) == (status, answer)
        reason = "ENDED_BY_OPERATOR: ended by an operator: please update ✓; retry_after_ms=30000"
        assert (4411, reason) == await meant.ending()
        await other.says("ping")
        assert "pong" == await other.text()
    metrics, _ = relay.rooms.metrics.render()
    assert b'relayd_disconnects_total{reason="ended_by_operator"} 1.0' in metrics


NAMES = "say exactly one of connection_id, user, project_id"


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/disconnect", {}, NAMES),
        ("/disconnect", {"user": "a", "project_id": "p"}, NAMES),
        ("/disconnect", {"user": ""}, "user: use 1 to 128 characters"),
        ("/disconnect", {"user": "x" * 129}, "user: use 1 to 128 characters"),
        ("/disconnect", {"user": "a\n"}, "user: use 1 to 128 characters"),
        ("/disconnect", {"user": "a", "reason": "x" * 61}, "reason: use at most 60 characters"),
        ("/disconnect", {"user": "a", "reason": "\x1b"}, "reason: use at most 60 characters"),
        ("/disconnect", {"users": "a"}, "unknown field `users`"),
        ("/disconnect", {"user": 7}, "`$.user`"),
        ("/disconnect", b"\xff", "the body is no such order"),
        ("/disconnect", b"x" * 2**21, "the body is no such order"),
        ("/revoke", {}, "say exactly one of user, token_id"),
        ("/revoke", {"user": "a", "token_id": "t"}, "say exactly one of user, token_id"),
        ("/revoke", {"user": "a", "expires_at": 2e9}, "expires_at: only with token_id"),
        ("/revoke", {"token_id": "t", "expires_at": 1.0}, "expires_at: use the token's `exp`"),
        ("/revoke", {"token_id": "t", "expires_at": 9e9}, "expires_at: use the token's `exp`"),
        ("/revoke", b'{"token_id": "t", "expires_at": 1e999}', "expires_at"),
    ],
)
async def test_an_order_that_can_t_be_read_does_nothing(admin: Admin, path: str, body: object, says: str) -> None:
    """And is told what is wrong with it."""
    status, answer = await asks(admin, "POST", path, body)
    assert (400, "BAD_REQUEST") == (status, answer["code"])
    assert says in answer["detail"]
    assert [] == (await asks(admin, "GET", "/revocations"))[1]["revocations"]


# -- revocations ------------------------------------------------------------------------------------------------


async def test_a_revocation_s_life(relay: InsideRelay, admin: Admin, tmp_path: Path) -> None:
    """Ordered, kept, listed, counted, taken back."""
    before = time.time()
    status, answer = await asks(admin, "POST", "/revoke", {"user": "ada/é"})
    assert 200 == status
    row = {"user": "ada/é", "at": answer["at"], "until": answer["until"]}
    assert {**row, "ended": 0, "kept": "on disk", "others": "none"} == answer
    assert before <= answer["at"] <= time.time()
    assert 86_400 + 60 == pytest.approx(answer["until"] - answer["at"])
    assert "ada/é" in (tmp_path / "relayd.db.revocations").read_text(encoding="utf-8")
    expires = int(before) + 90
    _, token = await asks(admin, "POST", "/revoke", {"token_id": "t1", "expires_at": expires})
    assert expires + 60 == token["until"]
    listed = [{"token_id": "t1", "at": token["at"], "until": token["until"]}, row]
    assert (200, {"revocations": listed, "left_off": 0}) == await asks(admin, "GET", "/revocations")
    assert {"revocations": listed[:1], "left_off": 1} == (await asks(admin, "GET", "/revocations?limit=1"))[1]
    metrics, _ = relay.rooms.metrics.render()
    assert b"relayd_revocations 2.0" in metrics
    status, answer = await asks(admin, "DELETE", "/revocations/user/ada%2F%C3%A9")
    assert (200, "ada/é", "on disk") == (status, answer["user"], answer["kept"])
    assert 404 == (await asks(admin, "DELETE", "/revocations/user/ada%2F%C3%A9"))[0]
    assert 404 == (await asks(admin, "DELETE", "/revocations/user/t1"))[0]
    assert 200 == (await asks(admin, "DELETE", "/revocations/token/t1"))[0]
    assert [] == (await asks(admin, "GET", "/revocations"))[1]["revocations"]


def questions(relay: InsideRelay) -> dict[str, Callable[..., Any]]:
    """Return all that a token opens, over HTTP."""
    parts = ("", "/status", "/agents", "/logs", "/viewers", "/events", "/stream")
    reads = ("/projects", "/connections", "/metrics", *(f"/projects/p{part}" for part in parts))
    asked: dict[str, Callable[..., Any]] = {f"GET {what}": reading(relay, what) for what in reads}
    asked["DELETE /connections/x"] = lambda **more: relay.http.delete(relay.api("/connections/x"), **more)
    asked["POST /v1/internal/events"] = lambda **more: relay.http.post(relay.ingest, json=log("p", "two"), **more)
    return asked


def reading(relay: InsideRelay, what: str) -> Callable[..., Any]:
    """Return what asks for something."""
    return lambda **more: relay.http.get(relay.api(what), **more)


async def test_no_door_opens_for_a_revoked_token(relay: InsideRelay, admin: Admin) -> None:
    """Not one; all of them would have before."""
    await relay.publish(log("p", "one"))
    token = {"headers": relay.bearer("eve", worker=True)}
    for name, ask in questions(relay).items():
        async with ask(**token) as answer:
            assert answer.status in ({404} if name.startswith("DELETE") else {200}), name
    assert 200 == (await asks(admin, "POST", "/revoke", {"user": "eve"}))[0]
    for name, ask in questions(relay).items():
        async with ask(**token) as answer:
            assert (401, "AUTH_FAILED") == (answer.status, (await answer.json())["code"]), name
    metrics, _ = relay.rooms.metrics.render()
    assert b'relayd_auth_failures_total{reason="revoked"} 12.0' in metrics


@pytest.mark.parametrize("way", [*TICKET_WAYS, "many"])
async def test_a_ticket_is_worth_what_its_token_is(relay: InsideRelay, admin: Admin, way: str) -> None:
    """Made before the order, shown behind it: refused; and none is made any more."""
    await relay.publish(log("p", "one"))
    project_id = None if way == "many" else "p"
    # One token for all: one that is issued behind the order, in the next second, is good.
    token = relay.token("eve")
    good, late = [await fetched(relay, project_id, token=token) for _ in range(2)]
    assert (await comes(relay, way, good))[0] in {101, 200}
    await asks(admin, "POST", "/revoke", {"user": "eve"})
    assert (await comes(relay, way, late))[0] in {401, 4401}
    async with relay.http.post(relay.api("/tickets"), headers={"Authorization": f"Bearer {token}"}) as answer:
        assert 401 == answer.status


async def test_a_refresh_with_a_revoked_token_ends_the_connection(relay: InsideRelay, admin: Admin) -> None:
    """That of the other token, which was good."""
    async with watch(relay, "p", token=relay.token(ttl=300)) as viewer:
        await is_in(viewer)
        async with admin.post("/revoke", json={"token_id": "stolen"}) as answer:
            assert 200 == answer.status
        await viewer.says({"type": "refresh", "token": stolen()})
        assert 4401 == (await viewer.ending())[0]


def stolen() -> str:
    """Return a good token whose id is `stolen`."""
    who = Who(user="ada", expires_at=time.time() + 300, token_id="stolen", projects=frozenset({"*"}))
    return issue(Key(algorithm="HS256", material=SECRET), who, now=time.time())


async def test_a_disk_that_can_t_be_written_is_told(relay: InsideRelay, admin: Admin, tmp_path: Path) -> None:
    """The order holds; whoever gave it knows that a restart would forget it."""
    (tmp_path / "relayd.db.revocations.new").mkdir()
    status, answer = await asks(admin, "POST", "/revoke", {"user": "ada"})
    assert (503, "UNAVAILABLE") == (status, answer["code"])
    assert "it holds until this relay ends and could not be written" in answer["detail"]
    assert 401 == (await relay.get(relay.api("/projects")))[0]


async def test_without_a_journal_it_lasts_as_long_as_the_relay(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """And says so."""
    tables = {"journal": {"path": ""}, "source": {"use": "rabbitmq"}, "sources.rabbitmq": {"url": "amqp://127.0.0.1:1"}}
    async with inside(tmp_path, tables) as relay:
        admin = await admin_of(relay, aiohttp_client)
        assert "until this relay ends" == (await asks(admin, "POST", "/revoke", {"user": "ada"}))[1]["kept"]
    left = sorted(tmp_path.iterdir())  # noqa: ASYNC240  # once, when all is over
    assert [tmp_path / "relayd.toml"] == left


async def test_an_open_door_has_no_tokens(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """Revoking anybody would shut out everybody, or nobody: neither is what was asked for."""
    async with inside(tmp_path, {"auth": {"mode": "disabled", "keys": []}}) as relay:
        admin = await admin_of(relay, aiohttp_client)
        status, answer = await asks(admin, "POST", "/revoke", {"user": "anonymous"})
        assert (409, "BAD_REQUEST") == (status, answer["code"])
        async with watch(relay, "p") as viewer:
            await is_in(viewer)
            # What a relay with the same list, or this one while it looked at tokens, was told of somebody of that name.
            relay.rooms.orders.heard([Revocation(kind="user", name="anonymous", at=2e9, until=3e9)])
            assert 200 == (await relay.get(relay.api("/projects")))[0]
            await viewer.says("ping")
            assert "pong" == await viewer.text()


async def test_a_full_list_says_so(relay: InsideRelay, admin: Admin) -> None:
    """507, with what can be done."""
    relay.rooms.orders.revocations = Revocations(most=0)
    status, answer = await asks(admin, "POST", "/revoke", {"user": "ada"})
    assert (507, "FULL") == (status, answer["code"])
    assert "change the key" in answer["detail"]
