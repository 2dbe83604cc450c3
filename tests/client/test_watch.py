import asyncio
import json
from contextlib import aclosing

import pytest

from relayd.client.backoff import Backoff
from relayd.client.frames import Heard
from relayd.client.watch import Link, WatchEnded, Watcher, selection_query
from relayd.protocol.commands import EVERYTHING, Selection
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import ConnectionEstablished, WorkflowLog
from tests.client.small_relay import Scene, SmallRelay, batch, established, log, on_stage

SOON = Backoff(floor=0.01, cap=0.02)


def watcher(
    relay: SmallRelay, *, after: str | None = None, tail: int | None = None, selection: Selection = EVERYTHING
) -> Watcher:
    """Return an impatient watcher of the small relay."""
    return Watcher(relay.url, "token", "p", after=after, tail=tail, selection=selection, backoff=SOON)


async def hear(watching: Watcher, count: int) -> list[Heard]:
    """Return the first messages heard."""
    heard: list[Heard] = []
    async with aclosing(watching.received()) as received:
        async for each in received:
            heard.append(each.message)
            if len(heard) == count:
                break
    return heard


def lines(heard: list[Heard]) -> list[str]:
    """Return the texts of the log lines."""
    return [message.message for message in heard if isinstance(message, WorkflowLog)]


async def test_the_contract_is_offered(relay: SmallRelay) -> None:
    """Sub-protocol and token travel in headers, never in the address."""
    relay.scenes = [Scene([json.dumps(established("c0"))])]
    await hear(watcher(relay, tail=7, selection=Selection(level="warning")), 1)
    (request,) = relay.sockets
    assert request.headers["Sec-WebSocket-Protocol"] == "relayd.v1"
    assert request.headers["Authorization"] == "Bearer token"
    assert {key: request.query[key] for key in request.query if key != "session"} == {"tail": "7", "level": "warning"}


async def test_the_cursor_stands_where_to_go_on(relay: SmallRelay) -> None:
    """Inside an envelope at the message itself, behind it at the envelope's cursor."""
    relay.scenes = [Scene([json.dumps(established("c0")), batch("c9", log("c1"), log("c2"))])]
    watching = watcher(relay)
    cursors = []
    async for _ in watching:
        cursors.append(watching.cursor)
        if len(cursors) == 3:
            break
    assert cursors == ["c0", "c1", "c9"]


async def test_a_cut_is_resumed_where_it_was(relay: SmallRelay) -> None:
    """After a vanished connection and after a drain the next one asks for what follows the last cursor."""
    relay.scenes = [
        Scene([json.dumps(established("c0")), batch("c2", log("c1", "one"), log("c2", "two"))], vanish=True),
        Scene([batch("c3", log("c3", "three"))], close=(1012, "RESTARTING: new version; retry_after_ms=10")),
        Scene([batch("c4", log("c4", "four"))]),
    ]
    watching = watcher(relay)
    heard = await hear(watching, 5)
    assert lines(heard) == ["one", "two", "three", "four"]
    assert [request.query.get("after") for request in relay.sockets] == [None, "c2", "c3"]
    assert watching.cuts == 2
    # The same session on every connection: a return takes over its own place.
    assert len({request.query["session"] for request in relay.sockets}) == 1


async def test_the_wish_of_the_relay_is_honoured(relay: SmallRelay) -> None:
    """A close reason with retry_after_ms overrules the back-off."""
    relay.scenes = [Scene([json.dumps(established("c0"))], close=(1012, "RESTARTING: soon; retry_after_ms=300"))]
    clock = asyncio.get_running_loop().time
    began = clock()
    relay.scenes.append(Scene([batch("c1", log("c1"))]))
    watching = watcher(relay)
    await hear(watching, 2)
    assert clock() - began >= 0.3
    assert watching.detail.startswith("soon; again in 0.")


@pytest.mark.parametrize(
    "disconnect", [Disconnect.AUTH_FAILED, Disconnect.BAD_REQUEST, Disconnect.FORBIDDEN, Disconnect.REPLACED]
)
async def test_there_is_no_coming_back_from_a_refusal(relay: SmallRelay, disconnect: Disconnect) -> None:
    """The exception names the row of the table and says the relay's sentence."""
    relay.scenes = [Scene(close=(disconnect.code, f"{disconnect.name}: not like this"))]
    with pytest.raises(WatchEnded, match="not like this") as ended:
        await hear(watcher(relay), 1)
    assert disconnect is ended.value.disconnect
    assert len(relay.sockets) == 1


async def test_a_refusal_before_the_upgrade_ends_it_too(relay: SmallRelay) -> None:
    """The HTTP status means what the close code would have meant."""
    relay.scenes = [Scene(status=401)]
    with pytest.raises(WatchEnded, match="token was refused"):
        await hear(watcher(relay), 1)


async def test_a_busy_relay_is_asked_again(relay: SmallRelay) -> None:
    """503 before the upgrade is a reason to wait, not to stop."""
    relay.scenes = [Scene(status=502), Scene([batch("c1", log("c1", "there"))])]
    assert lines(await hear(watcher(relay), 1)) == ["there"]


async def test_a_relay_that_is_done_ends_the_iteration(relay: SmallRelay) -> None:
    """1000 is no cut."""
    relay.scenes = [Scene([batch("c1", log("c1"))], close=(1000, ""))]
    assert [WorkflowLog] == [type(message) async for message in watcher(relay)]


