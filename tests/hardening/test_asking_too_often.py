"""Those who ask too often, and those who must not notice; each test's sentence tells the attack."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType

from tests.deploy.test_nginx_relayd import client
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.inside import InsideRelay, inside
from tests.harness.nginx import PrivateNginx
from tests.harness.viewer import log, refused, watch

NEVER = 0.001
"""A second's worth that does not come back while a test runs."""

OFFICE, HOME = "127.0.0.2", "127.0.0.3"
"""Addresses of this machine that are not the proxy's."""


@asynccontextmanager
async def bounded(folder: Path, **limits: float) -> AsyncIterator[InsideRelay]:
    """Give a relay with these limits, in which the project p is known."""
    async with inside(folder, {"limits": limits}) as relay:
        await relay.publish(log("p", "one"))
        yield relay


def met(relay: InsideRelay, reason: str) -> float:
    """Return how often a limit was met, as the metrics tell it."""
    name = f'relayd_limits_met_total{{reason="{reason}"}} '
    (line,) = [line for line in relay.rooms.metrics.render()[0].decode().splitlines() if line.startswith(name)]
    return float(line.removeprefix(name))


# -- requests of a user -----------------------------------------------------------------------------------------------


async def test_a_hundred_requests_at_once_get_the_burst_and_no_more(tmp_path: Path) -> None:
    """A user's hundred go out together: ten are answered, ninety told to wait, and the neighbour notices nothing."""
    async with bounded(tmp_path, requests_per_second=NEVER, request_burst=10) as relay:
        answers = await asyncio.gather(*(relay.get(relay.api("/projects")) for _ in range(100)))
        assert 10 == sum(status == 200 for status, _ in answers)
        assert 90 == sum(status == 429 for status, _ in answers)
        assert 90 == met(relay, "rate")
        assert 200 == (await relay.get(relay.api("/projects"), **relay.bearer("bob")))[0]


