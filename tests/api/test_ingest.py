import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from relayd.api.ingest import MAX_BODY
from tests.harness.inside import InsideRelay, inside
from tests.harness.raw import raw
from tests.harness.viewer import log, watch

ONE = json.dumps(log("p", "one")).encode()
BAD = b'{"type":"workflow_log","project_id":"p"}'


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [(None, 401, "AUTH_FAILED"), ("viewer", 403, "FORBIDDEN"), ("worker", 200, None)],
)
async def test_only_workers_publish(relay: InsideRelay, who: str | None, status: int, code: str | None) -> None:
    """A viewer that could would write itself into any project."""
    headers = relay.bearer(worker=who == "worker") if who else {}
    async with relay.http.post(relay.ingest, data=ONE, headers=headers) as answer:
        assert (status, code) == (answer.status, (await answer.json()).get("code"))
    assert (1 if who == "worker" else 0) == len(relay.rooms.engine.log.projects)


@pytest.mark.parametrize(
    "body",
    [ONE, b"[" + ONE + b"]", ONE + b"\n", b"  " + ONE],
    ids=["object", "array", "ndjson", "blank"],
)
async def test_one_event_comes_in_any_shape(relay: InsideRelay, body: bytes) -> None:
    """What RabbitMQ carries may be posted as it is."""
    status, answer = await relay.post(body)
    assert (200, 1, 0, []) == (status, answer["accepted"], answer["repeated"], answer["rejected"])
    assert 32 == len(answer["cursor"])


@pytest.mark.parametrize("separator", [(b"[", b",", b"]"), (b"", b"\n", b"")], ids=["array", "ndjson"])
async def test_many_events_stay_in_order(relay: InsideRelay, separator: tuple[bytes, bytes, bytes]) -> None:
    """One body, one cursor behind the last of them, from which a viewer resumes."""
    begin, between, end = separator
    wanted = [str(number) for number in range(50)]
    body = begin + between.join(json.dumps(log("p", text)).encode() for text in wanted) + end
    status, answer = await relay.post(body)
    assert (200, 50) == (status, answer["accepted"])
    async with watch(relay, "p", after="0") as viewer:
        assert wanted == await viewer.lines(50)
    async with watch(relay, "p", after=answer["cursor"]) as viewer:
        assert (await viewer.frame())["recovered"]


async def test_a_repeat_is_recognised_by_its_message_id(relay: InsideRelay) -> None:
    """A worker that got no answer sends it again; whoever watches sees it once."""
    assert (1, 0) == ((first := await relay.publish(log("p", "one"), message_id="m-1"))["accepted"], first["repeated"])
    again = await relay.publish(log("p", "one"), message_id="m-1")
    assert (0, 1) == (again["accepted"], again["repeated"])
    await relay.publish(log("p", "two"), message_id="m-2")
    async with watch(relay, "p", after="0") as viewer:
        assert ["one", "two"] == await viewer.lines(2)


async def test_repeats_are_recognised_across_a_restart(tmp_path: Path) -> None:
    """The journal remembers the ids."""
    for accepted in (1, 0):
        async with inside(tmp_path) as relay:
            assert accepted == (await relay.publish(log("p", "one"), message_id="m-1"))["accepted"]


async def test_a_body_that_is_good_in_part_is_taken_in_part(relay: InsideRelay) -> None:
    """200, and a sentence for each event that was not."""
    status, answer = await relay.post(b"[" + BAD + b"," + ONE + b"]")
    assert (200, 1) == (status, answer["accepted"])
    (rejected,) = answer["rejected"]
    assert {"reason", "detail"} == rejected.keys()
    assert rejected["reason"]
    assert "code" not in answer


@pytest.mark.parametrize("body", [b"", b"no json", BAD, b"\xff\xfe", b"[" * 100_000, b'{"a":1}'], ids=range(6))
async def test_a_body_of_nothing_good_is_refused(relay: InsideRelay, body: bytes) -> None:
    """422 with the first sentence where every refusal has one; the next body is taken."""
    status, answer = await relay.post(body)
    assert (422, "BAD_REQUEST", 0) == (status, answer["code"], answer["accepted"])
    assert answer["detail"] == answer["rejected"][0]["detail"]
    assert 200 == (await relay.post(ONE))[0]


