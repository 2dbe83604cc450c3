"""What was removed for good is nowhere: in no file, in no answer, and nothing brings it back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from relayd.protocol.cursor import decode
from tests.cli.commanding import Said, relayd
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.settled import Event
from tests.harness.traces import END, TRANSPORTS, files_with, history, told
from tests.harness.viewer import Viewer, log, watch

BIRD = "kanarienvogel-4711"
"""Stands in what is removed, and nowhere else."""

P, OTHER = "shop-1", "shop-2"


def swarm(project: str, text: str) -> list[Event]:
    """Return events of all kinds; each says the text in each of its fields."""
    said = {"project_id": project, "timestamp": 1.0}
    return [
        {**said, "type": "project_started", "owner": "ada", "name": text, "description": text, "project_type": text},
        {**said, "type": "agent_status_update", "agent": "coder", "status": "working", "progress": 1, "task": text},
        {**said, "type": "workflow_stage_update", "stage": text, "message": text},
        {**said, "type": "project_progress", "progress": 40, "message": text, "stage": text},
        log(project, text, level="warning", fields={"note": text}),
        {**said, "type": "project_error", "error": text, "code": text, "fatal": False},
        {**said, "type": "project_completed", "message": text, "url": f"https://{text}.example"},
    ]


@pytest.fixture(params=["embedded", "rabbitmq"])
async def relay(request: pytest.FixtureRequest, amqp: str) -> AsyncIterator[PrivateRelay]:
    """A relay whose journal is the log, and one whose log is a stream."""
    async with PrivateRelay(rabbitmq=amqp if request.param == "rabbitmq" else None) as relay:
        yield relay


async def purge(relay: PrivateRelay, *what: str, capfd: pytest.CaptureFixture[str]) -> Said:
    """Remove something by the command line."""
    return await relayd("purge", *what, "--admin", relay.admin_url, capsys=capfd)


async def cursors(viewer: Viewer, count: int) -> list[str]:
    """Return the cursors of the next events."""
    found: list[str] = []
    while len(found) < count:
        message = await viewer.message()
        if "id" in message:
            found.append(message["id"])
    return found


async def test_a_project_is_nowhere_any_more(relay: PrivateRelay, capfd: pytest.CaptureFixture[str]) -> None:
    """Not in a file, not in an answer; who owns it stays, and what comes after it is a new beginning."""
    async with watch(relay, P) as viewer, watch(relay, OTHER) as other:
        await relay.publish(swarm(P, BIRD))
        await relay.publish(swarm(OTHER, "sparrow"))
        (first, *_) = await cursors(viewer, 7)
        assert 7 == len(await cursors(other, 7))
        await until(lambda: bool(files_with(relay.folder, BIRD)))

        said = await purge(relay, P, capfd=capfd)
        assert (0, "removed 7 events\n") == (said.status, said.out)
        assert ("until its retention drops it" in said.err) == (relay.rabbitmq is not None)
        assert [] == files_with(relay.folder, BIRD)
        # Who is watching is shown the state that is left.
        anew = await viewer.hears("connection_established")
        assert ("gap", "ada", {}) == (anew["replay"], anew["snapshot"]["owner"], anew["snapshot"].get("counts", {}))

        answers = await told(relay, P)
        assert [] == [name for name, text in answers.items() if BIRD in text]
        assert [END] == await viewer.lines(1)
        assert 7 == relay.metric("relayd_purged_events_total")
        # Who was there before comes back whole.
        for transport in TRANSPORTS:
            assert [("connection_established", "resume"), ("workflow_log", None)] == [
                (one["type"], one.get("replay")) for one in await history(relay, P, first, transport=transport)
            ]
    (line,) = [line for line in relay.lines if line["event"] == "events_purged"]
    assert ([P], True, 7) == (line["projects"], line["whole"], line["events"])

    await relay.restart_async()
    assert [] == files_with(relay.folder, BIRD)
    answers = await told(relay, P)
    assert [] == [name for name, text in answers.items() if BIRD in text]
    assert "sparrow" in (await told(relay, OTHER))["websocket 0"]


@pytest.mark.parametrize("kind", range(7))
async def test_one_event_is_nowhere_any_more(relay: PrivateRelay, kind: int, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever kind of event it is: the others stay, before it and behind it, and no cursor is lost."""
    birds, sparrows = swarm(P, BIRD), swarm(P, "sparrow")
    events = [*sparrows[:kind], birds[kind], *sparrows[kind + 1 :]]
    async with watch(relay, P) as viewer:
        for event in events:
            await relay.publish(event)
        ids = await cursors(viewer, 7)
    await until(lambda: bool(files_with(relay.folder, BIRD)))

    said = await purge(relay, "--event", ids[kind], capfd=capfd)
    assert (0, "removed 1 event\n") == (said.status, said.out)
    assert [] == files_with(relay.folder, BIRD)
    answers = await told(relay, P)
    assert [] == [name for name, text in answers.items() if BIRD in text]
    left = [*ids[:kind], *ids[kind + 1 :]]
    await relay.restart_async()
    for after in range(7):
        heard = await history(relay, P, ids[after])
        assert "resume" == heard[0]["replay"]
        assert [one for one in left if one in ids[after + 1 :]] == [one["id"] for one in heard[1:-1]]
    # Once more is no mistake.
    assert 0 == (await purge(relay, "--event", ids[kind], capfd=capfd)).status