async def by_api(relay: InsideRelay, path: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    """Return status, body and headers of what a path answers."""
    async with relay.http.get(relay.api(path), headers=relay.bearer()) as answer:
        return answer.status, await answer.json(), {name.lower(): value for name, value in answer.headers.items()}


@pytest.mark.parametrize(
    "path",
    [
        "/projects",
        "/projects/p",
        "/projects/p/status",
        "/projects/p/agents",
        "/projects/p/logs",
        "/projects/p/viewers",
        "/projects/p/events",
        "/projects/p/stream",
        "/connections",
        "/metrics",
    ],
)
async def test_every_question_counts(tmp_path: Path, path: str) -> None:
    """There is no endpoint behind which the limit does not hold; the answer says what it is and when to come again."""
    async with bounded(tmp_path, requests_per_second=0.5, request_burst=1, connections_per_user=1) as relay:
        relay.rooms.admission.restraint.request("ada")
        status, body, headers = await by_api(relay, path)
        assert (429, "RATE_LIMITED", 0.5) == (status, body["code"], body["limit"])
        assert "more than 0.5 requests a second by this user; ask less often, or watch over" in body["detail"]
        assert ("2", "0.5", "0") == (
            headers["retry-after"],
            headers["x-ratelimit-limit"],
            headers["x-ratelimit-remaining"],
        )
        assert (200, "healthy") == ((open_to_all := await by_api(relay, "/health"))[0], open_to_all[1]["status"])


async def test_who_asks_for_a_ticket_asks(tmp_path: Path) -> None:
    """It is a request as any other, and a guess at a token there is one, too."""
    limits = {
        "requests_per_second": NEVER,
        "request_burst": 1,
        "connections_per_user": 1,
        "failed_logins_per_minute": 1,
    }
    async with bounded(tmp_path, **limits) as relay:
        tickets = relay.api("/tickets")
        statuses = []
        for headers in (relay.bearer(), relay.bearer(), *[{"Authorization": "Bearer bad"}] * 2):
            async with relay.http.post(tickets, headers=headers) as answer:
                statuses.append(answer.status)
        assert [201, 429, 401, 429] == statuses
        assert (1, 1) == (met(relay, "rate"), met(relay, "failed_logins"))


async def test_a_socket_that_comes_too_often_is_told_in_its_own_way(tmp_path: Path) -> None:
    """A modern one by a notice and a close code, a legacy one before the upgrade."""
    async with bounded(tmp_path, requests_per_second=0.5, request_burst=1, connections_per_user=1) as relay:
        relay.rooms.admission.restraint.request("ada")
        async with watch(relay, "p") as viewer:
            notice = await viewer.frame()
            code, reason = await viewer.ending()
        assert ("RATE_EXCEEDED", {"limit": 0.5}) == (notice["code"], notice["data"])
        assert 4430 == code
        assert 1_000 < int(reason.partition("retry_after_ms=")[2]) <= 2_000
        status, body, headers = await refused(relay, "p", legacy=True)
        assert (429, "RATE_LIMITED", "2") == (status, body["code"], headers["retry-after"])


async def test_what_workers_publish_is_counted_apart(tmp_path: Path) -> None:
    """A worker that floods is told to wait, and what it asks besides is answered."""
    async with bounded(tmp_path, publishes_per_second=NEVER, publish_burst=4) as relay:
        body = json.dumps(log("p", "again")).encode()
        # One is spent already: it made the project known.
        answers = await asyncio.gather(*(relay.post(body) for _ in range(10)))
        assert [200] * 3 + [429] * 7 == sorted(status for status, _ in answers)
        assert "send the same body again then, and more events in one body" in max(answers, key=by_status)[1]["detail"]
        assert 7 == met(relay, "publish_rate")
        assert 200 == (await relay.get(relay.api("/projects"), **relay.bearer("worker")))[0]


def by_status(answer: tuple[int, dict[str, Any]]) -> int:
    """Sort by it."""
    return answer[0]


async def test_who_waits_as_long_as_told_is_let_in(tmp_path: Path) -> None:
    """The limit is gone with its time."""
    async with bounded(tmp_path, requests_per_second=4, request_burst=5) as relay:
        statuses = [(await by_api(relay, "/projects"))[0] for _ in range(5)]
        while (told := await by_api(relay, "/projects"))[0] == 200:
            statuses.append(200)
        await asyncio.sleep(float(told[2]["retry-after"]))
        assert 200 == (await by_api(relay, "/projects"))[0]
        assert {200} == {*statuses}


async def test_polls_that_come_when_told_never_meet_the_limit(tmp_path: Path) -> None:
    """However much happens: each is answered at once, and says how far apart to come before it is too often."""
    async with bounded(tmp_path, requests_per_second=40, request_burst=6, connections_per_user=2) as relay:
        statuses, told = [], []

        async def follow() -> None:
            cursor = "0"
            for number in range(15):
                await relay.publish(log("p", f"line {number}"))
                status, body = await relay.get(relay.project("p", "/events", after=cursor, wait=20))
                statuses.append(status)
                told.append(body["next_poll_ms"])
                cursor = body["cursor"]
                await asyncio.sleep(body["next_poll_ms"] / 1_000)

        await asyncio.gather(follow(), follow())
        assert [200] * 30 == statuses
        # At first at once, as everywhere; later both together as often as the user may ask.
        assert 0 == told[0]
        assert 50 == max(told)


# -- failed logins ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def behind_nginx(folder: Path, **limits: float) -> AsyncIterator[tuple[PrivateRelay, PrivateNginx]]:
    """Give a relay, and the proxy before it that tells where viewers come from."""
    async with PrivateRelay({"limits": limits}) as relay:
        with PrivateNginx(folder, relayd=f"127.0.0.1:{relay.port}") as nginx:
            yield relay, nginx


async def status_of(http: ClientSession, relay: PrivateRelay, token: str, **headers: str) -> tuple[int, str]:
    """Return what the list of projects answers to a token, and when to come again."""
    path = relay.api("/projects").removeprefix(relay.url)
    async with http.get(path, headers={"Authorization": f"Bearer {token}", **headers}) as answer:
        await answer.read()
        return answer.status, answer.headers.get("Retry-After", "")


async def test_an_office_under_attack_goes_on_working(tmp_path: Path) -> None:
    """
    Behind one address many work and one guesses tokens, in parallel, through the proxy.

    The guesser is told to wait; every good token from there is let in, on every way; other addresses are told to log in
    as ever, and no forged header makes another address of this one.
    """
    async with (
        behind_nginx(tmp_path, failed_logins_per_minute=10) as (relay, nginx),
        client(nginx.https, OFFICE, nginx.tls) as office,
        client(nginx.https, HOME, nginx.tls) as home,
    ):
        forged = [{"X-Forwarded-For": f"203.0.113.{number}"} for number in range(15)]
        guesses = [status_of(office, relay, relay.token(secret=f"{n:0>40}"), **forged[n]) for n in range(15)]
        honest = [status_of(office, relay, relay.token(f"honest-{number}")) for number in range(15)]
        answers = await asyncio.gather(*(one for pair in zip(guesses, honest, strict=True) for one in pair))
        assert [(200, "")] * 15 == answers[1::2]
        assert [401] * 10 + [429] * 5 == sorted(status for status, _ in answers[::2])
        # One in six seconds is judged again.
        assert {"", "6"} == {told for _, told in answers[::2]}
        assert (401, "") == await status_of(home, relay, "bad")
        assert 5 == relay.metric('relayd_limits_met_total{reason="failed_logins"}')
        assert OFFICE == relay.wait_for_line("limit_met")["remote"]
        async with office.ws_connect(
            relay.socket("p").removeprefix(f"ws://127.0.0.1:{relay.port}"), protocols=("relayd.v1", "bearer.bad")
        ) as guess:
            ending = await guess.receive()
            while ending.type is not WSMsgType.CLOSE:
                ending = await guess.receive()
        assert (4430, "RATE_EXCEEDED: more than 10 failed logins") == (ending.data, str(ending.extra)[:41])
        async with office.ws_connect(
            relay.socket("p").removeprefix(f"ws://127.0.0.1:{relay.port}"),
            protocols=("relayd.v1", f"bearer.{relay.token('ada')}"),
        ) as good:
            assert "connection_established" == (await good.receive_json())["type"]


async def test_whose_token_has_expired_is_told_so_in_the_middle_of_an_attack(tmp_path: Path) -> None:
    """Else it would wait for ever with a token that gets no younger."""
    async with bounded(tmp_path, failed_logins_per_minute=1) as relay:
        bad, old = {"Authorization": "Bearer bad"}, relay.bearer(ttl=-60)
        assert [401, 429, 429] == [(await relay.get(relay.api("/projects"), **bad))[0] for _ in range(3)]
        status, body = await relay.get(relay.api("/projects"), **old)
        assert (401, "AUTH_FAILED") == (status, body["code"])
        assert "log in again" in body["detail"]


async def test_an_attack_that_is_over_is_forgotten(tmp_path: Path) -> None:
    """Who waits as long as it was told is judged again."""
    async with bounded(tmp_path, failed_logins_per_minute=60) as relay:
        told: dict[str, str] = {}
        for _ in range(200):
            async with relay.http.get(relay.api("/projects"), headers={"Authorization": "Bearer bad"}) as answer:
                if answer.status == 429:
                    told = dict(answer.headers)
                    break
                assert 401 == answer.status
        assert "1" == told["Retry-After"]
        await asyncio.sleep(float(told["Retry-After"]))
        assert 401 == (await relay.get(relay.api("/projects"), Authorization="Bearer bad"))[0]


# -- viewers of a project ---------------------------------------------------------------------------------------------


Way = Callable[[InsideRelay], Coroutine[Any, Any, tuple[int, str]]]


async def modern(relay: InsideRelay) -> tuple[int, str]:
    """Return how a modern socket ends."""
    async with watch(relay, "p", token=relay.token("late")) as viewer:
        return await viewer.ending()


async def legacy(relay: InsideRelay) -> tuple[int, str]:
    """Return how a legacy one is refused."""
    status, body, headers = await refused(relay, "p", legacy=True, token=relay.token("late"))
    assert "5" == headers["retry-after"]
    return status, body["detail"]


async def stream(relay: InsideRelay) -> tuple[int, str]:
    """Return how a stream is refused."""
    status, body = await relay.get(relay.project("p", "/stream"), **relay.bearer("late"))
    return status, body["detail"]


async def poll(relay: InsideRelay) -> tuple[int, str]:
    """Return how a poll is refused."""
    status, body = await relay.get(relay.project("p", "/events"), **relay.bearer("late"))
    return status, body["detail"]


@pytest.mark.parametrize(("way", "code"), [(modern, 1013), (legacy, 503), (stream, 503), (poll, 503)])
async def test_a_project_that_everybody_watches_does_not_fill_the_node(tmp_path: Path, way: Way, code: int) -> None:
    """Eight come at once where five may watch: five do, whoever comes later waits, and gets in as one leaves."""
    async with bounded(tmp_path, viewers_per_project=5) as relay, AsyncExitStack() as stack:
        eight = [watch(relay, "p", token=relay.token(f"user-{number}")) for number in range(8)]
        came = await asyncio.gather(*map(stack.enter_async_context, eight))
        firsts = [(await viewer.frame())["type"] for viewer in came]
        assert 5 == firsts.count("connection_established")
        found, sentence = await way(relay)
        assert (code, True) == (found, "5 viewers watch this project here already; try again" in sentence)
        assert 4 == met(relay, "project_full")
        async with watch(relay, None, token=relay.token("many")) as many:
            await many.says({"type": "subscribe", "project_id": "p"})
            assert ("OVERLOADED", "p") == ((told := await many.frame())["code"], told["project_id"])
            await came[firsts.index("connection_established")].socket.close()
            await relay.until(lambda: len(relay.rooms.engine.log.projects["p"].channel) == 4)
            await many.says({"type": "subscribe", "project_id": "p"})
            assert "connection_established" == (await many.frame())["type"]


# -- memory -----------------------------------------------------------------------------------------------------------


async def test_a_relay_without_memory_keeps_whom_it_has() -> None:
    """Nobody new is let in, before any upgrade; who is there goes on; and with memory to spare the doors are open."""
    async with PrivateRelay({"server": {"max_memory_mib": 100_000}}) as relay:
        await relay.publish(log("p", "before"))
        async with watch(relay, "p", tail=0) as viewer:
            await viewer.hears("connection_established")
            assert 0 == relay.metric("relayd_memory_short")
            relay.configure({"server": {"max_memory_mib": 1}})
            relay.hup()
            relay.wait_for_metric("relayd_memory_short", 1)
            status, body, headers = await refused(relay, "p")
            assert (503, "UNAVAILABLE", "5") == (status, body["code"], headers["retry-after"])
            assert "this relay has no memory for more viewers; try again" == body["detail"]
            code, why = relay.readiness("memory")
            assert (503, True) == (code, "server.max_memory_mib = 1 MiB" in why)
            assert 1 == relay.metric('relayd_limits_met_total{reason="memory"}')
            await relay.publish(log("p", "meanwhile"))
            assert ["meanwhile"] == await viewer.lines(1)
            relay.configure({"server": {"max_memory_mib": 0}})
            relay.hup()
            await until(lambda: relay.probe("/readyz") == 200)
            async with watch(relay, "p") as another:
                assert "connection_established" == (await another.frame())["type"]


# -- places -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/stream", "/events"])
async def test_the_sixth_learns_which_of_its_own_hold_the_places(tmp_path: Path, path: str) -> None:
    """Over HTTP in the body, so that it can end one of them and come in."""
    async with bounded(tmp_path) as relay, AsyncExitStack() as stack:
        held = [await (await stack.enter_async_context(watch(relay, "p"))).frame() for _ in range(5)]
        status, body = await relay.get(relay.project("p", path, wait=0))
        assert (429, "TOO_MANY_CONNECTIONS", 5) == (status, body["code"], body["limit"])
        assert [first["connection_id"] for first in held] == [one["connection_id"] for one in body["connections"]]
        assert 1 == met(relay, "user_limit")
        mine = body["connections"][0]["connection_id"]
        async with relay.http.delete(relay.api(f"/connections/{mine}"), headers=relay.bearer()) as answer:
            assert 204 == answer.status
        async with relay.http.get(relay.project("p", path, wait=0), headers=relay.bearer()) as answer:
            assert 200 == answer.status
