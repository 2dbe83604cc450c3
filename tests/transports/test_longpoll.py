"""Long poll: what a viewer gets that can hold neither a socket nor a stream."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from relayd.protocol.cursor import Cursor
from relayd.transports.longpoll import advice
from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import raw
from tests.harness.viewer import log


async def poll(relay: InsideRelay, after: str | None = None, *, user: str = "ada", **query: object) -> dict[str, Any]:
    """Return the answer to one poll of project p, which is let in."""
    address = relay.project("p", "/events", after=after, **query)
    async with relay.http.get(address, headers=relay.bearer(user)) as answer:
        assert 200 == answer.status, await answer.text()
        assert "no-store" == answer.headers["Cache-Control"]
        body: dict[str, Any] = await answer.json()
        return body


def texts(answer: dict[str, Any]) -> list[str]:
    """Return the texts of an answer's lines of log."""
    return [message["message"] for message in answer["messages"]]


async def held(relay: InsideRelay, count: int = 1) -> None:
    """Return when so many polls wait among the live viewers of project p."""
    project = relay.rooms.engine.log.projects
    await relay.until(lambda: "p" in project and len(list(members(project["p"].channel))) == count)


def members(channel: Any) -> list[object]:  # noqa: ANN401  # a channel of whatever members
    """Return who waits for news."""
    return [member for group in channel for member in group.members] + list(channel.alone)


async def test_a_fresh_poll_is_answered_at_once(relay: InsideRelay) -> None:
    """State and tail, and a cursor to go on from."""
    await relay.publish(log("p", "one"), log("p", "two"))
    answer = await poll(relay)
    assert ("p", False, "tail", 0) == (
        answer["project_id"],
        answer["recovered"],
        answer["replay"],
        answer["next_poll_ms"],
    )
    assert {"workflow_log": 2} == answer["snapshot"]["counts"]
    assert ["one", "two"] == texts(answer)
    assert relay.rooms.engine.log.head_cursor() == answer["cursor"] == answer["head"]


async def test_a_poll_is_told_how_agents_seem_to_be(tmp_path: Path) -> None:
    """In its snapshot, and afterwards where it is worth a word: a poll hears no notices."""
    working = {"type": "agent_status_update", "project_id": "p", "timestamp": 1.0, "progress": 1, "status": "working"}
    async with inside(tmp_path) as relay:
        await relay.publish(
            {"type": "project_started", "project_id": "p", "timestamp": 1.0}, {**working, "agent": "ada"}
        )
        first = await poll(relay)
        assert "working" == first["snapshot"]["agents"]["ada"]["liveness"]["state"]
        assert "liveness" not in first
        assert "liveness" not in await poll(relay, first["cursor"], wait=0)
        await relay.publish({**working, "agent": "bob", "activity": "waiting_for_human"})
        told = (await poll(relay, first["cursor"], wait=0))["liveness"]
        assert {"ada": "working", "bob": "waiting_for_human"} == {
            name: one["state"] for name, one in told["agents"].items()
        }
        assert [] == told["lifecycle"]


async def test_the_first_poll_of_all_has_a_cursor(relay: InsideRelay) -> None:
    """Nothing has happened yet: the cursor is the beginning, and what comes is whole."""
    answer = await poll(relay)
    assert ("0", [], "none") == (answer["cursor"], answer["messages"], answer["replay"])
    await relay.publish(log("p", "one"))
    answer = await poll(relay, "0")
    assert (True, ["one"]) == (answer["recovered"], texts(answer))


async def test_a_held_poll_is_woken_by_news(relay: InsideRelay) -> None:
    """It answers with them at once and has the next one come at once."""
    cursor = (await poll(relay))["cursor"]
    waiting = asyncio.create_task(poll(relay, cursor, wait=20))
    await held(relay)
    await relay.publish(log("other", "not for you"))
    assert not waiting.done()
    await relay.publish(log("p", "one"))
    answer = await waiting
    assert (["one"], True, 0) == (texts(answer), answer["recovered"], answer["next_poll_ms"])
    assert 0 == relay.places()


async def test_a_held_poll_is_not_woken_by_what_it_does_not_want(relay: InsideRelay) -> None:
    """A selection passes over it and goes on waiting."""
    cursor = (await poll(relay))["cursor"]
    waiting = asyncio.create_task(poll(relay, cursor, wait=20, level="error"))
    await held(relay)
    await relay.publish(log("p", "calm"))
    await held(relay)
    await relay.publish(log("p", "loud", level="error"))
    assert ["loud"] == texts(await waiting)


async def test_an_empty_answer_moves_the_viewer_on(relay: InsideRelay) -> None:
    """Past other projects' events: what retention drops behind it is no gap."""
    cursor = (await poll(relay))["cursor"]
    await relay.publish(log("other", "not for you"))
    answer = await poll(relay, cursor, wait=0.05)
    assert ([], True) == (answer["messages"], answer["recovered"])
    assert relay.rooms.engine.log.head_cursor() == answer["cursor"]


async def test_an_answer_that_was_lost_loses_nothing(relay: InsideRelay) -> None:
    """The next request's cursor is the acknowledgement: the old one gets the same again."""
    cursor = (await poll(relay))["cursor"]
    await relay.publish(log("p", "one"))
    assert ["one"] == texts(await poll(relay, cursor))
    await relay.publish(log("p", "two"))
    answer = await poll(relay, cursor)
    assert ["one", "two"] == texts(answer)
    assert [] == texts(await poll(relay, answer["cursor"], wait=0))


