"""A token is revoked: with real relays, real viewers over each transport, a real disk and a real Redis."""

import asyncio
import json
import stat
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from relayd.core.access import Viewer as Who
from relayd.identity.jwt import Key, issue
from tests.cli.commanding import Child
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until_true
from tests.harness.operator import listed, orders, revoked
from tests.harness.redis import PrivateRedis
from tests.harness.replicas import Guests, replicas, until_together
from tests.harness.settled import SECRET
from tests.harness.viewer import log, watch
from tests.harness.watching import WAYS, watching

NOT_VALID = "AUTH_FAILED: the token is missing, expired or not valid; log in again"


@pytest.fixture
async def relay() -> AsyncIterator[PrivateRelay]:
    """A relay whose signs of life come so seldom that nobody is ended by one of them here."""
    async with PrivateRelay({"server": {"heartbeat_seconds": 300}}) as relay:
        yield relay


@pytest.fixture
def own_redis() -> Iterator[PrivateRedis]:
    """A Redis that this test may stop."""
    redis = PrivateRedis()
    try:
        redis.start()
        yield redis
    finally:
        redis.close()


def signed(user: str, *, issued: float, token_id: str | None = None) -> str:
    """Return a token that was issued at a time."""
    who = Who(user=user, expires_at=issued + 3_600, token_id=token_id, projects=frozenset({"*"}))
    return issue(Key(algorithm="HS256", material=SECRET), who, now=issued)


