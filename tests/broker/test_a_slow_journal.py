"""A journal that takes its time holds back the broker, not the viewers; one that hangs is given up, and it says why."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
import msgspec

from relayd.core.access import Viewer
from relayd.core.liveness import Thresholds
from relayd.core.log import Log
from relayd.core.redaction import Redactor
from relayd.dialects.native import NativeDialect
from relayd.identity.tickets import TicketSealer
from relayd.presence.memory import MemoryPresence
from relayd.presence.once import MemoryOneUse
from relayd.rabbitmq.consume import RabbitSource
from relayd.rabbitmq.settings import RabbitSettings
from relayd.relay.admission import Admission, Handshake
from relayd.relay.copies import Copies
from relayd.relay.engine import Engine
from relayd.relay.fanout import Fanout
from relayd.relay.freshness import Freshness
from relayd.relay.intake import SLICE_BODIES, Intake
from relayd.relay.keeper import BACKLOG, Keeper
from relayd.relay.limits import Limits
from relayd.relay.mender import Mender
from relayd.relay.past import Past
from relayd.relay.session import Session
from relayd.relay.subscription import WatchedLog
from relayd.relay.tickets import Tickets
from relayd.relay.trouble import Trouble
from relayd.relay.turnstile import Turnstile
from relayd.relay.vigil import Vigil
from relayd.testing.journal import FakeJournal
from relayd.testing.viewers import FakeAuthorizer, FakeVerifier, FakeWire
from relayd.testing.world import RecordingObserver
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import WallClock, until
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.stream import QUICK, Stream

PREFETCH = 173
"""No other consumer of the run's broker has this one."""

EVENTS = 3_000
COMMIT_BYTES = 10_000


def event(number: int) -> bytes:
    """Return a log line of the project p."""
    # The number comes first: the harness makes an id of how a body begins.
    said = {"message": f"{number}", "type": "workflow_log", "project_id": "p", "timestamp": 1, "level": "info"}
    return json.dumps({**said, "source": "x" * 300}).encode()


class Reading:
    """A relay that reads a real stream into a journal in the test's hands, with one viewer."""

    def __init__(self, settings: RabbitSettings) -> None:
        clock, limits = WallClock(), Limits(commit_bytes=COMMIT_BYTES, commit_seconds=0.05)
        source = RabbitSource(settings, clock)
        self.observer = RecordingObserver()
        source.report_to(self.observer)
        self.journal = FakeJournal()
        self.log: WatchedLog = Log(source.log)
        self.trouble = Trouble(self.observer, clock)
        past = Past(
            self.log,
            self.journal,
            trouble=self.trouble,
            observer=self.observer,
            newest=limits.timeline_events,
            patience=limits.journal_patience_seconds,
        )
        verifier = FakeVerifier()
        verifier.tokens["ada"] = Viewer(user="ada", expires_at=clock.now() + 3_600)
        self.engine = Engine(
            log=self.log,
            past=past,
            fanout=Fanout(self.log, observer=self.observer, clock=clock, limits=limits),
            source=source,
            presence=MemoryPresence(1),
            verifier=verifier,
            authorizers=[FakeAuthorizer()],
            observer=self.observer,
            clock=clock,
            limits=limits,
            turnstile=Turnstile(),
            copies=Copies(),
            freshness=(freshness := Freshness(source, self.log, clock)),
            vigil=Vigil(self.log, freshness, clock, Thresholds()),
        )
        told: Any = {"replays": True, "trouble": self.trouble, "observer": self.observer, "clock": clock}
        self.keeper = Keeper(past, limits=limits, **told)
        self.mender = Mender(source.log, past, self.keeper, **told)
        self.intake = Intake(self.engine, NativeDialect(), self.keeper, Redactor())
        self.wire = FakeWire()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read, write and serve until the block ends."""
        await self.mender.begin()
        admission = Admission(self.engine, Tickets(TicketSealer(b"k" * 32), MemoryOneUse(), self.engine.clock))
        asked = Handshake(transport="fake", project_id="p", token="ada", tail=0)  # a fake's
        session = Session(self.engine, await admission.admit(asked), self.wire, many=False)
        session.subscribe(await admission.open("p"), asked.selection, after=None, tail=0, verdict=None)
        tasks = [asyncio.create_task(self.intake.run(None)), asyncio.create_task(self.keeper.write())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    @property
    def taken(self) -> int:
        """How many events were taken in."""
        return 0 if self.log.head is None else self.log.head.offset + 1

    def seen(self) -> list[str]:
        """Return what the viewer was shown, in order."""
        frames = [msgspec.json.decode(payload) for payload in self.wire.sent]
        messages = [message for frame in frames for message in frame.get("messages", [frame])]
        return [message["message"] for message in messages if message["type"] == "workflow_log"]


async def unacknowledged(rabbit: PrivateRabbit) -> int:
    """Return what the broker says of the relay's channel."""
    told = await rabbit.ctl_async("list_channels", "prefetch_count", "messages_unacknowledged")
    counts = dict(line.split() for line in told.splitlines())
    return int(counts.get(str(PREFETCH), -1))


