import pytest

from relayd.client.watch import Link, WatchEnded
from relayd.protocol.disconnect import Disconnect
from relayd.protocol.messages import ConnectionEstablished, WorkflowLog
from tests.client.listening import hear, lines, watcher
from tests.client.small_relay import Scene, SmallRelay, log


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