async def is_refused(relay: PrivateRelay, token: str) -> bool:
    """Return whether a token opens nothing any more; raises AssertionError unless it is one or the other."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(relay.api("/projects")) as answer:
        assert answer.status in {200, 401}
        return answer.status == 401


async def until_refused(relay: PrivateRelay, token: str) -> None:
    """Return when a token opens nothing any more."""
    await until_true(lambda: is_refused(relay, token))


async def test_who_is_connected_is_ended_at_once(relay: PrivateRelay) -> None:
    """Over each transport, long before a sign of life; nobody comes back, and others watch on."""
    theirs = {way: relay.token("eve", ttl=600) for way in WAYS}
    mine = {f"{way}_other": relay.token(f"ada-{way}") for way in WAYS}
    async with watching(relay, **theirs, **mine) as viewers:
        answer = await orders(relay, "POST", "/revoke", user="eve")
        assert ("on disk", "none", 5) == (answer["kept"], answer["others"], answer["ended"])
        endings = {way: await asyncio.wait_for(viewers[way].task, 20) for way in WAYS}
        assert dict.fromkeys(WAYS, NOT_VALID) == {way: reason for way, (_, reason) in endings.items()}
        assert {way: 401 if way == "longpoll" else 4401 for way in WAYS} == {
            way: code for way, (code, _) in endings.items()
        }
        async with watch(relay, "p", token=theirs["modern"]) as again:
            assert (4401, NOT_VALID) == await again.ending()
        assert {f"ada-{way}" for way in WAYS} == {row["user"] for row in await listed(relay)}
        await relay.publish(log("p", "still here"))
        for name in mine:
            await viewers[name].hears("still here")
    assert 1 == relay.metric('relayd_auth_failures_total{reason="revoked"}')
    assert 4 == relay.metric('relayd_disconnects_total{reason="auth_failed"}')


async def test_a_user_comes_back_with_a_newer_token(relay: PrivateRelay) -> None:
    """One that was issued behind the order; no second earlier."""
    now = time.time()
    old, stolen = signed("eve", issued=now - 5), signed("ben", issued=now, token_id="stolen")
    own = signed("ben", issued=now, token_id="own")
    assert ["eve"] == [(await orders(relay, "POST", "/revoke", user="eve"))["user"]]
    assert "stolen" == (await orders(relay, "POST", "/revoke", token_id="stolen", expires_at=now + 3_600))["token_id"]
    assert [True, True, False] == [await is_refused(relay, token) for token in (old, stolen, own)]
    newer = signed("eve", issued=time.time() + 1)
    assert not await is_refused(relay, newer)
    async with watch(relay, "p", token=newer) as viewer:
        assert "connection_established" == (await viewer.frame())["type"]


@pytest.mark.parametrize("journal", ["whole", "damaged", "gone"])
async def test_a_kill_forgets_no_revocation(relay: PrivateRelay, journal: str) -> None:
    """Once it is answered it is on the disk, whatever becomes of the journal; and what was taken back stays so."""
    eve, ben = relay.token("eve"), relay.token("ben")
    await orders(relay, "POST", "/revoke", user="ben")
    await orders(relay, "POST", "/revoke", user="eve")
    await orders(relay, "DELETE", "/revocations/user/ben")
    relay.kill()
    kept = relay.folder / "relayd.db.revocations"
    assert 0o600 == stat.S_IMODE(kept.stat().st_mode)
    if journal != "whole":
        for path in relay.folder.glob("relayd.db*"):
            if path == kept:
                continue
            path.unlink()
            if journal == "damaged":
                path.write_bytes(b"no journal" * 1_000)
    if journal == "damaged":
        # A log that can't be read again must be mended by hand: then it is moved away.
        relay.process.start()
        assert 78 == await asyncio.to_thread(relay.process.wait)
        (relay.folder / "relayd.db").rename(relay.folder / "moved")
    await relay.start_async()
    assert await is_refused(relay, eve)
    assert not await is_refused(relay, ben)
    assert {"eve"} == await revoked(relay)
    assert 1 == relay.metric("relayd_revocations")


async def test_a_damaged_list_lets_nobody_in(relay: PrivateRelay) -> None:
    """The relay does not start, says what to do, and does once that is done."""
    eve = relay.token("eve")
    await orders(relay, "POST", "/revoke", user="eve")
    assert 0 == await relay.stop_async()
    kept = relay.folder / "relayd.db.revocations"
    good = kept.read_bytes()
    kept.write_bytes(good[:-1])
    relay.process.start()
    assert 78 == await asyncio.to_thread(relay.process.wait)
    assert f"relayd: {kept}: the list of revoked tokens is damaged" in relay.log
    assert "put a copy in its place, or move it away" in relay.log
    assert "Traceback" not in relay.log
    kept.write_bytes(good)
    await relay.start_async()
    assert await is_refused(relay, eve)


async def test_a_reload_forgets_no_revocation(relay: PrivateRelay) -> None:
    """Keys are read anew, the list stays before them."""
    eve = relay.token("eve")
    await orders(relay, "POST", "/revoke", user="eve")
    relay.hup()
    await asyncio.to_thread(relay.wait_for_line, "reloaded")
    assert await is_refused(relay, eve)
    await orders(relay, "DELETE", "/revocations/user/eve")
    assert not await is_refused(relay, eve)


# -- several relays ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def sharing(redis: PrivateRedis) -> AsyncGenerator[tuple[PrivateRelay, PrivateRelay, Guests]]:
    """Give two relays that count together, and let guests come."""
    async with replicas(redis) as (here, there), Guests() as guests:
        yield here, there, guests


async def test_a_revocation_reaches_the_other_relay(redis: PrivateRedis) -> None:
    """Its viewers end, and it keeps it by itself: over its own kill, and without Redis."""
    async with sharing(redis) as (here, there, guests):
        token = there.token("eve")
        guest, other = await guests.comes(there, "eve"), await guests.comes(there, "ada")
        answer = await orders(here, "POST", "/revoke", user="eve")
        assert (0, "told", "on disk") == (answer["ended"], answer["others"], answer["kept"])
        assert (4401, NOT_VALID) == await guest.viewer.ending()
        await until_refused(there, token)
        assert other.connection_id in {row["connection_id"] for row in await listed(there)}
        kept = there.folder / "relayd.db.revocations"
        await until_true(lambda: asyncio.to_thread(kept.exists))
        there.kill()
        there.configure({"presence": {"use": "memory"}})
        await there.start_async()
        assert await is_refused(there, token)
        # And from the other side it is taken back for both.
        there.configure({"presence": {"use": "redis"}})
        await there.restart_async()
        await until_together(there)
        await orders(there, "DELETE", "/revocations/user/eve")
        await until_true(lambda: is_let_in(here, token))


async def is_let_in(relay: PrivateRelay, token: str) -> bool:
    """Return whether a token opens something."""
    return not await is_refused(relay, token)


async def test_a_redis_that_comes_back_empty_is_told(own_redis: PrivateRedis) -> None:
    """By each relay that knows: one that starts later, with an empty disk, learns all of it."""
    async with sharing(own_redis) as (here, there, _):
        tokens = [here.token(name) for name in ("eve", "ben", "cid")]
        await orders(here, "POST", "/revoke", user="eve")
        async with own_redis.killed():
            for relay in (here, there):
                await until_true(lambda relay=relay: asyncio.to_thread(apart, relay))  # type: ignore[misc]  # its own default
            alone = await orders(here, "POST", "/revoke", user="ben")
            assert alone["others"].startswith("told when they can be: Redis at 127.0.0.1:")
            assert "on disk" == alone["kept"]
            assert await is_refused(here, tokens[1])
            assert not await is_refused(there, tokens[1])
            # The other one, alone as well, takes back what it had heard of.
            await orders(there, "DELETE", "/revocations/user/eve")
            await orders(there, "POST", "/revoke", user="cid")
        await until_together(here, there)
        for relay in (here, there):
            await until_refused(relay, tokens[1])
            await until_refused(relay, tokens[2])
            await until_true(lambda relay=relay: is_let_in(relay, tokens[0]))  # type: ignore[misc]  # its own default
        there.kill()
        (there.folder / "relayd.db.revocations").unlink()
        await there.start_async()
        await until_together(there)
        assert {"ben", "cid"} == await revoked(there)


def apart(relay: PrivateRelay) -> bool:
    """Return whether a relay knows that Redis is away."""
    return relay.metric("relayd_redis_up") == 0


async def test_viewers_are_ended_wherever_they_are(redis: PrivateRedis) -> None:
    """By user, by id and by project; with the operator's words, and with a time to wait."""
    async with sharing(redis) as (here, there, guests):
        ada = [await guests.comes(relay, "ada") for relay in (here, there)]
        ben, cid = await guests.comes(there, "ben"), await guests.comes(there, "cid")
        async with watch(there, None, token=there.token("many")) as many:
            await many.says({"type": "subscribe", "project_id": "p"})
            await many.hears("connection_established")
            found = await listed(here, "?user=ada")
            assert {(ada[0].connection_id, True), (ada[1].connection_id, False)} == {
                (row["connection_id"], row["here"]) for row in found
            }
            assert [] == await listed(here, "?user=ada&project=q")
            short = await orders(here, "GET", "/connections?user=ada&limit=1")
            assert ([ada[0].connection_id], 1) == (
                [row["connection_id"] for row in short["connections"]],
                short["left_off"],
            )
            answer = await orders(here, "POST", "/disconnect", user="ada", reason="moving")
            assert {"ended": 1, "elsewhere": 1, "others": "told"} == answer
            sentence = "ENDED_BY_OPERATOR: ended by an operator: moving; retry_after_ms=30000"
            assert [(4411, sentence)] * 2 == [await one.viewer.ending() for one in ada]
            answer = await orders(here, "POST", "/disconnect", connection_id=ben.connection_id)
            assert {"ended": 0, "elsewhere": 1, "others": "told"} == answer
            assert 4411 == (await ben.viewer.ending())[0]
            # The socket for many watches it, too, though its place says nothing of that.
            answer = await orders(here, "POST", "/disconnect", project_id="p")
            assert {"ended": 0, "elsewhere": 1, "others": "told"} == answer
            assert 4411 == (await cid.viewer.ending())[0]
            assert 4411 == (await many.ending())[0]
        assert [] == await listed(there)


