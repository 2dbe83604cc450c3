"""
A whole relay whose keys are an issuer's: the issuer is late, slow, wrong, away for a while and away for too long.

Times are those of the daemon, so they are short here: read each second, given up after some.
"""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.harness.authority import Authority
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.issuer import Issuer
from tests.harness.pairs import Pair, pair
from tests.harness.settled import Tables
from tests.harness.viewer import log, refused, watch

A, B = pair("a"), pair("b")
SELDOM = 3_600
"""Seconds: within a test nobody reads again unless somebody asks for it."""


def token(key: Pair, user: str = "ada", **header: object) -> str:
    """Return a token that opens every project for ten minutes."""
    return key.token({"sub": user, "projects": ["*"], "exp": int(time.time()) + 600}, **header)


def settings(issuer: Issuer, **jwks: object) -> Tables:
    """Return a configuration with the tests' secret for workers, and an issuer for viewers."""
    return {"auth.jwks": {"url": issuer.url, "refresh_seconds": 1, **jwks}}


def readiness(relay: PrivateRelay) -> tuple[int, str]:
    """Return the status of `/readyz`, and what it says of keys."""
    try:
        with urllib.request.urlopen(f"{relay.admin_url}/readyz", timeout=5) as answer:  # noqa: S310 - our own
            return answer.status, json.loads(answer.read())["reasons"].get("keys", "")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["reasons"].get("keys", "")


async def answer(relay: PrivateRelay, text: str) -> int:
    """Return the status with which a question is answered."""
    headers = {"Authorization": f"Bearer {text}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(relay.api("/projects")) as answer:
        return answer.status


async def opens(relay: PrivateRelay, text: str) -> None:
    """Return when a token opens."""
    async with asyncio.timeout(30):
        while await answer(relay, text) != 200:  # noqa: ASYNC110 - nobody tells when a relay has read its keys
            await asyncio.sleep(0.05)


def told(relay: PrivateRelay, *events: str) -> list[str]:
    """Return which of these events its log tells of, in order."""
    return [line["event"] for line in relay.lines if line["event"] in events]


@asynccontextmanager
async def running(relay: PrivateRelay) -> AsyncGenerator[PrivateRelay]:
    """Start a relay that need not become ready, and end it."""
    try:
        await relay.start_async(ready=False)
        yield relay
    finally:
        await asyncio.to_thread(relay.close)


async def test_an_issuer_that_is_away_at_the_start() -> None:
    """The relay starts, says what is missing, sends nobody to log in again, and goes on when the issuer comes."""
    issuer = Issuer(A.jwk())
    async with running(PrivateRelay(settings(issuer))) as relay:
        await asyncio.to_thread(relay.wait_for_line, "started")
        status, sentence = readiness(relay)
        assert 503 == status
        assert sentence.startswith(f"the keys of {issuer.url} have not been read yet: ")
        status, body, headers = await refused(relay, "p", legacy=True, token=token(A))
        assert (503, "UNAVAILABLE", "5") == (status, body["code"], headers["retry-after"])
        async with watch(relay, "p", token=token(A)) as viewer:
            code, reason = await viewer.ending()
        assert (1013, True) == (code, reason.startswith("OVERLOADED: this relay can't check tokens at present; "))
        # The keys of one's own are here, and so are those who have them.
        await relay.publish(log("p", "one"))
        async with issuer:
            await opens(relay, token(A))
            assert (200, "") == readiness(relay)
            async with watch(relay, "p", token=token(A)) as viewer:
                assert ["one"] == await viewer.lines(1)
        assert ["jwks_not_read", "jwks_read"] == told(relay, "jwks_not_read", "jwks_read")[:2]


async def test_an_issuer_that_does_not_answer_at_the_start() -> None:
    """The start waits for it as long as was said, and no longer."""
    async with Issuer(A.jwk()) as issuer:
        issuer.hang()
        async with running(PrivateRelay(settings(issuer, timeout_seconds=0.3))) as relay:
            await asyncio.to_thread(relay.wait_for_line, "started")
            assert "no answer within 0.3 s" in readiness(relay)[1]
            assert ["jwks_not_read", "started"] == told(relay, "jwks_not_read", "started")


async def test_the_first_viewer_finds_the_keys(tmp_path: Path) -> None:
    """Nobody is let near before the issuer has been asked; over TLS, with an authority of one's own."""
    authority = Authority(tmp_path)
    async with Issuer(A.jwk(), tls=authority.server()) as issuer:
        async with PrivateRelay(settings(issuer, ca_file=str(authority.path))) as relay:
            assert ["jwks_read", "started"] == told(relay, "jwks_not_read", "jwks_read", "started")
            assert 200 == await answer(relay, token(A))
        async with running(PrivateRelay(settings(issuer))) as relay:
            await asyncio.to_thread(relay.wait_for_line, "started")
            assert "certificate verify failed" in readiness(relay)[1]


async def test_an_issuer_that_goes_away_is_not_missed_for_a_while() -> None:
    """Whoever has a token comes in as before; it is told once, and how long it lasts is in the metrics."""
    async with Issuer(A.jwk()) as issuer, PrivateRelay(settings(issuer)) as relay:
        await issuer.stop()
        await asyncio.to_thread(relay.wait_for_metric, "relayd_jwks_age_seconds", 3)
        assert 200 == await answer(relay, token(A))
        assert (200, "") == readiness(relay)
        async with watch(relay, "p", token=token(A)) as viewer:
            assert "connection_established" == (await viewer.frame())["type"]
        assert ["jwks_read", "jwks_not_read"] == told(relay, "jwks_read", "jwks_not_read")
        await issuer.start()
        await until(lambda: relay.metric("relayd_jwks_age_seconds") < 1)
        assert ["jwks_read", "jwks_not_read", "jwks_read"] == told(relay, "jwks_read", "jwks_not_read")


async def test_an_issuer_that_stays_away() -> None:
    """Its keys are given up; nobody new comes in, who is in stays, and all is well when it is back."""
    async with (
        Issuer(A.jwk()) as issuer,
        PrivateRelay(settings(issuer, max_stale_seconds=4)) as relay,
        watch(relay, "p", token=token(A)) as viewer,
    ):
        await viewer.frame()
        await issuer.stop()
        await asyncio.to_thread(relay.wait_for_line, "jwks_expired")
        assert 503 == await answer(relay, token(A))
        status, sentence = readiness(relay)
        assert 503 == status
        assert sentence.startswith(f"the keys of {issuer.url} are older than 4 s and hold no more: ")
        await relay.publish(log("p", "one"))
        assert ["one"] == await viewer.lines(1)
        await issuer.start()
        await opens(relay, token(A))
        assert (200, "") == readiness(relay)


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ({"body": "<html>Sign in</html>"}, "this is no JSON"),
        ({"body": "", "status": 302, "Location": "/elsewhere"}, "it answers 302, and redirects are not followed"),
        ({"body": "x" * 70_000}, "it answers more than 64 KiB"),
        ({"body": json.dumps({"keys": [B.jwk(), {"kty": "oct", "k": "c2VjcmV0"}]})}, "keys[1] is no public key"),
        ({"body": json.dumps({"keys": [A.jwk(), B.jwk(kid="a")]})}, "has the `kid` of another one"),
    ],
)
async def test_an_issuer_that_says_something_else(says: dict[str, str], sentence: str) -> None:
    """The last good document stays, and the log says what is wrong with the new one."""
    async with Issuer(A.jwk()) as issuer, PrivateRelay(settings(issuer)) as relay:
        issuer.say(**says)  # type: ignore[arg-type]  # a status among the headers
        line = await asyncio.to_thread(relay.wait_for_line, "jwks_not_read")
        assert ("warning", issuer.url, True) == (line["level"], line["url"], sentence in line["detail"])
        assert (200, 401) == (await answer(relay, token(A)), await answer(relay, token(B)))
        assert (200, "") == readiness(relay)