async def test_what_is_not_there_is_told(relay: PrivateRelay, capfd: pytest.CaptureFixture[str]) -> None:
    """A project that nobody knows, a cursor of nothing, of another log, and no cursor at all."""
    await relay.publish(log(P, "sparrow"))
    async with watch(relay, P, after="0") as viewer:
        (cursor,) = await cursors(viewer, 1)
    nothing = cursor[:12] + ("A" if cursor[12] != "A" else "B") + cursor[13:]
    for what, sentence in (
        (["nobody"], "there is no project 'nobody'"),
        (["--event", nothing], "there is no event at this cursor"),
        (["--event", "nonsense"], "a cursor has 32 characters"),
    ):
        said = await purge(relay, *what, capfd=capfd)
        assert 65 == said.status
        assert sentence in said.err
    assert 64 == (await purge(relay, capfd=capfd)).status
    assert ["sparrow", END] == [one["message"] for one in await ended(relay)]


async def ended(relay: PrivateRelay) -> Sequence[Event]:
    """Return the whole history of the project, with a last line."""
    await relay.publish(log(P, END))
    return (await history(relay, P))[1:]


async def test_a_rejected_event_is_nowhere_any_more(relay: PrivateRelay, capfd: pytest.CaptureFixture[str]) -> None:
    """With its project, if it names it, and by its cursor."""
    for text in ("first", "second"):
        bad = {"type": "no such type", "project_id": P, "message": f"{BIRD} {text}"}
        try:
            await relay.publish([bad, log(P, "sparrow")])
        except RuntimeError:
            pytest.fail("one of the two events is understood")
    await until(lambda: relay.metric("relayd_journal_events_total") >= 2)
    rows = await relayd("rejected", "list", "--admin", relay.admin_url, capsys=capfd)
    assert 2 == len(rows.out.splitlines())
    assert [] != files_with(relay.folder, BIRD)
    async with watch(relay, P, after="0") as viewer:
        ids = await cursors(viewer, 2)
    # The rejected one stands before the other in the same body, item 0.
    first = str(decode(ids[0])._replace(item=0))
    assert 0 == (await purge(relay, "--event", first, capfd=capfd)).status
    assert [] == files_with(relay.folder, f"{BIRD} first")
    assert [] != files_with(relay.folder, f"{BIRD} second")
    assert 0 == (await purge(relay, P, capfd=capfd)).status
    assert [] == files_with(relay.folder, BIRD)
    rows = await relayd("rejected", "list", "--admin", relay.admin_url, capsys=capfd)
    assert "" == rows.out