# -- from the command line --------------------------------------------------------------------------------------


async def command(relay: PrivateRelay, *arguments: str) -> tuple[int, str, str]:
    """Return status, stdout and stderr of `relayd admin`, as a process of its own."""
    child = await Child.start("admin", *arguments, "--admin", relay.admin_url)
    assert child.process.stdout is not None
    out = (await child.process.stdout.read()).decode()
    status, err = await child.end()
    return status, out, err


async def test_all_of_it_from_the_command_line(relay: PrivateRelay) -> None:
    """See who is there, end one, revoke, see that, take it back."""
    async with watch(relay, "p", token=relay.token("eve")) as one, watch(relay, "p", token=relay.token("ben")) as two:
        connection_id = (await one.frame())["connection_id"]
        await two.frame()
        status, out, _ = await command(relay, "connections", "--project", "p")
        head, *rows = out.splitlines()
        assert (0, "connection") == (status, head.split()[0])
        assert {("eve", "websocket"), ("ben", "websocket")} == {tuple(row.split()[1:3]) for row in rows}
        assert (0, "ended 1 on this relay, 0 on other relays\n", "") == await command(
            relay, "disconnect", connection_id
        )
        assert 4411 == (await one.ending())[0]
        assert 65 == (await command(relay, "disconnect", connection_id))[0]
        status, out, _ = await command(relay, "revoke", "--user", "ben", "--json")
        assert (0, "ben", 1) == (status, json.loads(out)["user"], json.loads(out)["ended"])
        assert 4401 == (await two.ending())[0]
        assert "ben" in (await command(relay, "revocations"))[1]
        assert (0, "taken back\n", "") == await command(relay, "unrevoke", "--user", "ben")
        assert 65 == (await command(relay, "unrevoke", "--user", "ben"))[0]
        assert not await is_refused(relay, relay.token("ben"))
