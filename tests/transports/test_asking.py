from typing import Any

import pytest

from tests.harness.inside import InsideRelay
from tests.harness.raw import raw
from tests.harness.viewer import log, refused, watch

MALFORMED = [
    ("tail", "-1"),
    ("tail", "1001"),
    ("tail", "many"),
    ("tail", "1.5"),
    ("tail", "9" * 5_000),
    ("after", "nonsense"),
    ("after", "AST8hU7LAAAAAAAAAAAAAAAAWY-jGTX"),
    ("after", "A" * 10_000),
    ("types", "workflow_logs"),
    ("types", "connection_established"),
    ("level", "debug"),
    ("agent", "a" * 257),
    ("q", ""),
    ("q", "x" * 65),
    ("session", ""),
    ("session", "s" * 65),
    ("session", "a b"),
    ("dialect", "klingon"),
]
OF_SOCKETS = [("dialect", "ag-ui")]
OF_STREAMS = [("batch", "yes")]
OF_POLLS = [("wait", "-1"), ("wait", "56"), ("wait", "nan"), ("wait", "inf"), ("limit", "-1"), ("limit", "1001")]


def shown(value: str) -> str:
    """Return a short name for a test."""
    return value[:20]


@pytest.mark.parametrize(("name", "value"), [*MALFORMED, *OF_POLLS, *OF_SOCKETS], ids=shown)
async def test_a_poll_names_what_it_could_not_read(relay: InsideRelay, name: str, value: str) -> None:
    """400, and a sentence that has the parameter's name."""
    await relay.publish(log("p", "one"))
    status, body = await relay.get(relay.project("p", "/events", **{name: value}))
    assert (400, "BAD_REQUEST") == (status, body["code"])
    assert name in body["detail"]
    assert len(body["detail"]) < 300
    assert 0 == relay.places()
    assert b'relayd_connections_rejected_total{reason="bad_request"} 1.0' in relay.rooms.metrics.render()[0]


@pytest.mark.parametrize(("name", "value"), [*MALFORMED, *OF_STREAMS], ids=shown)
async def test_streams_and_sockets_name_it_too(relay: InsideRelay, name: str, value: str) -> None:
    """The same sentence in the body of a stream's refusal and in a socket's close reason."""
    status, body = await relay.get(relay.project("p", "/stream", **{name: value}))
    assert (400, "BAD_REQUEST") == (status, body["code"])
    assert name in body["detail"]
    wish: dict[str, Any] = {name: value}
    if (name, value) in OF_STREAMS:
        # What asks to be modern and can't be read is no modern viewer.
        status, body, _ = await refused(relay, "p", legacy=True, **wish)
        assert (400, True) == (status, name in body["detail"])
        return
    async with watch(relay, "p", **wish) as viewer:
        code, reason = await viewer.ending()
    assert (4400, True) == (code, name in reason)


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", ".hidden", "a%2fb", "a%00b", "a%E2%80%AEb", "a%20b", "a" * 129, "a%0a", "p%c3%a9", "%ff"]
)
async def test_a_name_that_is_none_is_refused(relay: InsideRelay, name: str) -> None:
    """The bytes as they stand here, for a client's library would tidy them up."""
    for what in ("/events", "/stream", "/logs", "/status", "/viewers", ""):
        async with raw(relay) as socket:
            path = f"/v1/public/agent-swarms/projects/{name}{what}?token={relay.token()}"
            socket.send(f"GET {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n".encode())
            answer = await socket.rest()
        assert answer.startswith("HTTP/1.1 400 "), answer
        assert '"detail":"project_id: use 1 to 128 letters' in answer


async def test_the_header_beats_the_address(relay: InsideRelay) -> None:
    """A token in an address may be an old one that a page was opened with."""
    async with relay.http.get(relay.project("p", "/events", token="old"), headers=relay.bearer()) as answer:
        assert 200 == answer.status


async def test_lists_may_be_repeated_or_have_commas(relay: InsideRelay) -> None:
    """Both ways in which front ends write a list."""
    await relay.publish(*(log("p", name, agent=name) for name in ("a", "b", "c")))
    for query in ("agent=a,c", "agent=a&agent=c", "agent=a,,c,"):
        status, answer = await relay.get(f"{relay.project('p', '/events')}?{query}")
        assert (200, ["a", "c"]) == (status, [message["message"] for message in answer["messages"]])


async def test_a_socket_says_who_speaks_what_it_does_not(relay: InsideRelay) -> None:
    """Told in another language than was asked for, a viewer would wait for words that never come."""
    status, body, _ = await refused(relay, "p", legacy=True, dialect="ag-ui")
    assert (400, "dialect: only server-sent events speak ag-ui; read …/stream") == (status, body["detail"])
    async with watch(relay, "p", dialect="relayd") as viewer:
        assert "connection_established" == (await viewer.frame())["type"]
