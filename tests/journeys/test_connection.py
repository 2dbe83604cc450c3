"""The way of one connection, step by step, as docs/architecture.md tells it."""

import asyncio
from pathlib import Path

from tests.harness.daemon import PrivateRelay
from tests.harness.viewer import log, refused, watch


async def test_a_connection_s_way(tmp_path: Path) -> None:
    """Refused, let in, live, lost, back whole, replaced, sent away, back whole; and the log has a line for each end."""
    tables = {"server": {"origins": ["https://dashboard.example"], "drain_seconds": 0.1}}
    async with PrivateRelay(tables, folder=tmp_path) as relay:
        await relay.publish({"type": "project_started", "project_id": "shop", "timestamp": 1.0, "owner": "ada"})
        mine = relay.token("ada", projects=[])

        # request: a foreign page gets no further than the door
        assert 403 == (await refused(relay, "shop", token=mine, headers={"Origin": "https://evil.example"}))[0]

        # handshake, authenticate, authorise, judge: each has its own ending
        for token, tail, after, code in (
            (mine, "many", None, 4400),
            ("no-token", "10", None, 4401),
            (relay.token("eve", projects=[]), "10", None, 4403),
            (mine, "10", "no-cursor", 4400),
        ):
            async with watch(relay, "shop", token=token, tail=tail, after=after) as stranger:
                assert code == (await stranger.ending())[0]
        assert 0 == relay.metric('relayd_connections{transport="websocket"}')

        # take a place, open, catch up: state, then what happened so far
        async with watch(relay, "shop", token=mine, session="tab-1") as viewer:
            first = await viewer.frame()
            assert ("connection_established", "tail") == (first["type"], first["replay"])
            assert "ada" == first["snapshot"]["owner"]
            await viewer.hears("project_started")
            assert 1 == relay.metric('relayd_connections{transport="websocket"}')

            # live: it hears, it asks, it refreshes
            await relay.publish(log("shop", "one"))
            assert ["one"] == await viewer.lines(1)
            await viewer.says({"type": "ping"})
            assert "pong" == (await viewer.frame())["type"]
            await viewer.says({"type": "refresh", "token": relay.token("ada", projects=[], ttl=3_000)})
            notice = await viewer.frame()
            assert ("REFRESHED", True) == (
                notice["code"],
                notice["data"]["token_expires_at"] > first["token_expires_at"],
            )
            await relay.publish(log("shop", "two"))
            cursor = (await viewer.hears("workflow_log"))["id"]

            # lost: the network goes without a word
            viewer.socket.transport.abort()

        # back with its cursor: exactly what it missed
        await relay.publish(log("shop", "three"))
        async with watch(relay, "shop", token=mine, session="tab-1", after=cursor) as viewer:
            assert (await viewer.frame())["recovered"]
            assert ["three"] == await viewer.lines(1)

            # replaced: the same tab, loaded anew, takes the place over
            async with watch(relay, "shop", token=mine, session="tab-1", after=cursor) as again:
                assert 4409 == (await viewer.ending())[0]
                cursor = (await again.hears("workflow_log"))["id"]

                # sent away: the relay is updated
                stopping = asyncio.create_task(relay.stop_async())
                assert 1012 == (await again.ending())[0]
                assert 0 == await stopping

        await relay.start_async()
        await relay.publish(log("shop", "four"))
        async with watch(relay, "shop", token=mine, session="tab-1", after=cursor) as viewer:
            assert (await viewer.frame())["recovered"]
            assert ["four"] == await viewer.lines(1)

        await asyncio.to_thread(relay.stop)
        ends = [line for line in relay.lines if line["event"] == "connection_ended"]
        assert ["normal", "replaced", "restarting", "normal"] == [line["ending"] for line in ends]
        assert {("ada", "shop", "websocket")} == {
            (line["user"], line["project_id"], line["transport"]) for line in ends
        }
        assert ["forbidden", "bad_request", "auth_failed", "forbidden", "bad_request"] == [
            line["ending"] for line in relay.lines if line["event"] == "connection_refused"
        ]
        assert mine[-40:] not in relay.log
