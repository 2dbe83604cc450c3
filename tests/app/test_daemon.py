"""The life of a relay as its operator sees it: a real process, real signals, a real service manager's socket."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.raw import raw
from tests.harness.settled import SECRET, Tables, signed
from tests.harness.viewer import log, refused, watch

OTHER = "another-secret-of-32-bytes-for-tests"


@pytest.fixture(scope="module")
def relay() -> Iterator[PrivateRelay]:
    """Give a relay that tells all it has to tell and ends its viewers within a second."""
    tables: Tables = {"server": {"drain_seconds": 0.6}, "telemetry": {"log_level": "debug"}}
    with PrivateRelay(tables) as running:
        yield running


@asynccontextmanager
async def client(relay: PrivateRelay, **about: Any) -> AsyncGenerator[aiohttp.ClientSession]:  # noqa: ANN401 - claims
    """Give an HTTP client that names a user."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {relay.token(**about)}"}) as http:
        yield http


# -- the end -------------------------------------------------------------------------------------------------------


async def test_a_stop_sends_everybody_away_in_order(relay: PrivateRelay) -> None:
    """Spread over the time there is, each told when to come back; held polls are answered; the exit status is 0."""
    await relay.publish(log("stop", "one"))
    endings: list[tuple[float, int, str]] = []
    cursors: list[str] = []
    ready = asyncio.Semaphore(0)

    async def stay(user: str) -> None:
        async with watch(relay, "stop", token=relay.token(user), legacy=user == "u0") as viewer:
            cursors.append((await viewer.hears("workflow_log"))["id"])
            ready.release()
            code, reason = await viewer.ending()
            endings.append((time.monotonic(), code, reason))

    async with client(relay, user="poller") as http:
        held = asyncio.create_task(
            http.get(relay.project("stop", "/events", after="0", types="project_error", wait=50))
        )
        viewers = [asyncio.create_task(stay(f"u{number}")) for number in range(6)]
        for _ in viewers:
            await ready.acquire()
        await asyncio.to_thread(relay.wait_for_metric, 'relayd_connections{transport="longpoll"}', 1)
        async with http.get(relay.api("/health")) as answer:
            assert "healthy" == (await answer.json())["status"]
        stopping = asyncio.create_task(relay.stop_async())
        await asyncio.wait(viewers, return_when=asyncio.FIRST_COMPLETED)
        # The connection that is still open is told; a new one finds the door closed.
        async with http.get(relay.api("/health")) as answer:
            assert (503, "draining") == (answer.status, (await answer.json())["status"])
        with pytest.raises(ConnectionRefusedError):
            async with watch(relay, "stop"):
                raise AssertionError("let in")
        await asyncio.gather(*viewers)
        assert 0 == await stopping
        answer = await held
        assert (503, "1") == (answer.status, answer.headers["Retry-After"])
    assert {1012} == {code for _, code, _ in endings}
    assert all(
        reason.startswith("RESTARTING: this relay is restarting; come back with your cursor; retry_after_ms=")
        for _, _, reason in endings
    )
    waits = [int(reason.rpartition("=")[2]) for *_, reason in sorted(endings)]
    assert min(waits) >= 1_000
    assert max(moment for moment, *_ in endings) - min(moment for moment, *_ in endings) > 0.25
    assert {"draining", "stopped"} <= {line["event"] for line in relay.lines}
    assert {"restarting"} == {line["ending"] for line in relay.lines if line["event"] == "connection_ended"}
    await relay.start_async()
    await relay.publish(log("stop", "two"))
    for cursor in set(cursors):
        async with watch(relay, "stop", after=cursor) as viewer:
            assert (await viewer.frame())["recovered"]
            assert ["two"] == await viewer.lines(1)


async def test_a_kill_loses_nothing_that_was_answered(relay: PrivateRelay) -> None:
    """A viewer that resumes afterwards gets every event whose worker was answered, in order, once."""
    async with watch(relay, "kill") as viewer:
        cursor = (await viewer.frame())["cursor"]
    answered: list[str] = []
    enough = asyncio.Event()

    async def work() -> None:
        for number in range(10_000):
            await relay.publish(log("kill", str(number)), message_id=f"kill-{number}")
            answered.append(str(number))
            if number == 30:
                enough.set()

    working = asyncio.create_task(work())
    await enough.wait()
    relay.kill()
    with pytest.raises(aiohttp.ClientError):
        await working
    await relay.start_async()
    last = len(answered)
    # The one that was under way: its worker sends it again, and it is there once.
    await relay.publish(log("kill", str(last)), message_id=f"kill-{last}")
    async with watch(relay, "kill", after=cursor) as viewer:
        assert (await viewer.frame())["recovered"]
        assert [*answered, str(last)] == await viewer.lines(last + 1)


# -- reload --------------------------------------------------------------------------------------------------------


