"""Tokens expire and keys are changed while viewers watch, whatever they watch over: each ending has its name."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from tests.harness.daemon import PrivateRelay
from tests.harness.issuer import Issuer
from tests.harness.pairs import Pair, pair
from tests.harness.settled import SECRET, Tables, signed
from tests.harness.viewer import log, watch
from tests.harness.watching import WAYS, watching

NEW = "a-newer-secret-of-32-bytes-for-tests"
OLD_KEY = {"algorithm": "HS256", "key": SECRET}
NEW_KEY = {"id": "newer", "algorithm": "HS256", "key": NEW}

BEATS = 3


async def places(relay: PrivateRelay) -> float:
    """Return how many places are taken."""
    names = [f'relayd_connections{{transport="{name}"}}' for name in ("websocket", "sse", "longpoll")]
    return sum(await asyncio.gather(*(asyncio.to_thread(relay.metric, name) for name in names)))


async def reloaded(relay: PrivateRelay, *keys: dict[str, str]) -> None:
    """Let the relay go by other keys."""
    known = len(relay.lines)
    relay.configure({"auth": {"keys": list(keys)}})
    relay.hup()
    await asyncio.to_thread(relay.wait_for_line, "reloaded", after=known)


@pytest.fixture
async def relay() -> AsyncIterator[PrivateRelay]:
    """A relay with a quick heartbeat, and with no patience for tokens that have expired."""
    tables: Tables = {
        "server": {"heartbeat_seconds": 1},
        "auth": {"grace_seconds": 0.2, "leeway_seconds": 0, "keys": [OLD_KEY]},
    }
    async with PrivateRelay(tables) as relay:
        yield relay


async def test_a_token_that_expires_ends_its_connection(relay: PrivateRelay) -> None:
    """Over each transport, a poll that waits included; whoever has a token for longer stays."""
    short = {way: relay.token(f"short-{way}", ttl=3) for way in WAYS}
    async with watching(relay, **short, sse_long=relay.token("long")) as viewers:
        endings = {way: await asyncio.wait_for(viewers[way].task, 30) for way in WAYS}
        socket = (4410, "TOKEN_EXPIRED: the token has expired; get a new one and resume with your cursor")
        assert dict.fromkeys(("modern", "legacy", "many", "sse"), socket) == {
            way: (code, reason.partition("; retry_after_ms")[0])
            for way, (code, reason) in endings.items()
            if code != 401
        }
        assert (401, "AUTH_FAILED: the token has expired; get a new one and resume with your cursor") == endings[
            "longpoll"
        ]
        assert 1 == await places(relay)
        await relay.publish(log("p", "still here"))
        await viewers["sse_long"].hears("still here")


async def test_keys_are_changed_without_a_pause(relay: PrivateRelay) -> None:
    """Both are good in between; once the old one is gone its viewers are ended at their next sign of life."""
    async with AsyncExitStack() as stack:
        by_old = {f"{way}_old": relay.token(f"old-{way}") for way in WAYS}
        old = await stack.enter_async_context(watching(relay, **by_old))
        refreshing = await stack.enter_async_context(watch(relay, "p", token=relay.token("refreshing"), tail=0))
        await refreshing.frame()
        await reloaded(relay, NEW_KEY, OLD_KEY)
        by_new = {f"{way}_new": signed(f"new-{way}", secret=NEW) for way in WAYS}
        new = await stack.enter_async_context(watching(relay, **by_new))
        await refreshing.says({"type": "refresh", "token": signed("refreshing", secret=NEW)})
        assert "REFRESHED" == (await refreshing.hears("notice"))["code"]
        beats = await stack.enter_async_context(stream(relay))
        for _ in range(BEATS):
            await beats.readuntil(b"\n\n")
        await publish(relay, "both")
        for viewer in (*old.values(), *new.values()):
            await viewer.hears("both")
        await reloaded(relay, NEW_KEY)
        endings = {viewer.way: await asyncio.wait_for(viewer.task, 30) for viewer in old.values()}
        sentence = "AUTH_FAILED: the token is missing, expired or not valid; log in again"
        assert dict.fromkeys(WAYS, sentence) == {way: reason for way, (_, reason) in endings.items()}
        assert {"longpoll": 401} | dict.fromkeys(("modern", "legacy", "many", "sse"), 4401) == {
            way: code for way, (code, _) in endings.items()
        }
        for _ in range(BEATS):
            await beats.readuntil(b"\n\n")
        await publish(relay, "one")
        for viewer in new.values():
            await viewer.hears("one")
        assert ["both", "one"] == await refreshing.lines(2)


async def test_a_key_that_its_issuer_withdraws_is_gone_for_those_who_are_there(relay: PrivateRelay) -> None:
    """Without a reload; whoever was let in by another key stays."""
    first, second = pair("a"), pair("b")

    def by(key: Pair, user: str) -> str:
        return key.token({"sub": user, "projects": ["*"], "exp": int(time.time()) + 600})

    async with Issuer(first.jwk(), second.jwk()) as issuer:
        relay.configure({"auth.jwks": {"url": issuer.url, "refresh_seconds": 1}})
        await relay.restart_async()
        tokens = {"modern_a": by(first, "a-modern"), "sse_a": by(first, "a-sse"), "modern_b": by(second, "b")}
        async with watching(relay, **tokens) as viewers:
            issuer.publish(second.jwk())
            assert {4401} == {(await asyncio.wait_for(viewers[name].task, 30))[0] for name in ("modern_a", "sse_a")}
            await relay.publish(log("p", "still here"))
            await viewers["modern_b"].hears("still here")


@asynccontextmanager
async def stream(relay: PrivateRelay) -> AsyncGenerator[aiohttp.StreamReader]:
    """Give the stream of a quiet project, whose messages are signs of life, one each heartbeat."""
    address = relay.project("quiet", "/stream", token=signed("quiet", secret=NEW))
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        await answer.content.readuntil(b"connection_established")
        await answer.content.readuntil(b"\n\n")
        yield answer.content


async def publish(relay: PrivateRelay, text: str) -> None:
    """Publish a line by the newer key."""
    headers = {"Authorization": f"Bearer {signed('worker', worker=True, secret=NEW)}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.post(relay.ingest, json=log("p", text)) as answer:
        assert 200 == answer.status, await answer.text()