async def test_the_broker_stops_at_the_prefetch(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """What was taken in is shown, memory stops growing, and all of it goes on when the journal is back."""
    # Far longer than this the broker sends nothing, and rightly: no watchdog may take that for a stall.
    impatient = {"stalled_seconds": 0.2, "head_seconds": 0.1}
    settings = RabbitSettings.model_validate({"url": amqp, **QUICK, **impatient, "prefetch": PREFETCH, "ack_every": 50})
    reading = Reading(settings)
    reading.journal.gate = gate = asyncio.Event()
    async with Stream(settings) as stream:
        await stream.declare()
        async with reading.running():
            await stream.say([event(number) for number in range(EVENTS)])
            async with asyncio.timeout(60):
                while await unacknowledged(rabbitmq) != PREFETCH:  # noqa: ASYNC110  # nobody tells
                    await asyncio.sleep(0.1)
            taken, nbytes = reading.taken, reading.log.nbytes
            most = 2 * (BACKLOG * COMMIT_BYTES + SLICE_BODIES * 600)
            assert 0 < taken < EVENTS - PREFETCH
            assert nbytes < most
            await until(lambda: len(reading.seen()) == taken)
            assert PREFETCH == await unacknowledged(rabbitmq)
            assert (taken, nbytes) == (reading.taken, reading.log.nbytes)
            gate.set()
            await until(lambda: len(reading.seen()) == EVENTS)
            assert [str(number) for number in range(EVENTS)] == reading.seen()
            await until(lambda: sum(len(commit.bodies) for commit in reading.journal.commits) == EVENTS)
            async with asyncio.timeout(60):
                while await unacknowledged(rabbitmq) != 0:  # noqa: ASYNC110  # as above
                    await asyncio.sleep(0.1)
    assert "" == reading.trouble.sentence
    assert ([], []) == (reading.observer.of("journal_failed"), reading.observer.of("detached"))


async def test_a_journal_that_hangs_is_given_up_and_says_why(amqp: str) -> None:
    """Another program holds the file; `/readyz` and a counter tell, and events go on from memory."""
    async with PrivateRelay({"journal": {"patience_seconds": 0.2}}, rabbitmq=amqp) as relay:
        settings = RabbitSettings.model_validate({"url": amqp})
        assert (200, 0) == (relay.probe("/readyz"), relay.metric("relayd_journal_errors_total"))
        (path,) = relay.folder.glob("**/*.db")
        async with Stream(settings) as stream:
            with closing(sqlite3.connect(path, isolation_level=None)) as holder:
                holder.execute("BEGIN IMMEDIATE")
                await stream.say([event(0)])
                await until(lambda: relay.probe("/readyz") == 503)
                async with aiohttp.ClientSession() as http, http.get(f"{relay.admin_url}/readyz") as answer:
                    assert "a transaction was not written within 0.2 s" in await answer.text()
                assert 1 <= relay.metric("relayd_journal_errors_total")
            await stream.say([event(1)])
            await until(lambda: relay.metric('relayd_broker_messages_total{type="workflow_log"}') == 2)
