"""The journal's disk is full, its file is damaged, somebody else has it: viewers get everything or are told a gap."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from random import Random

import aio_pika
import pytest

from relayd.rabbitmq.settings import RabbitSettings
from tests.faults.scene import through
from tests.faults.test_log import LINE, MEGABYTES, SHORT, Story
from tests.harness.audience import TRANSPORTS, Audience
from tests.harness.checker import Report
from tests.harness.daemon import PrivateRelay
from tests.harness.disk import SmallDisk
from tests.harness.follower import until
from tests.harness.load import Load, Publishing
from tests.harness.proxy import Proxy
from tests.harness.rabbitmq import PrivateRabbit
from tests.harness.settled import Tables
from tests.harness.viewer import log, watch

ATTACHED = "relayd_journal_attached"
ERRORS = "relayd_journal_errors_total"
REPLACED = "relayd_journal_replacements_total"

QUICK: Tables = {"journal": {"commit_ms": 50}}

RATE = 400
"""Events a second."""


@pytest.fixture
async def amqp(amqp_url: str) -> str:
    """Give the URL of a virtual host without a log: the relay makes it when it connects."""
    async with await aio_pika.connect(amqp_url) as connection:
        await (await connection.channel()).queue_delete(RabbitSettings().queue)
    return amqp_url


class Swarm:
    """A swarm that speaks, viewers of every kind who watch it to its end, and one cursor from the beginning."""

    def __init__(self, relay: PrivateRelay, load: Load, audience: Audience, publishing: Publishing) -> None:
        self.relay = relay
        self.load = load
        self.audience = audience
        self.publishing = publishing

    async def goes_on(self, events: int) -> None:
        """Return when so many more were published, and seen by all who watch them."""
        more = self.publishing.confirmed + events
        await self.publishing.until_confirmed(more)

    async def ends(self) -> None:
        """Return when everything was published and every viewer has seen its last event."""
        await self.publishing.end()
        await self.audience.until_done(seconds=90)

    def reports(self) -> dict[str, Report]:
        """Return what the checker says of each viewer."""
        return Audience.reports(lambda _, project_id: self.load.keys(project_id), self.audience.onlookers)

    def verdicts(self) -> set[str]:
        """Return the verdicts; a failing test tells whose is not whole."""
        reports = self.reports()
        print({name: str(report) for name, report in reports.items() if report.verdict != "whole"})  # noqa: T201
        return {report.verdict for report in reports.values()}

    async def resumes(self, cursor: str) -> bool:
        """Come back from before everything; tell whether it was whole, and fail where a part is called so."""
        project_id = self.load.projects[0]
        async with watch(self.relay, project_id, after=cursor, tail=0) as viewer:
            opening = await viewer.frame()
            if not opening["recovered"]:
                assert "gap" == opening["replay"]
                return False
            wanted = self.load.told[project_id]
            heard = [await viewer.message() for _ in wanted]
            assert [event["key"] for event in wanted] == [message["key"] for message in heard]
            return True


@asynccontextmanager
async def swarm(
    relay: PrivateRelay, amqp: str, folder: Path, *, events: int, seed: int = 0, rate: int = RATE
) -> AsyncIterator[Swarm]:
    """Let a swarm speak to viewers who are there from the beginning."""
    load = Load(events, projects=6, seed=seed)
    async with Audience(relay, seed=seed) as audience:
        for number, transport in enumerate(TRANSPORTS):
            audience.admit(transport, [transport], load.last([load.projects[number]]))
        audience.admit("many", ["many"], load.last(load.projects))
        audience.admit("restless", TRANSPORTS, load.last(load.projects[:1]), restless=True)
        await audience.until_present()
        with load.publishing(amqp, folder, rate=rate, batch=5) as publishing:
            yield Swarm(relay, load, audience, publishing)


def told(relay: PrivateRelay, event: str) -> list[str]:
    """Return the reasons of all log lines of that name."""
    return [line.get("reason", "") for line in relay.lines if line["event"] == event]


async def is_attached(relay: PrivateRelay, *, seconds: float = 90) -> None:
    """Return when the journal is written and read again, and the relay is ready."""
    await until(lambda: relay.metric(ATTACHED) == 1 and relay.readiness("journal") == (200, ""), seconds=seconds)


async def cursor_now(relay: PrivateRelay, project_id: str) -> str:
    """Return a cursor from now."""
    async with watch(relay, project_id) as viewer:
        return str((await viewer.frame())["cursor"])


# -- the disk is full -------------------------------------------------------------------------------------------------


async def test_a_disk_that_is_full_for_a_while(amqp: str, tmp_path: Path, seed: int) -> None:
    """Nobody notices but the operator, who is told once; with room it heals by itself, and has missed nothing."""
    with SmallDisk(tmp_path, kib=16_384) as disk:
        async with PrivateRelay(QUICK, rabbitmq=amqp, disk=disk) as relay:
            assert 1 == relay.metric(ATTACHED)
            before = await cursor_now(relay, "load-1")
            async with swarm(relay, amqp, tmp_path, events=8_000, seed=seed) as crowd:
                await crowd.goes_on(500)
                disk.fill()
                await until(lambda: relay.metric(ATTACHED) == 0)
                status, sentence = relay.readiness("journal")
                assert 503 == status
                assert "detached, live service goes on from memory" in sentence
                assert "the disk is full: free space there" in sentence
                await crowd.goes_on(1_000)
                assert 0 == relay.metric(ATTACHED)
                disk.free()
                await is_attached(relay)
                await crowd.ends()
                assert {"whole"} == crowd.verdicts()
                assert await crowd.resumes(before)
                assert relay.metric(ERRORS) >= 1
                assert len(told(relay, "journal_failed")) == len(set(told(relay, "journal_failed"))) <= 2
                assert 1 == len(told(relay, "journal_attached"))
                await relay.restart_async()
                assert await crowd.resumes(before)
                relay.kill()
                await relay.start_async()
                assert await crowd.resumes(before)


@pytest.mark.parametrize("how", ["kill", pytest.param("stop", marks=pytest.mark.long)])
async def test_a_relay_that_ends_while_the_disk_is_full(amqp: str, tmp_path: Path, seed: int, how: str) -> None:
    """It goes on from where the journal ended, on the full disk, and reads the rest again: nothing is lost."""
    with SmallDisk(tmp_path, kib=16_384) as disk:
        async with PrivateRelay(QUICK, rabbitmq=amqp, disk=disk) as relay:
            before = await cursor_now(relay, "load-1")
            async with swarm(relay, amqp, tmp_path, events=6_000, seed=seed) as crowd:
                await crowd.goes_on(500)
                disk.fill()
                await until(lambda: relay.metric(ATTACHED) == 0)
                await crowd.goes_on(500)
                if how == "kill":
                    relay.kill()
                else:
                    assert 0 == await relay.stop_async()
                    disk.fill()
                await relay.start_async(ready=False)
                await until(lambda: relay.metric(ATTACHED) == 0)
                await crowd.goes_on(500)
                disk.free()
                await is_attached(relay)
                await crowd.ends()
                assert {"whole"} == crowd.verdicts()
                assert await crowd.resumes(before)
                await relay.restart_async()
                assert await crowd.resumes(before)
                assert 0 == relay.metric(REPLACED)


@pytest.mark.long
async def test_what_memory_can_not_hold_meanwhile_is_a_gap(amqp: str, tmp_path: Path, seed: int) -> None:
    """Who was there has seen it; who comes back from before is told, then and after a restart."""
    small: Tables = {"journal": {"commit_ms": 50}, "memory": {"timeline_events": 50}}
    with SmallDisk(tmp_path, kib=16_384) as disk:
        async with PrivateRelay(small, rabbitmq=amqp, disk=disk) as relay:
            before = await cursor_now(relay, "load-1")
            async with swarm(relay, amqp, tmp_path, events=6_000, seed=seed) as crowd:
                await crowd.goes_on(500)
                disk.fill()
                await until(lambda: relay.metric(ATTACHED) == 0)
                await crowd.goes_on(1_500)
                disk.free()
                await is_attached(relay)
                await crowd.ends()
                assert crowd.verdicts() <= {"whole", "declared"}
                for _ in range(2):
                    assert not await crowd.resumes(before)
                    await relay.restart_async()


async def test_a_disk_that_is_full_from_the_beginning(amqp: str, tmp_path: Path) -> None:
    """The relay begins without its file, and joins it when it can be made."""
    with SmallDisk(tmp_path, kib=4_096) as disk:
        disk.fill()
        relay = PrivateRelay(QUICK, rabbitmq=amqp, disk=disk)
        async with relay.answering():
            await until(lambda: relay.readiness("source") == (503, ""))
            assert "the disk is full" in relay.readiness("journal")[1]
            async with watch(relay, "p") as viewer:
                await relay.publish(log("p", "one"))
                assert ["one"] == await viewer.lines(1)
                disk.free()
                await is_attached(relay)
                await relay.publish(log("p", "two"))
                assert ["two"] == await viewer.lines(1)
            relay.kill()
            await relay.start_async()
            async with watch(relay, "p", after="0") as viewer:
                assert (await viewer.frame())["recovered"]
                assert ["one", "two"] == await viewer.lines(2)


# -- the disk hangs ---------------------------------------------------------------------------------------------------


async def test_a_file_that_somebody_holds_is_attached_again(amqp: str) -> None:
    """A backup that forgot to end its transaction: given up after the patience, written when it is free."""
    async with PrivateRelay({"journal": {"patience_seconds": 0.2, "commit_ms": 50}}, rabbitmq=amqp) as relay:
        path = relay.folder / "relayd.db"
        async with watch(relay, "p") as viewer:
            with closing(sqlite3.connect(path, isolation_level=None)) as holder:
                holder.execute("BEGIN IMMEDIATE")
                await relay.publish(log("p", "one"))
                await until(lambda: relay.metric(ATTACHED) == 0)
                await relay.publish(log("p", "two"))
                assert ["one", "two"] == await viewer.lines(2)
                assert "not written within 0.2 s" in relay.readiness("journal")[1]
            await is_attached(relay)
        relay.kill()
        await relay.start_async()
        async with watch(relay, "p", after="0") as viewer:
            assert (await viewer.frame())["recovered"]
            assert ["one", "two"] == await viewer.lines(2)


# -- the file is damaged ----------------------------------------------------------------------------------------------


def moved_in(path: Path) -> None:
    """Let the file hold what stands in its write-ahead log, which would hide what happens to the file."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def flipped(path: Path, random: Random) -> None:
    """Flip a bit here and there."""
    content = bytearray(path.read_bytes())
    for _ in range(60):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def shortened(path: Path, random: Random) -> None:
    """Let it end somewhere."""
    path.write_bytes(path.read_bytes()[: random.randrange(1, path.stat().st_size)])