async def test_a_reload_takes_over_what_can_change(relay: PrivateRelay) -> None:
    """Limits, keys and origins at once, for those who come from then on; who is in stays."""
    origin = {"Origin": "https://dashboard.example"}
    async with watch(relay, "hup") as viewer:
        await viewer.frame()
        assert 403 == (await refused(relay, "hup", headers=origin))[0]
        known = len(relay.lines)
        keys = [{"id": "new", "algorithm": "HS256", "key": OTHER}, {"algorithm": "HS256", "key": SECRET}]
        relay.configure(
            {
                "auth": {"keys": keys},
                "limits": {"connections_per_user": 1},
                "server": {"origins": ["https://dashboard.example"]},
            }
        )
        relay.hup()
        await asyncio.to_thread(relay.wait_for_line, "reloaded", after=known)
        assert 429 == (await refused(relay, "hup", legacy=True))[0]
        async with watch(relay, "hup", token=signed("bob", secret=OTHER), headers=origin) as other:
            assert 1 == (await other.frame())["limits"]["connections_per_user"]
        await relay.publish(log("hup", "still here"))
        assert ["still here"] == await viewer.lines(1)


async def test_a_bad_file_changes_nothing(relay: PrivateRelay) -> None:
    """The log names every mistake; the relay goes on with what it has."""
    good = relay.config.read_text()
    known = len(relay.lines)
    relay.config.write_text(good + "\n[limits]\nconections_per_user = 0\n")
    relay.hup()
    line = await asyncio.to_thread(relay.wait_for_line, "reload_refused", after=known)
    assert "error" == line["level"]
    for mistake in ("[nonsense", good + "\n[limitz]\nx = 1\n"):
        known = len(relay.lines)
        relay.config.write_text(mistake)
        relay.hup()
        await asyncio.to_thread(relay.wait_for_line, "reload_refused", after=known)
    relay.config.write_text(good)
    await relay.publish(log("bad", "one"))
    async with watch(relay, "bad", token=relay.token("dora")) as viewer:
        await viewer.hears("workflow_log")


# -- what must not come out ----------------------------------------------------------------------------------------


async def test_no_token_is_in_the_log(relay: PrivateRelay) -> None:
    """A canary through every door and every refusal, at the lowest level: nothing of it was printed."""
    await relay.publish(log("canary", "one"))
    canary, expired = relay.token("canary"), relay.token("canary", ttl=-60)
    foreign = signed("canary", secret=OTHER + OTHER)
    # Who is refused again and again is answered ever later; these come from everywhere.
    addresses = ({"X-Forwarded-For": f"10.0.{number // 250}.{number % 250}"} for number in range(1, 1_000))
    async with aiohttp.ClientSession() as http:
        for token in (canary, expired, foreign):
            for what in ("/events?wait=0", "/logs", "/stream?after=x", "/nothing", ""):
                mark = "&" if "?" in what else "?"
                address = f"{relay.project('canary')}{what}{mark}token={token}"
                async with http.get(address, headers=next(addresses)) as answer:
                    await answer.read()
                async with http.get(address, headers={"Authorization": f"Bearer {token}", **next(addresses)}) as answer:
                    await answer.read()
            async with watch(relay, "canary", token=token, headers=next(addresses)) as viewer:
                if token == canary:
                    await viewer.frame()
                    await viewer.says({"type": "refresh", "token": expired})
                await viewer.ending()
            if token != canary:
                await refused(relay, "canary", legacy=True, token=token, headers=next(addresses))
        async with http.get(relay.project("canary", "/stream", token=canary)) as answer:
            await answer.content.readuntil(b"\n\n")
    for request in (
        f"GET /ws/admin/agent-swarm/p?token={canary}&x={'y' * 20_000} HTTP/1.1\r\nHost: relay\r\n\r\n",
        f"GET /?token={canary} HTTP/9.9\r\nHost: relay\r\n\r\n",
        f"GET /{canary}\0 HTTP/1.1\r\nHost: relay\r\n\r\n",
        f"G@T /?token={canary} HTTP/1.1\r\nHost: relay\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {canary}\r\nContent-Length: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: relay\r\nAuthorization Bearer {canary}\r\n\r\n",
    ):
        async with raw(relay) as wire:
            wire.send(request.encode("latin-1"))
            assert (await wire.rest()).startswith("HTTP/1."), request[:40]
    await relay.publish(log("canary", "two"))
    printed = relay.log
    assert "canary" in printed
    for token in (canary, expired, foreign):
        _, claims, signature = token.split(".")
        assert signature not in printed
        assert claims not in printed
    assert SECRET not in printed
    assert OTHER not in printed


# -- who shares what -----------------------------------------------------------------------------------------------


def test_a_second_relay_on_the_same_journal_does_not_start(relay: PrivateRelay, tmp_path: Path) -> None:
    """It would write the same places for other events; 78 keeps the service manager from trying again."""
    status, said = ended(PrivateRelay({"journal": {"path": relay.folder / "relayd.db"}}, folder=tmp_path))
    assert 78 == status
    assert "relayd.db: the journal is in use by process " in said
    assert "give each its own `journal.path`" in said


def test_a_port_in_use_is_a_sentence(relay: PrivateRelay, tmp_path: Path) -> None:
    """69, and which address it is."""
    status, said = ended(PrivateRelay({"server": {"port": relay.port}}, folder=tmp_path))
    assert 69 == status
    assert f"('127.0.0.1', {relay.port})" in said
    assert "Traceback" not in said


def ended(relay: PrivateRelay) -> tuple[int, str]:
    """Start a relay that can't, and return its exit status and what it printed."""
    relay.process.start()
    return relay.process.wait(), relay.log
