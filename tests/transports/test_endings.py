"""How a WebSocket ends, or does not begin: codes, statuses, places, floods and broken frames."""

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from relayd.core.access import Viewer as Identified
from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import UPGRADE, masked, raw, upgraded
from tests.harness.viewer import Viewer, refused, watch

PATH = "/ws/admin/agent-swarm/p?token={}"


# -- who is not let in ---------------------------------------------------------------------------------------------

REFUSALS: list[tuple[str, dict[str, Any], int, int, str]] = [
    ("p", {"token": "no-token"}, 4401, 401, "AUTH_FAILED"),
    ("p", {"ttl": -20}, 4401, 401, "AUTH_FAILED"),
    ("p", {"projects": ["q"]}, 4403, 403, "FORBIDDEN"),
    ("p", {"after": "nonsense"}, 4400, 400, "BAD_REQUEST"),
    ("p", {"tail": "-1"}, 4400, 400, "BAD_REQUEST"),
    ("unheard", {"projects": ["q"]}, 1013, 503, "OVERLOADED"),
]


@pytest.mark.parametrize(("project_id", "how", "code", "status", "name"), REFUSALS)
async def test_a_modern_viewer_is_refused_by_a_close_code(
    relay: InsideRelay, project_id: str, how: dict[str, Any], code: int, status: int, name: str
) -> None:
    """A browser can't read the status of a refused upgrade; the reason is one sentence that fits a control frame."""
    await relay.publish({"type": "project_started", "project_id": "p", "timestamp": 1.0, "owner": "eve"})
    async with watch(relay, project_id, **asked(relay, how)) as viewer:
        ended, reason = await viewer.ending()
    assert code == ended
    assert reason.startswith(f"{name}: ")
    assert len(reason.encode()) <= 123
    assert ("; retry_after_ms=5000" in reason) == (name == "OVERLOADED")
    assert 0 == relay.places()


@pytest.mark.parametrize(("project_id", "how", "code", "status", "name"), REFUSALS)
async def test_a_legacy_viewer_is_refused_before_the_upgrade(
    relay: InsideRelay, project_id: str, how: dict[str, Any], code: int, status: int, name: str
) -> None:
    """Its front end shows "connected" on open and comes back for ever."""
    await relay.publish({"type": "project_started", "project_id": "p", "timestamp": 1.0, "owner": "eve"})
    answered, body, headers = await refused(relay, project_id, legacy=True, **asked(relay, how))
    assert status == answered
    assert {"detail", "code"} == body.keys()
    assert ("Bearer" == headers.get("www-authenticate")) == (status == 401)
    assert ("5" == headers.get("retry-after")) == (status == 503)
    assert 0 == relay.places()


def asked(relay: InsideRelay, how: dict[str, Any]) -> dict[str, Any]:
    """Return what `watch` takes: what belongs into a token is put there."""
    about = {name: how[name] for name in ("ttl", "projects") if name in how}
    rest = {name: value for name, value in how.items() if name not in about}
    return {"token": relay.token(**about), **rest} if about else rest


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("why", ["draining", "full"])
async def test_a_node_that_takes_nobody_refuses_before_the_upgrade(tmp_path: Path, legacy: bool, why: str) -> None:
    """Whoever is refused costs it nothing more than an answer."""
    async with inside(tmp_path, {"server": {"max_connections": 1}}) as relay, watch(relay, "p") as viewer:
        await viewer.frame()
        relay.rooms.admission.draining = why == "draining"
        status, body, headers = await refused(relay, "p", legacy=legacy)
        assert (503, "UNAVAILABLE") == (status, body["code"])
        assert ("1" if why == "draining" else "5") == headers["retry-after"]


async def test_a_plain_request_is_told_of_the_upgrade(relay: InsideRelay) -> None:
    """426, and what else there is."""
    for project_id in ("p", None):
        address = relay.socket(project_id).replace("ws", "http", 1)
        async with relay.http.get(address, headers=relay.bearer()) as answer:
            assert (426, "websocket") == (answer.status, answer.headers["Upgrade"])
            body = await answer.json()
        assert "WEBSOCKET_NOT_SUPPORTED" == body["code"]
        assert "/events" in body["detail"]