def overwritten(path: Path, _: Random) -> None:
    """Make it a text."""
    path.write_text("no database\n" * 1_000)


def log_damaged(path: Path, random: Random) -> None:
    """Flip bits of the write-ahead log alone."""
    flipped(path.with_name(f"{path.name}-wal"), random)


LATER = pytest.mark.long


@pytest.mark.parametrize(
    "damage",
    [flipped, *[pytest.param(damage, marks=LATER) for damage in (shortened, overwritten, log_damaged)]],
)
async def test_a_file_that_is_damaged_under_load(
    amqp: str, tmp_path: Path, seed: int, damage: Callable[[Path, Random], None]
) -> None:
    """Killed, damaged, started: it serves; what can't be trusted is moved aside and told, and the stream fills in."""
    async with PrivateRelay(QUICK, rabbitmq=amqp) as relay:
        path = relay.folder / "relayd.db"
        before = await cursor_now(relay, "load-1")
        async with swarm(relay, amqp, tmp_path, events=6_000, seed=seed) as crowd:
            await crowd.goes_on(1_500)
            relay.kill()
            if damage is not log_damaged:
                moved_in(path)
            damage(path, Random(seed))
            await relay.start_async(ready=False)
            await is_attached(relay)
            await crowd.ends()
            assert crowd.verdicts() <= {"whole", "declared"}
            whole = await crowd.resumes(before)
            if damage is log_damaged:
                # It ends at the damage: an older state, whole, from which the stream is read again.
                assert (0, [], True) == (relay.metric(REPLACED), aside(relay.folder), whole)
                return
            await until(lambda: relay.metric(REPLACED) >= 1)
            await is_attached(relay)
            assert aside(relay.folder)
            assert told(relay, "journal_replaced")
            assert told(relay, "journal_failed")
            await relay.restart_async()
            assert await crowd.resumes(before) or not whole


