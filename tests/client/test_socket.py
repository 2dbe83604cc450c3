import json

from tests.client.listening import hear, lines, watcher
from tests.client.small_relay import Scene, SmallRelay, batch, established, log


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