async def test_a_gap_is_handed_on(relay: SmallRelay) -> None:
    """What could not be recovered is told as the relay told it."""
    relay.scenes = [
        Scene([json.dumps(established("c5", recovered=False, replay="gap", snapshot={"status": "failed"}))])
    ]
    (opening,) = await hear(watcher(relay, after="c1"), 1)
    assert isinstance(opening, ConnectionEstablished)
    assert opening.replay == "gap"
    assert opening.snapshot == {"status": "failed"}


async def test_silence_is_asked_about(relay: SmallRelay) -> None:
    """A quiet relay is pinged, and its pong moves the cursor from which the next connection goes on."""
    relay.scenes = [
        Scene([json.dumps(established("c0", heartbeat_seconds=0.2))], pongs=1),
        Scene([batch("c1", log("c1", "back"))]),
    ]
    assert lines(await hear(watcher(relay), 2)) == ["back"]
    assert relay.heard == ['{"type":"ping"}']
    assert [request.query.get("after") for request in relay.sockets] == [None, "pong-1"]


async def test_a_dead_connection_is_left(relay: SmallRelay) -> None:
    """Who does not even answer a ping is gone, whatever TCP believes."""
    relay.scenes = [
        Scene([json.dumps(established("c0", heartbeat_seconds=0.05))], mute=True),
        Scene([batch("c1", log("c1", "back"))]),
    ]
    watching = watcher(relay)
    assert lines(await hear(watching, 2)) == ["back"]
    assert watching.cuts == 1


async def test_where_no_socket_goes_a_poll_does(relay: SmallRelay) -> None:
    """The same messages, with an opening and the cursor of each answer."""
    relay.scenes = [Scene(status=426)]
    relay.polls = [
        (
            200,
            {"project_id": "p", "cursor": "c1", "messages": [log("c1", "one")], "next_poll_ms": 0},
        ),
        (200, {"project_id": "p", "cursor": "c2", "recovered": True, "messages": [], "next_poll_ms": 0}),
        (
            200,
            {"project_id": "p", "cursor": "c3", "messages": [log("c3", "three")], "next_poll_ms": 0},
        ),
    ]
    watching = watcher(relay, tail=5)
    opening, *rest = await hear(watching, 3)
    assert isinstance(opening, ConnectionEstablished)
    assert opening.replay == "tail"
    assert lines(rest) == ["one", "three"]
    assert watching.link is Link.POLLING
    assert watching.cursor == "c3"
    assert [request.query.get("after") for request in relay.polled] == [None, "c1", "c2"]
    assert [request.query["wait"] for request in relay.polled] == ["0", "25", "25"]


async def test_a_gap_between_two_polls_is_told(relay: SmallRelay) -> None:
    """An answer that could not recover is heard as a gap with its snapshot, before the messages."""
    relay.scenes = [Scene(status=426)]
    relay.polls = [
        (200, {"project_id": "p", "cursor": "c1", "recovered": True, "messages": []}),
        (
            200,
            {
                "project_id": "p",
                "cursor": "c9",
                "recovered": False,
                "messages": [log("c9")],
                "snapshot": {"n": 3},
            },
        ),
    ]
    opening, gap, line = await hear(watcher(relay, after="c0"), 3)
    assert isinstance(opening, ConnectionEstablished)
    assert isinstance(gap, ConnectionEstablished)
    assert isinstance(line, WorkflowLog)
    assert (opening.replay, gap.replay) == ("resume", "gap")
    assert gap.snapshot == {"n": 3}


async def test_what_answers_neither_way_is_no_relay(relay: SmallRelay) -> None:
    """A web server that knows nothing of us is told apart from a relay that is away."""
    relay.scenes = [Scene(status=200)]
    relay.polls = [(405, {})]
    with pytest.raises(WatchEnded, match="no relay answers"):
        await hear(watcher(relay), 1)


async def test_the_sentence_of_a_refused_poll_is_told(relay: SmallRelay) -> None:
    """HTTP errors carry a sentence a person can act on."""
    relay.scenes = [Scene(status=426)]
    relay.polls = [(403, {"detail": "not your project", "code": "FORBIDDEN"})]
    with pytest.raises(WatchEnded, match="not your project") as ended:
        await hear(watcher(relay), 1)
    assert ended.value.disconnect is Disconnect.FORBIDDEN


class Alarm(Backoff, frozen=True):
    """Tells that a wait has begun, and makes it a short one."""

    rang: asyncio.Event

    def delay(self, attempt: int, *, retry_after: float, chance: float) -> float:
        self.rang.set()
        return 0.01


async def test_nobody_there_is_waited_for(unused_tcp_port: int) -> None:
    """A relay that is not up yet is no reason to give up."""
    alarm = Alarm(rang=asyncio.Event())
    watching = Watcher(f"http://127.0.0.1:{unused_tcp_port}", None, "p", backoff=alarm)
    hearing = asyncio.create_task(hear(watching, 1))
    await alarm.rang.wait()
    async with on_stage(SmallRelay([Scene([batch("c1", log("c1", "up"))])]), unused_tcp_port):
        assert lines(await hearing) == ["up"]
    assert "can't be reached" in watching.detail


def test_a_selection_becomes_a_query() -> None:
    """Only what was chosen is asked for."""
    chosen = Selection(types=frozenset({"workflow_log"}), level="error", agent=frozenset({"b", "a"}), q="disk")
    assert selection_query(chosen) == {"types": "workflow_log", "level": "error", "agent": "a,b", "q": "disk"}
    assert selection_query(Selection()) == {}