# -- places --------------------------------------------------------------------------------------------------------


async def five(relay: InsideRelay, stack: AsyncExitStack) -> list[Viewer]:
    """Return five viewers of one user."""
    viewers = [await stack.enter_async_context(watch(relay, "p")) for _ in range(5)]
    for viewer in viewers:
        await viewer.frame()
    return viewers


async def test_the_sixth_connection_is_told_who_holds_the_places(relay: InsideRelay) -> None:
    """In a notice before 4429, in the body of 429; another user comes in."""
    async with AsyncExitStack() as stack:
        viewers = await five(relay, stack)
        ids = {viewer.frames[0]["connection_id"] for viewer in viewers}
        async with watch(relay, "p") as sixth:
            assert (4429, True) == ((ending := await sixth.ending())[0], ending[1].endswith("; retry_after_ms=10000"))
        (notice,) = sixth.frames
        assert ("TOO_MANY_CONNECTIONS", 5) == (notice["code"], notice["data"]["limit"])
        assert ids == {one["connection_id"] for one in notice["data"]["connections"]}
        status, body, headers = await refused(relay, "p", legacy=True)
        assert (429, ids) == (status, {one["connection_id"] for one in body["connections"]})
        assert ("10", "5", "0", "10") == tuple(
            headers[name] for name in ("retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
        )
        async with watch(relay, "p", token=relay.token("bob")) as other:
            assert "connection_established" == (await other.frame())["type"]


async def test_a_place_that_was_given_up_is_free_at_once(relay: InsideRelay) -> None:
    """DELETE ends one's own connection with 1000, and the next comes in."""
    async with AsyncExitStack() as stack:
        viewers = await five(relay, stack)
        connection_id = viewers[2].frames[0]["connection_id"]
        async with relay.http.delete(relay.api(f"/connections/{connection_id}"), headers=relay.bearer()) as answer:
            assert 204 == answer.status
        async with watch(relay, "p") as sixth:
            assert "connection_established" == (await sixth.frame())["type"]
        assert (1000, "NORMAL: ended at its user's wish") == await viewers[2].ending()


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_reloaded_tab_takes_its_old_place_over(relay: InsideRelay, legacy: bool) -> None:
    """The older connection of the session ends with 4409, and one place is taken, not two."""
    async with watch(relay, "p", session="tab-1", legacy=legacy) as old:
        await old.frame()
        async with watch(relay, "p", session="tab-1", legacy=legacy) as new:
            await new.frame()
            assert 4409 == (await old.ending())[0]
            assert 1 == relay.places()


async def test_a_session_belongs_to_its_user(relay: InsideRelay) -> None:
    """Knowing a stranger's session string takes no place from it."""
    async with (
        watch(relay, "p", session="tab-1") as hers,
        watch(relay, "p", session="tab-1", token=relay.token("eve")) as other,
    ):
        await other.frame()
        await hers.says("ping")
        await hers.hears("connection_established")
        assert "pong" == await hers.text()


async def test_a_viewer_that_vanishes_frees_its_place(relay: InsideRelay) -> None:
    """Without a close frame, as when a train enters a tunnel and the proxy notices."""
    async with upgraded(relay, PATH.format(relay.token())) as socket:
        await socket.frame()
        assert 1 == relay.places()
        socket.vanish()
        await relay.until(lambda: relay.places() == 0)
    assert 0 == len(relay.rooms.lobby)


# -- too much, and broken ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["ping", '{"type":"ping"}', "control", '{"type":"dance"}'])
async def test_more_than_a_hundred_frames_in_a_second_end_it(relay: InsideRelay, what: str) -> None:
    """Whatever they are: pings and unknown commands count, too."""
    async with upgraded(relay, PATH.format(relay.token())) as socket:
        frame = masked(0x89, b"") if what == "control" else masked(0x81, what.encode())
        socket.send(frame * 150)
        assert 4430 == await socket.close_code()


async def test_a_hundred_frames_are_no_flood(relay: InsideRelay) -> None:
    """The bound is the bound."""
    async with watch(relay, "p", legacy=True) as viewer:
        await viewer.frame()
        for _ in range(100):
            await viewer.says("ping")
        assert ["pong"] * 100 == [await viewer.text() for _ in range(100)]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(0x81, b"{" * 65_537), 1009),
        (masked(0x81, b"", size=2**62), 1009),
        (masked(0x82, b"ping"), 4400),
        (masked(0x81, b"{not json"), 4400),
        (masked(0x81, b'{"type":"subscribe"}'), 4400),
        (masked(0x81, b'["ping"]'), 4400),
        (masked(0x81, b'"' + b"[" * 60_000), 4400),
        (masked(0x81, b"\xff\xfe"), 1007),
        (masked(0xC1, b"ping"), 1002),
        (masked(0x83, b"ping"), 1002),
        (masked(0x09, b"ping"), 1002),
        (masked(0x89, b"p" * 126), 1002),
        (masked(0x80, b"ping"), 1002),
        (masked(0x01, b"pi") + masked(0x81, b"ng"), 1002),
        (b"\x81\x04ping", 1002),
    ],
    ids=[
        "oversized",
        "declared",
        "binary",
        "no json",
        "no project",
        "array",
        "deep",
        "utf-8",
        "rsv",
        "opcode",
        "split ping",
        "long ping",
        "fragment of nothing",
        "message within a message",
        "unmasked",
    ],
)
async def test_a_broken_frame_ends_it_with_its_code(relay: InsideRelay, data: bytes, code: int) -> None:
    """What RFC 6455 has a code for has that, what is ours to judge is 4400; the place is free."""
    async with upgraded(relay, PATH.format(relay.token())) as socket:
        socket.send(data)
        assert code == await socket.close_code()
        assert 0 == relay.places()


