import asyncio
import json

import pytest

from relayd.client.backoff import Backoff
from relayd.client.watch import WatchEnded, Watcher, selection_query
from relayd.protocol.commands import Selection
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import ConnectionEstablished, WorkflowLog
from tests.client.listening import hear, lines, watcher
from tests.client.small_relay import Scene, SmallRelay, batch, established, log, on_stage


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
    assert "can't be reached: connection refused" in watching.detail


def test_a_selection_becomes_a_query() -> None:
    """Only what was chosen is asked for."""
    chosen = Selection(types=frozenset({"workflow_log"}), level="error", agent=frozenset({"b", "a"}), q="disk")
    assert selection_query(chosen) == {"types": "workflow_log", "level": "error", "agent": "a,b", "q": "disk"}
    assert selection_query(Selection()) == {}
