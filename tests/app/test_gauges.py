import asyncio
from pathlib import Path

from msgspec.structs import replace

from relayd.app.gauges import register
from relayd.ports import SourceState
from relayd.relay.engine import Engine
from relayd.telemetry.metrics import Metrics
from relayd.testing.sources import FakeSource
from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import upgraded
from tests.harness.viewer import log, watch

NEW = ("relayd_consumer_up", "relayd_stream_last_delivery", "relayd_exchange_last", "relayd_canary_last_success")


def figures(relay: InsideRelay) -> dict[str, float]:
    """Return what somebody who scrapes a relay reads."""
    return read(relay.rooms.metrics)


def read(metrics: Metrics) -> dict[str, float]:
    """Return what somebody who scrapes reads."""
    text = metrics.render()[0].decode()
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


async def test_sizes_are_what_they_are_when_somebody_looks(tmp_path: Path) -> None:
    """Connections by transport, projects by status, places of the log; back to nothing when all have left."""
    async with inside(tmp_path) as relay:
        assert 0 == figures(relay)['relayd_connections{transport="websocket"}']
        # A relay that shares nothing is neither up nor down, and no alarm.
        assert "relayd_redis_up" not in figures(relay)
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


async def test_agents_are_counted_by_how_they_seem(tmp_path: Path) -> None:
    """Each state from the start, at nothing; as they were found when they were last looked at."""
    async with inside(tmp_path) as relay:
        assert 0 == figures(relay)['relayd_agents{liveness="maybe_stuck"}']
        working = {
            "type": "agent_status_update",
            "project_id": "p",
            "timestamp": 1.0,
            "progress": 1,
            "status": "working",
        }
        await relay.publish(
            {**working, "agent": "coder"}, {**working, "agent": "asker", "activity": "waiting_for_human"}
        )
        async with watch(relay, "p") as viewer:
            await viewer.frame()
            await relay.until(lambda: figures(relay)['relayd_agents{liveness="working"}'] == 1)
        assert 1 == figures(relay)['relayd_agents{liveness="waiting_for_human"}']


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
    """A source that is as the test says."""

    told: SourceState = SourceState(connected=True, caught_up=True, detail="")

    def be(self, **changes: object) -> None:
        self.told = replace(self.told, **changes)

    def state(self) -> SourceState:
        return self.told


def engine_of(relay: InsideRelay, **others: object) -> Engine:
    """Return a relay's engine with another clock or source."""
    fields = {name: getattr(relay.rooms.engine, name) for name in Engine.__struct_fields__}
    return Engine(**{**fields, **others})


async def test_a_consumer_is_up_when_it_gets_what_there_is(tmp_path: Path) -> None:
    """Subscribed and stalled is not up; what a source can't tell is absent."""
    async with inside(tmp_path) as relay:
        source = Behind()
        metrics = Metrics(version="1")
        register(metrics, engine_of(relay, source=source), relay.rooms.journaling)

        def found() -> dict[str, float]:
            return {name: value for name, value in read(metrics).items() if name.startswith(NEW)}

        assert {"relayd_consumer_up": 1} == found()
        source.be(stalled=True, delivered_at=5.0, delivered_over={"celeryev": 4.0}, canary_at=7.0)
        assert {
            "relayd_consumer_up": 0,
            "relayd_stream_last_delivery_timestamp_seconds": 5,
            'relayd_exchange_last_delivery_timestamp_seconds{exchange="celeryev"}': 4,
            "relayd_canary_last_success_timestamp_seconds": 7,
        } == found()
        source.be(stalled=False, connected=False)
        assert 0 == found()["relayd_consumer_up"]