class Broken:
    """A verifier with a fault."""

    generation = 0

    def verify(self, token: str, now: float) -> Identified:
        """Fail."""
        raise RuntimeError(f"can't tell what {len(token)} characters are worth at {now}")


async def test_a_fault_of_ours_ends_it_with_an_incident(relay: InsideRelay) -> None:
    """Before there is a session, too: nobody is left waiting, and the operator finds the number."""
    relay.rooms.engine.verifier = Broken()
    async with watch(relay, "p") as viewer:
        code, reason = await viewer.ending()
    assert 4500 == code
    assert reason.startswith("SERVER_ERROR: a fault of ours, incident ")
    assert 0 == relay.places()


async def test_who_does_not_answer_a_close_is_cut(relay: InsideRelay) -> None:
    """After three seconds; until then the last words may still be on their way."""
    async with upgraded(relay, PATH.format(relay.token())) as socket:
        await socket.frame()
        socket.send(masked(0x82, b"binary"))
        assert 4400 == await socket.close_code()
        assert "" == await socket.rest()


async def test_a_deep_json_is_refused_not_suffered(relay: InsideRelay) -> None:
    """Nested beyond what a parser can stand: 4400, and the relay goes on."""
    async with watch(relay, "p") as viewer:
        await viewer.says('{"type":"filter","filter":' + "[" * 30_000 + "]" * 30_000 + "}")
        assert 4400 == (await viewer.ending())[0]


# -- what a project may be called ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", ".hidden", "a%2fb", "a%00b", "a%E2%80%AEb", "a%20b", "a" * 129, "%0a", "a%0a", "p%c3%a9"]
)
async def test_a_name_that_is_none_is_refused(relay: InsideRelay, name: str) -> None:
    """No path, no control character, no right-to-left override gets further than the door."""
    async with raw(relay) as socket:
        socket.send(UPGRADE.format(f"/ws/admin/agent-swarm/{name}?token={relay.token()}").encode())
        head = await socket.until(b"\r\n\r\n")
        assert head.split()[1] in {"400", "404"}, head
        if head.split()[1] == "400":
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
            body = json.loads(await socket.reader.readexactly(length))
            assert body["detail"].startswith("project_id: ")