async def test_keys_are_rotated() -> None:
    """A token with the new key is refused once and opens then; the old one opens as long as its key is listed."""
    async with Issuer(A.jwk()) as issuer, PrivateRelay(settings(issuer, refresh_seconds=SELDOM)) as relay:
        issuer.publish(A.jwk(), B.jwk())
        assert 401 == await answer(relay, token(B))
        await opens(relay, token(B))
        assert 200 == await answer(relay, token(A))
        assert 2 == issuer.asked
        issuer.publish(B.jwk())
        known = len(relay.lines)
        relay.hup()
        await asyncio.to_thread(relay.wait_for_line, "jwks_read", after=known)
        assert (401, 200) == (await answer(relay, token(A)), await answer(relay, token(B)))


async def test_a_storm_of_strangers_does_not_reach_the_issuer() -> None:
    """Four hundred tokens with as many unknown keys: the issuer is asked once more, and viewers come in meanwhile."""
    async with (
        Issuer(A.jwk()) as issuer,
        PrivateRelay(settings(issuer, refresh_seconds=SELDOM)) as relay,
        aiohttp.ClientSession() as http,
    ):
        unsigned = token(A).partition(".")[2]

        async def knock(number: int) -> int:
            stranger = f"{token(A, kid=f'kid-{number}').partition('.')[0]}.{unsigned}"
            async with http.get(relay.api("/projects"), headers={"Authorization": f"Bearer {stranger}"}) as answer:
                return answer.status

        assert {401} == set(await asyncio.gather(*(knock(number) for number in range(400))))
        assert 200 == await answer(relay, token(A))
        await until(lambda: issuer.asked == 2)
        assert {401} == set(await asyncio.gather(*(knock(number) for number in range(400))))
        assert 2 == issuer.asked


async def test_another_issuer_by_a_reload() -> None:
    """The tokens of the one are no good any more at once, those of the other as soon as its keys are here."""
    async with Issuer(A.jwk()) as one, Issuer(B.jwk()) as other, PrivateRelay(settings(one)) as relay:
        relay.configure(settings(other))
        known = len(relay.lines)
        relay.hup()
        line = await asyncio.to_thread(relay.wait_for_line, "jwks_read", after=known)
        assert (other.url, ["b"]) == (line["url"], line["kids"])
        assert (401, 200) == (await answer(relay, token(A)), await answer(relay, token(B)))
        asked = one.asked
        relay.configure({"auth.jwks": {"url": ""}})
        known = len(relay.lines)
        relay.hup()
        await asyncio.to_thread(relay.wait_for_line, "reloaded", after=known)
        assert (401, 401) == (await answer(relay, token(A)), await answer(relay, token(B)))
        assert asked == one.asked
        assert (200, "") == readiness(relay)