async def test_a_journal_that_is_read_anew_from_the_stream_does_not_bring_it_back(
    amqp: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The stream still has it; the relay remembers that it was removed, and who owns the project."""
    async with PrivateRelay(rabbitmq=amqp) as relay:
        await relay.publish(swarm(P, BIRD))
        await relay.publish(log(OTHER, "sparrow"))
        await relay.publish({"type": "no such type", "project_id": P, "message": BIRD})
        await relay.publish(log(OTHER, f"{BIRD} alone"))
        await relay.publish(log(OTHER, "finch"))
        async with watch(relay, OTHER, after="0") as viewer:
            _, alone, _ = await cursors(viewer, 3)
        assert 0 == (await purge(relay, P, capfd=capfd)).status
        assert 0 == (await purge(relay, "--event", alone, capfd=capfd)).status
        assert [] == files_with(relay.folder, BIRD)
        await relay.stop_async()
        for path in relay.folder.glob("relayd.db*"):
            if path.suffix != ".purged":
                path.unlink()
        await relay.start_async()
        heard = await history_of(relay, OTHER)
        assert ["sparrow", "finch", END] == [one["message"] for one in heard[1:]]
        assert [] == files_with(relay.folder, BIRD)
        answers = await told(relay, P)
        assert [] == [name for name, text in answers.items() if BIRD in text]
        async with watch(relay, P, token=relay.token("ada", projects=())) as viewer:
            assert "ada" == (await viewer.hears("connection_established"))["snapshot"]["owner"]


async def history_of(relay: PrivateRelay, project: str) -> list[Event]:
    """Return a project's history, with a last line."""
    await relay.publish(log(project, END))
    return await history(relay, project)


def spoil(path: Path) -> None:
    """Damage a journal so that nobody takes it for one."""
    path.write_bytes(b"no database here" + path.read_bytes()[16:])


async def test_a_damaged_journal_is_moved_aside_and_named(amqp: str, capfd: pytest.CaptureFixture[str]) -> None:
    """What it held is not looked into; the answer says which file that is, and the new one does not hold it."""
    async with PrivateRelay(rabbitmq=amqp) as relay:
        await relay.publish(swarm(P, BIRD))
        await until(lambda: relay.metric("relayd_journal_events_total") >= 7)
        await relay.stop_async()
        path = relay.folder / "relayd.db"
        spoil(path)
        await relay.start_async()
        said = await purge(relay, P, capfd=capfd)
        assert (0, "removed 7 events\n") == (said.status, said.out)
        aside = [name for name in files_with(relay.folder, BIRD) if "damaged" in name]
        assert 1 == len(aside) == len(files_with(relay.folder, BIRD))
        assert f"moved aside as damaged, and not looked into: {aside[0]}" in said.err
        # The same with one that was purged: read anew from the stream it does not hold it.
        await relay.stop_async()
        spoil(path)
        await relay.start_async()
        assert [END] == [one["message"] for one in (await history_of(relay, P))[1:]]
        assert aside == files_with(relay.folder, BIRD)


async def test_without_a_journal_it_is_gone_while_the_relay_runs(amqp: str, capfd: pytest.CaptureFixture[str]) -> None:
    """The answer says that it may come back."""
    async with PrivateRelay({"journal": {"path": ""}}, rabbitmq=amqp) as relay:
        await relay.publish(swarm(P, BIRD))
        async with watch(relay, P, after="0") as viewer:
            ids = await cursors(viewer, 7)
        said = await purge(relay, "--event", ids[4], capfd=capfd)
        assert (0, "removed 1 event\n") == (said.status, said.out)
        assert "the purge is forgotten when this relay stops" in said.err
        assert [*ids[:4], *ids[5:]] == [one["id"] for one in (await history_of(relay, P))[1:-1]]
        assert 0 == (await purge(relay, P, capfd=capfd)).status
        assert [END] == [one["message"] for one in (await history_of(relay, P))[1:]][-1:]


async def test_a_damaged_book_keeps_the_relay_from_starting(
    relay: PrivateRelay, capfd: pytest.CaptureFixture[str]
) -> None:
    """It must not show what it no longer knows to be removed: exit 78, and the mend is told."""
    await relay.publish(log(P, BIRD))
    await until(lambda: relay.metric("relayd_journal_events_total") >= 1)
    assert 0 == (await purge(relay, P, capfd=capfd)).status
    await relay.stop_async()
    book = relay.folder / "relayd.db.purged"
    assert 0o600 == book.stat().st_mode & 0o777
    whole = book.read_bytes()
    book.write_bytes(whole[:-1] + b"!")
    with pytest.raises(RuntimeError, match=r"relayd\.db\.purged: what was purged can't be read"):
        await relay.start_async()
    assert relay.process.child is not None
    assert 78 == relay.process.child.returncode
    book.write_bytes(whole)
    await relay.start_async()


@pytest.mark.parametrize("memory", ["held", "shelved"])
async def test_while_events_flow(relay: PrivateRelay, memory: str, capfd: pytest.CaptureFixture[str]) -> None:
    """500 a second: none is lost, nobody is told a gap but those who watch the project that is removed."""
    if memory == "shelved":
        relay.configure({"memory": {"projects": 1}})
        await relay.restart_async()
    await relay.publish(swarm(P, BIRD))
    await until(lambda: relay.metric("relayd_journal_events_total") >= 7)
    done = asyncio.Event()

    async def flow() -> int:
        number = 0
        while not done.is_set():
            await relay.publish([log(OTHER, f"{number + step}") for step in range(50)])
            number += 50
            await asyncio.sleep(0.1)
        return number

    async with watch(relay, OTHER) as viewer:
        flowing = asyncio.create_task(flow())
        assert ["0"] == await viewer.lines(1)
        said = await purge(relay, P, capfd=capfd)
        done.set()
        count = await flowing
        assert (0, "removed 7 events\n") == (said.status, said.out)
        assert [str(number) for number in range(1, count)] == await viewer.lines(count - 1)
        assert [] == [one for one in viewer.frames[1:] if one["type"] == "connection_established"]
    assert [] == files_with(relay.folder, BIRD)
    await relay.restart_async()
    heard = await history_of(relay, OTHER)
    assert [str(number) for number in range(count)] == [one["message"] for one in heard[1:-1]]
