import asyncio
from pathlib import Path

from relayd.app.gauges import Lag
from relayd.ports import SourceState
from relayd.relay.engine import Engine
from relayd.testing.sources import FakeSource
from relayd.testing.world import FakeClock
from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import upgraded
from tests.harness.viewer import log, watch


def figures(relay: InsideRelay) -> dict[str, float]:
    """Return what somebody who scrapes reads."""
    text = relay.rooms.metrics.render()[0].decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_sizes_are_what_they_are_when_somebody_looks(tmp_path: Path) -> None:
    """Connections by transport, projects by status, places of the log; back to nothing when all have left."""
    async with inside(tmp_path) as relay:
        assert 0 == figures(relay)['relayd_connections{transport="websocket"}']
        await relay.publish(log("p", "one"), {"type": "project_completed", "project_id": "q", "timestamp": 1.0})
        await relay.publish(log("p", "two"))
        async with watch(relay, "p") as viewer:
            await viewer.frame()
            found = figures(relay)
        assert 1 == found['relayd_connections{transport="websocket"}']
        assert 1 == found['relayd_projects{status="completed"}'] == found['relayd_projects{status="in_progress"}']
        assert (1, 1, 0) == (
            found["relayd_stream_consumed_offset"],
            found["relayd_broker_connected"],
            found["relayd_stream_lag_seconds"],
        )
        assert found["relayd_timeline_bytes"] > 100
        await relay.until(lambda: relay.places() == 0)
        assert 0 == figures(relay)['relayd_connections{transport="websocket"}']


async def test_an_idle_viewer_costs_no_task(tmp_path: Path) -> None:
    """A request that waits has some; a socket that was taken over has none, and leaves none behind."""
    async with inside(tmp_path) as relay:
        before = figures(relay)["relayd_tasks"]
        assert before > 1
        async with upgraded(relay, f"/ws/admin/agent-swarm/p?batch=1&token={relay.token()}") as viewer:
            await viewer.frame()
            await relay.until(lambda: before == figures(relay)["relayd_tasks"])
            poll = asyncio.create_task(relay.get(relay.project("p", "/events", after="0")))
            await relay.until(lambda: before + 1 < figures(relay)["relayd_tasks"])
            await relay.publish(log("p", "news"))
            await poll
        # A connection that is kept for the next request has one, too.
        await relay.http.close()
        await relay.until(lambda: before == figures(relay)["relayd_tasks"])


class Behind(FakeSource):
    """A source whose log is further than what was read."""

    head: int | None = None

    def state(self) -> SourceState:
        return SourceState(connected=True, caught_up=True, detail="", head_offset=self.head)


async def test_lag_is_time_since_the_relay_was_level(tmp_path: Path) -> None:
    """Not the age of the last event: a quiet log is no late one."""
    clock, source = FakeClock(), Behind()
    async with inside(tmp_path) as relay:
        fields = {name: getattr(relay.rooms.engine, name) for name in Engine.__struct_fields__}
        engine = Engine(**{**fields, "clock": clock, "source": source})
        lag = Lag(engine)
        clock.advance(5)
        assert 0 == lag.seconds()
        source.head = 3
        clock.advance(7)
        assert 7 == lag.seconds()
        source.head = None
        assert 0 == lag.seconds()