async def test_a_worker_speaks_for_its_projects_only(relay: InsideRelay) -> None:
    """A token that names projects grants those; the others' events are rejected one by one."""
    body = json.dumps([log("mine", "one"), log("hers", "two")]).encode()
    status, answer = await relay.post(body, projects=["mine"])
    assert (200, 1, "forbidden_project") == (status, answer["accepted"], answer["rejected"][0]["reason"])
    assert "'hers'" in answer["rejected"][0]["detail"]
    status, answer = await relay.post(json.dumps(log("hers", "two")).encode(), projects=["mine"])
    assert (422, "forbidden_project") == (status, answer["rejected"][0]["reason"])
    assert "hers" not in relay.rooms.engine.log.projects


@pytest.mark.parametrize("declared", [True, False], ids=["said", "chunked"])
async def test_a_body_that_is_too_large_is_refused(relay: InsideRelay, declared: bool) -> None:
    """413 and the mend, whether its length was said or not."""
    headers = "\r\n".join(f"{name}: {value}" for name, value in relay.bearer("worker", worker=True).items())
    length = f"Content-Length: {MAX_BODY + 1}" if declared else "Transfer-Encoding: chunked"
    async with raw(relay) as socket:
        socket.send(f"POST /v1/internal/events HTTP/1.1\r\nHost: relay\r\n{headers}\r\n{length}\r\n\r\n".encode())
        block = b"x" * 65_536
        for _ in range(MAX_BODY // len(block) + 1):
            socket.send(block if declared else b"%x\r\n%b\r\n" % (len(block), block))
        head = await socket.until(b"\r\n\r\n")
        assert head.startswith("HTTP/1.1 413 "), head
        assert '"code":"BAD_REQUEST"' in await socket.until(b"}")
    assert 200 == (await relay.post(ONE))[0]


async def test_a_long_message_id_is_named(relay: InsideRelay) -> None:
    """It would be kept with every event."""
    status, answer = await relay.post(ONE, message_id="m" * 257)
    assert (400, "Message-Id: at most 256 characters") == (status, answer["detail"])


async def test_a_journal_that_can_t_be_written_refuses_workers(relay: InsideRelay, tmp_path: Path) -> None:
    """503 with a time to come again; nobody has seen the event, and it is taken once the journal is well."""
    with sqlite3.connect(tmp_path / "relayd.db") as db:
        db.execute("ALTER TABLE chunks RENAME TO away")
    async with watch(relay, "p") as viewer:
        await viewer.frame()
        async with relay.http.post(
            relay.ingest, data=ONE, headers={**relay.bearer(worker=True), "Message-Id": "m-1"}
        ) as answer:
            assert (503, "5") == (answer.status, answer.headers["Retry-After"])
            assert "send it again, with the same Message-Id" in (await answer.json())["detail"]
        ready, reasons = relay.rooms.health.ready()
        assert (False, True) == (ready, "publishers are refused" in reasons["journal"])
        with sqlite3.connect(tmp_path / "relayd.db") as db:
            db.execute("ALTER TABLE away RENAME TO chunks")
        assert 1 == (await relay.publish(log("p", "one"), message_id="m-1"))["accepted"]
        assert ["one"] == await viewer.lines(1)
        assert relay.rooms.health.ready()[0]
    db.close()


async def test_a_worker_that_hangs_up_has_said_what_it_said(relay: InsideRelay) -> None:
    """Its event was let in; whether it waits for the answer changes nothing for those who watch."""
    async with watch(relay, "p") as viewer, raw(relay) as socket:
        await viewer.frame()
        token = relay.token("worker", worker=True)
        socket.send(
            f"POST /v1/internal/events HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Length: {len(ONE)}\r\n\r\n".encode()
            + ONE
        )
        await relay.until(lambda: "p" in relay.rooms.engine.log.projects)
        socket.vanish()
        assert ["one"] == await viewer.lines(1)


async def test_many_workers_at_once(relay: InsideRelay) -> None:
    """Each is answered with what became of its own."""
    answers = await asyncio.gather(
        *(relay.publish(log("p", str(number)), message_id=f"m-{number}") for number in range(40)),
    )
    assert [1] * 40 == [answer["accepted"] for answer in answers]
    assert 40 == len({answer["cursor"] for answer in answers})