async def test_damage_that_the_check_finds_later(amqp: str) -> None:
    """An index that has lost a row is seen by nobody who reads: the file is looked through behind the start."""
    async with PrivateRelay(QUICK, rabbitmq=amqp) as relay:
        for number in range(20):
            await relay.publish(log("p", str(number)))
        await until(lambda: relay.metric("relayd_journal_events_total") == 20)
        relay.kill()
        torn(relay.folder / "relayd.db")
        await relay.start_async(ready=False)
        await until(lambda: relay.metric(REPLACED) == 1)
        await is_attached(relay)
        assert 1 == len(aside(relay.folder))
        await relay.publish(log("p", "after"))
        async with watch(relay, "p", after="0") as viewer:
            opening = await viewer.frame()
            texts = await viewer.lines(1)
            while texts[-1] != "after":
                texts += await viewer.lines(1)
        if opening["recovered"]:
            assert [*map(str, range(20)), "after"] == texts
        else:
            assert "gap" == opening["replay"]


def torn(path: Path) -> None:
    """Take a row out of a table and leave it in the index."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (sql,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'chunks_by_place'").fetchone()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'chunks_by_place'", (f"{sql} WHERE seq > 1000000",))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM chunks WHERE seq = (SELECT min(seq) FROM chunks)")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = 'chunks_by_place'", (sql,))


def aside(folder: Path) -> list[str]:
    """Return the names of the files that were moved aside."""
    return [path.name for path in folder.iterdir() if re.fullmatch(r"relayd\.db\.damaged-\w+(\.\d+)?", path.name)]


async def test_a_damaged_log_that_is_the_journal_is_nobodys_to_move(tmp_path: Path) -> None:
    """Found at the start it is 78 at once; found by the check the relay ends in order, with 78, too."""
    relay = PrivateRelay(folder=tmp_path)
    try:
        await relay.start_async()
        for number in range(20):
            await relay.publish(log("p", str(number)))
        relay.kill()
        path = tmp_path / "relayd.db"
        torn(path)
        relay.process.start()
        assert 78 == await asyncio.to_thread(relay.process.wait)
        assert "the journal is damaged" in relay.process.output
        assert "move the file away and let a new one be made" in relay.process.output
        overwritten(path, Random(0))
        relay.process.start()
        assert 78 == await asyncio.to_thread(relay.process.wait)
        assert "is no database" in relay.process.output
        assert [] == aside(tmp_path)
    finally:
        relay.close()


# -- the file is not ours ---------------------------------------------------------------------------------------------


async def test_mistakes_end_the_start(amqp: str, tmp_path: Path) -> None:
    """Two relays with one journal, another log's, one that is too new: 78 and a sentence, and nothing is moved."""
    async with PrivateRelay(rabbitmq=amqp) as relay:
        path = relay.folder / "relayd.db"

        def refused(what: str, *, rabbitmq: str | None) -> str:
            (tmp_path / what).mkdir()
            other = PrivateRelay({"journal": {"path": path}}, rabbitmq=rabbitmq, folder=tmp_path / what)
            other.process.start()
            assert 78 == other.process.wait()
            return other.process.output

        assert "is in use by process" in await asyncio.to_thread(refused, "second", rabbitmq=amqp)
        await relay.publish(log("p", "still here"))
        assert 0 == await relay.stop_async()
        assert "belongs to the log" in await asyncio.to_thread(refused, "embedded", rabbitmq=None)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA user_version = 99")
        assert "run the newer relayd" in await asyncio.to_thread(refused, "newer", rabbitmq=amqp)
        assert [] == aside(relay.folder)