async def test_a_long_past_comes_in_pieces(relay: InsideRelay) -> None:
    """As many a time as were asked for, in order, until none is left."""
    await relay.publish(*(log("p", str(number)) for number in range(25)))
    cursor, read = "0", list[str]()
    for _ in range(3):
        answer = await poll(relay, cursor, limit=10)
        cursor = answer["cursor"]
        read += texts(answer)
    assert [str(number) for number in range(25)] == read


async def test_who_does_not_wait_is_told_when_to_come_again(relay: InsideRelay) -> None:
    """Soon while something happens."""
    await relay.publish(log("p", "one"))
    answer = await poll(relay, "0", wait=0)
    assert 1_000 <= answer["next_poll_ms"] <= 5_000
    assert 30_000 == (await poll(relay, None, wait=0) | {"next_poll_ms": advice(1e9)})["next_poll_ms"]


@pytest.mark.parametrize(
    ("idle", "pause"),
    [(0, 1_000), (-5, 1_000), (30, 3_000), (59.99, 4_999), (60, 15_000), (299, 15_000), (300, 30_000)],
)
def test_the_quieter_the_later(idle: float, pause: int) -> None:
    """A minute, five minutes: the pauses of docs/protocol.md."""
    assert pause == advice(idle)


async def test_a_gap_between_two_polls_is_told(relay: InsideRelay) -> None:
    """Not recovered, with state and tail."""
    await relay.publish(log("p", "one"))
    answer = await poll(relay, "AST8hU7LAAAAAAAAAAAAAAAAAAAAAAAA")
    assert (False, "gap", ["one"]) == (answer["recovered"], answer["replay"], texts(answer))
    assert "snapshot" in answer


# -- places --------------------------------------------------------------------------------------------------------


async def test_a_poll_without_session_holds_its_place_while_it_waits(relay: InsideRelay) -> None:
    """No longer: the place is free with the answer."""
    waiting = asyncio.create_task(poll(relay, "0", wait=20))
    await held(relay)
    assert 1 == relay.places()
    await relay.publish(log("p", "one"))
    await waiting
    assert 0 == relay.places()


async def test_a_session_keeps_its_place_between_polls(tmp_path: Path) -> None:
    """Nobody takes it in the moment between two; the next poll of the session takes it over."""
    async with inside(tmp_path, {"limits": {"connections_per_user": 1}}) as relay:
        cursor = (await poll(relay, session="tab-1"))["cursor"]
        async with relay.http.get(relay.project("p", "/events"), headers=relay.bearer()) as answer:
            assert 429 == answer.status
        await poll(relay, cursor, session="tab-1", wait=0)
        assert 1 == relay.places()


async def test_the_newer_poll_of_a_session_takes_over(relay: InsideRelay) -> None:
    """The older one is answered with 409, for two would acknowledge each other's messages."""
    cursor = (await poll(relay))["cursor"]
    older = asyncio.create_task(relay.get(relay.project("p", "/events", after=cursor, session="tab-1", wait=20)))
    await held(relay)
    newer = asyncio.create_task(poll(relay, cursor, session="tab-1", wait=20))
    status, body = await older
    assert (409, "a newer connection of the same session took the place") == (status, body["detail"])
    await held(relay)
    await relay.publish(log("p", "one"))
    assert ["one"] == texts(await newer)


@pytest.mark.parametrize("moment", ["held", "kept"])
async def test_a_poll_that_its_user_ends_gives_its_place_back(relay: InsideRelay, moment: str) -> None:
    """While it waits it is answered with 409, not with something that looks like news; between polls, too."""
    waiting = asyncio.create_task(relay.get(relay.project("p", "/events", after="0", session="tab-1", wait=20)))
    await held(relay)
    if moment == "kept":
        await relay.publish(log("p", "one"))
        await waiting
    (mine,) = (await relay.get(relay.api("/connections")))[1]["connections"]
    async with relay.http.delete(relay.api(f"/connections/{mine['connection_id']}"), headers=relay.bearer()) as answer:
        assert 204 == answer.status
    assert 0 == relay.places()
    if moment == "held":
        assert (409, "ended at its user's wish") == ((ended := await waiting)[0], ended[1]["detail"])


async def test_a_client_that_vanishes_frees_its_place(relay: InsideRelay) -> None:
    """Its handler is cancelled, though it would wait for half a minute."""
    async with raw(relay) as socket:
        path = f"/v1/public/agent-swarms/projects/p/events?after=0&wait=50&token={relay.token()}"
        socket.send(f"GET {path} HTTP/1.1\r\nHost: relay\r\n\r\n".encode())
        await held(relay)
        socket.vanish()
        await relay.until(lambda: relay.places() == 0)
    assert [] == members(relay.rooms.engine.log.projects["p"].channel)


async def test_a_draining_relay_answers_held_polls(relay: InsideRelay) -> None:
    """With 503 and a time to come again, instead of a connection that breaks."""
    waiting = asyncio.create_task(relay.get(relay.project("p", "/events", after="0", wait=50)))
    await held(relay)
    relay.rooms.admission.draining = True
    await relay.rooms.lobby.empty(0.05)
    status, body = await waiting
    assert (503, "UNAVAILABLE") == (status, body["code"])


async def test_nobody_runs_in_circles_from_gap_to_gap(relay: InsideRelay) -> None:
    """A poll that may wait comes again at once, but after a gap only in a second."""
    await relay.publish(log("p", "one"))
    _, answer = await relay.get(relay.project("p", "/events", after=str(Cursor(b"other", 1, 0, 0, b"123456"))))
    assert ("gap", 1_000) == (answer["replay"], answer["next_poll_ms"])
    _, answer = await relay.get(relay.project("p", "/events"))
    assert ("tail", 0) == (answer["replay"], answer["next_poll_ms"])
