import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from relayd.transports.refusing import Refusals
from tests.harness.inside import InsideRelay, inside
from tests.harness.viewer import log, watch


async def test_a_refusal_says_what_to_do(relay: InsideRelay) -> None:
    """A sentence for people, a code for programs, and nothing that tells which check of a token failed."""
    for token in ("", "nonsense", relay.token(ttl=-60), relay.token(secret="another-secret-of-32-bytes-or-more")):
        async with relay.http.get(relay.project("p", "/events", token=token)) as answer:
            assert (401, "Bearer") == (answer.status, answer.headers["WWW-Authenticate"])
            body = await answer.json()
        assert {"detail": "the token is missing, expired or not valid; log in again", "code": "AUTH_FAILED"} == body


async def test_who_may_come_again_is_told_when(relay: InsideRelay) -> None:
    """Where waiting helps; where it does not, there is no such header."""
    relay.rooms.admission.draining = True
    async with relay.http.get(relay.project("p", "/events"), headers=relay.bearer()) as answer:
        assert (503, "1") == (answer.status, answer.headers["Retry-After"])
    relay.rooms.admission.draining = False
    async with relay.http.get(relay.project("p", "/events", tail="x"), headers=relay.bearer()) as answer:
        assert (400, False) == (answer.status, "Retry-After" in answer.headers)


async def test_who_guesses_tokens_waits_for_the_answer(tmp_path: Path) -> None:
    """Beyond the limit, the oftener the longer; whoever comes from there with a good one overtakes it."""
    async with inside(tmp_path, {"limits": {"failed_logins_per_minute": 1}}) as relay:
        guesses = [
            asyncio.create_task(relay.get(relay.api("/projects"), Authorization="Bearer bad")) for _ in range(12)
        ]
        # One is told to log in and five to wait, at once; the others are held back.
        while sum(guess.done() for guess in guesses) < 6:
            await asyncio.wait(guesses, return_when=asyncio.FIRST_COMPLETED, timeout=0.02)
        last = asyncio.create_task(relay.get(relay.api("/projects"), Authorization="Bearer bad"))
        await relay.until(lambda: met(relay) == 12)
        assert 200 == (await relay.get(relay.api("/projects")))[0]
        assert not last.done()
        for guess in (*guesses, last):
            guess.cancel()
        await asyncio.gather(*guesses, last, return_exceptions=True)


def met(relay: InsideRelay) -> float:
    """Return how many guesses were too many, as the metrics tell it."""
    name = 'relayd_limits_met_total{reason="failed_logins"} '
    (line,) = [line for line in relay.rooms.metrics.render()[0].decode().splitlines() if line.startswith(name)]
    return float(line.removeprefix(name))


async def test_a_path_that_is_none_is_told_in_the_same_shape(relay: InsideRelay) -> None:
    """A client reads one kind of error."""
    status, body = await relay.get(f"{relay.url}/v1/public/nothing")
    assert (404, "NOT_FOUND") == (status, body["code"])
    async with relay.http.post(relay.project("p", "/events"), headers=relay.bearer()) as answer:
        assert (405, "GET") == (answer.status, answer.headers["Allow"])
        assert "use GET here, not POST" == (await answer.json())["detail"]


async def test_a_journal_that_can_t_be_read_is_no_fault_of_the_viewer(relay: InsideRelay) -> None:
    """503 and a time to come again, on every way in; nobody is told that the project does not exist."""
    await relay.publish(log("p", "one"))
    assert relay.rooms.journal is not None
    relay.rooms.engine.log.projects.clear()
    relay.rooms.engine.log.shelved.add("p")
    await relay.rooms.journal.close()
    for what in ("/events", "/stream", "/logs", ""):
        async with relay.http.get(relay.project("p", what), headers=relay.bearer()) as answer:
            assert (503, "5") == (answer.status, answer.headers["Retry-After"]), what
            assert "the relay can't read its journal; try again" == (await answer.json())["detail"]
    assert 0 == relay.places()


async def test_a_fault_of_ours_is_found_in_the_log(relay: InsideRelay, aiohttp_client: AiohttpClient) -> None:
    """Whoever asked is told an incident, and nothing of what broke."""

    async def broken(_: web.Request) -> web.Response:
        raise RuntimeError("secret of the house")

    app = web.Application(middlewares=[Refusals(relay.rooms.admission).middleware])
    app.router.add_get("/", broken)
    client = await aiohttp_client(app)
    answer = await client.get("/")
    body = await answer.json()
    assert (500, "SERVER_ERROR") == (answer.status, body["code"])
    assert body["detail"].startswith("a fault of ours, incident ")
    assert "secret" not in body["detail"]


async def test_no_answer_tells_what_the_relay_is_made_of(relay: InsideRelay) -> None:
    """Versions help only those who look for a known hole."""
    async with relay.http.get(relay.api("/health")) as answer:
        assert "relayd" == answer.headers["Server"]


@pytest.mark.parametrize("path", ["/projects", "/projects/p/events?wait=0", "/projects/p/stream", "/health", "/none"])
async def test_no_answer_may_be_guessed_at(relay: InsideRelay, path: str) -> None:
    """What a worker wrote stands in some of them; no browser may take one for a page."""
    async with relay.http.get(relay.api(path), headers=relay.bearer()) as answer:
        assert ["nosniff"] == answer.headers.getall("X-Content-Type-Options")


async def test_a_refused_question_is_counted_once(relay: InsideRelay) -> None:
    """Strangers who try tokens on the API are seen in the metrics as those on sockets are."""
    for _ in range(3):
        async with relay.http.get(relay.api("/projects"), headers={"Authorization": "Bearer no"}) as answer:
            assert 401 == answer.status
    async with relay.http.get(relay.project("p", "/events"), headers={"Authorization": "Bearer no"}) as answer:
        assert 401 == answer.status
    text, _ = relay.rooms.metrics.render()
    assert b'relayd_connections_rejected_total{reason="auth_failed"} 4.0' in text


async def test_a_relay_that_drains_answers_no_questions(relay: InsideRelay) -> None:
    """What is published while it stops might not be answered, so it is not taken."""
    relay.rooms.admission.draining = True
    status, body = await relay.post(b"{}")
    assert (503, "UNAVAILABLE") == (status, body["code"])


@pytest.mark.parametrize("name", ["after", "types", "level", "agent", "q"])
async def test_a_socket_for_many_projects_is_told_in_subscribe(relay: InsideRelay, name: str) -> None:
    """A wish in its address would hold for no project, and is not passed over in silence."""
    wish: dict[str, Any] = {name: "x"}
    async with watch(relay, None, **wish) as viewer:
        code, reason = await viewer.ending()
    assert (4400, True) == (code, reason.startswith(f"BAD_REQUEST: {name}: "))