# -- there is no file -------------------------------------------------------------------------------------------------


async def test_a_fresh_relay_is_ready_when_it_has_caught_up(rabbitmq: PrivateRabbit, amqp: str) -> None:
    """Its floor says where its past begins, from the first viewer on."""
    tables: Tables = {**SHORT, "sources.rabbitmq": {**SHORT["sources.rabbitmq"], "prefetch": 20, "ack_every": 5}}
    async with PrivateRelay(SHORT, rabbitmq=amqp) as other, Audience(other) as audience:
        story = Story(amqp, audience, end=MEGABYTES)
        await story.goes_on(MEGABYTES, text=LINE)
    async with Proxy(rabbitmq.port) as wire:
        relay = PrivateRelay(tables, rabbitmq=through(amqp, wire))
        async with relay.answering():
            await until(lambda: relay.metric("relayd_stream_consumed_offset") > 0)
            with wire.holding("answered"):
                reached = relay.metric("relayd_stream_consumed_offset")
                assert reached < MEGABYTES - 1
                status, sentence = relay.readiness()
                assert 503 == status
                assert "catching up" in sentence or "at offset" in sentence
                async with watch(relay, "p", after="0") as viewer:
                    assert "gap" == (await viewer.frame())["replay"]
            await until(lambda: relay.readiness() == (200, ""))
            assert relay.metric("relayd_stream_head_offset") == relay.metric("relayd_stream_consumed_offset") > reached
            async with watch(relay, "p", after="0") as viewer:
                assert "gap" == (await viewer.frame())["replay"]
