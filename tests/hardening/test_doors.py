"""At the doors: who asks, from where, in what words and how slowly; each test's sentence tells the attack."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from relayd.identity.jwt import Key, sign
from relayd.protocol.endpoints import PREFIX
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until
from tests.harness.nginx import PrivateNginx
from tests.harness.raw import RawSocket, raw
from tests.harness.settled import SECRET
from tests.harness.strangers import stranger
from tests.harness.viewer import log, watch
from tests.identity.tokens import forged, part, pem_pair

SECONDS = 30.0
SOCKET = "/ws/admin/agent-swarm"


# -- tokens -----------------------------------------------------------------------------------------------------------

NOT_VALID = "the token is missing, expired or not valid; log in again"
LATER = int(time.time()) + 3_600
CLAIMS = {"sub": "ada", "exp": LATER, "projects": ["*"]}


def ours(claims: dict[str, object]) -> str:
    """Return claims signed with the relay's own key."""
    return sign(claims, Key(algorithm="HS256", material=SECRET))


FORGED = {
    "no signature": f"{part({'alg': 'none'})}.{part(CLAIMS)}.",
    "a public key as the secret": forged({"alg": "HS256"}, CLAIMS, pem_pair("RS256")[1]),
    "a key that is a path": forged({"alg": "HS256", "kid": "../../etc/passwd"}, CLAIMS, SECRET),
    "a key of its own": forged({"alg": "HS256", "jku": "http://127.0.0.1:1/"}, CLAIMS, "e" * 32),
    "a critical header": forged({"alg": "HS256", "crit": ["x"], "x": 1}, CLAIMS, SECRET),
    "expired": ours({"sub": "ada", "exp": 1_000_000_000}),
    "not yet": ours({"sub": "ada", "exp": LATER, "nbf": LATER - 5}),
    "no end": ours({"sub": "ada"}),
    "an end in a million years": ours({"sub": "ada", "exp": 10**30}),
    "an end that is a text": ours({"sub": "ada", "exp": str(LATER)}),
    "another secret": forged({"alg": "HS256"}, CLAIMS, "e" * 32),
    "nobody": ours({"exp": LATER}),
    "ten kilobytes": "x" * 10_000,
    "nested": forged({"alg": "HS256"}, b"[" * 2_900, SECRET),
    "no token": "nonsense",
    "nothing": "",
}


@pytest.mark.parametrize("name", FORGED)
async def test_whatever_is_wrong_with_a_token_is_told_in_the_same_words(daemon: PrivateRelay, name: str) -> None:
    """By each way in the stranger reads what everybody reads, and not which check it failed."""
    token = FORGED[name]
    expected = {"detail": NOT_VALID, "code": "AUTH_FAILED"}
    async with aiohttp.ClientSession() as http:
        for address, headers in (
            (daemon.project("p", "/events", wait=0), {"Authorization": f"Bearer {token}"}),
            (daemon.project("p", "/events", wait=0, token=token), {}),
            (daemon.project("p", "/stream", token=token), {}),
            (daemon.api("/projects", token=token), {}),
            (daemon.socket("p", token=token).replace("ws", "http", 1), UPGRADING),
        ):
            async with http.get(address, headers={**headers, **stranger()}) as answer:
                assert (401, expected) == (answer.status, await answer.json()), address
                assert "Bearer" == answer.headers["WWW-Authenticate"]
        async with http.post(daemon.ingest, data=b"{}", headers={"Authorization": f"Bearer {token}"}) as answer:
            assert (401, expected) == (answer.status, await answer.json())
    async with watch(daemon, "p", subprotocols=["relayd.v1"], token=token, headers=stranger()) as viewer:
        assert (4401, f"AUTH_FAILED: {NOT_VALID}") == await viewer.ending()
    # An empty sub-protocol is none, so there it is nothing to send.
    async with watch(daemon, "p", token=token or "none", headers=stranger()) as viewer:
        assert (4401, f"AUTH_FAILED: {NOT_VALID}") == await viewer.ending()


async def test_those_tokens_but_for_what_is_wrong_with_them(daemon: PrivateRelay) -> None:
    """Each of them fails by its one fault: the same claims, signed as they should be, open the door."""
    for token in (ours(CLAIMS), forged({"alg": "HS256"}, CLAIMS, SECRET)):
        async with aiohttp.ClientSession() as http, http.get(daemon.api("/projects", token=token)) as answer:
            assert 200 == answer.status


UPGRADING = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "A" * 22 + "==",
    "Sec-WebSocket-Version": "13",
}


# -- other people's projects -------------------------------------------------------------------------------------------

LOOKS = ["", "/status", "/agents", "/logs", "/viewers", "/events?wait=0", "/stream"]


SECRET_START = {"type": "project_started", "project_id": "hers", "timestamp": 1.0, "owner": "ada", "name": "a secret"}


@pytest.mark.parametrize("path", LOOKS)
async def test_somebody_else_s_project_by_every_path(daemon: PrivateRelay, path: str) -> None:
    """A token for another project opens none of them, and reads nothing of it in the refusal."""
    await daemon.publish([SECRET_START, log("hers", "a secret")])
    status, text, _ = await looked(daemon, "hers", path)
    assert 403 == status
    assert "a secret" not in text
    assert "ada" not in text


async def test_whether_there_is_such_a_project() -> None:
    """Where tokens name their projects, another's and one that does not exist are refused to the letter alike."""
    async with PrivateRelay({"auth": {"authorizers": ["claims"]}}) as relay:
        await relay.publish([SECRET_START, log("hers", "a secret")])
        for path in LOOKS:
            hers = await looked(relay, "hers", path)
            assert 403 == hers[0]
            assert hers == await looked(relay, "nobody-s", path)


async def looked(relay: PrivateRelay, project_id: str, path: str) -> tuple[int, str, dict[str, str]]:
    """Return status, body and headers of what a stranger's request for a project is answered."""
    headers = {"Authorization": f"Bearer {relay.token('eve', projects=['his'])}", **stranger()}
    async with aiohttp.ClientSession() as http, http.get(relay.project(project_id) + path, headers=headers) as answer:
        return answer.status, await answer.text(), {n: value for n, value in answer.headers.items() if n != "Date"}


async def test_somebody_else_s_project_on_a_socket_for_many(daemon: PrivateRelay) -> None:
    """The door was opened for one's own; each subscription is judged by itself, with a cursor and without."""
    await daemon.publish([SECRET_START, log("hers", "a secret")])
    async with watch(daemon, "hers", after="0") as owner:
        cursor = (await owner.hears("workflow_log"))["id"]
    async with watch(daemon, None, token=daemon.token("eve", projects=["his"])) as viewer:
        for number, after in enumerate((None, "0", cursor)):
            wish = {"type": "subscribe", "project_id": "hers"} | ({} if after is None else {"after": after})
            await viewer.says(wish)
            refusal = await viewer.frame()
            assert ("notice", "FORBIDDEN", "hers") == tuple(refusal[name] for name in ("type", "code", "project_id"))
            await viewer.says({"type": "filter", "project_id": "hers", "filter": {}})
            assert "NOT_SUBSCRIBED" == (await viewer.frame())["code"], number
        await viewer.says({"type": "subscribe", "project_id": "his", "after": cursor})
        assert "connection_established" == (await viewer.frame())["type"]
        await daemon.publish([log("hers", "another secret"), log("his", "his own")])
        assert ["his own"] == await viewer.lines(1)
    assert not [frame for frame in viewer.frames if "secret" in json.dumps(frame)]


async def test_a_cursor_is_a_place_and_no_key(daemon: PrivateRelay) -> None:
    """With the cursor of another's event one reads one's own project from there, and nothing else."""
    await daemon.publish([log("hers-2", "a secret"), log("mine", "my own"), log("hers-2", "the last secret")])
    async with watch(daemon, "hers-2", after="0") as owner:
        theirs = [(await owner.hears("workflow_log"))["id"] for _ in range(2)]
    headers = {"Authorization": f"Bearer {daemon.token('eve', projects=['mine'])}"}
    async with aiohttp.ClientSession() as http:
        for cursor, expected in zip(theirs, (["my own"], []), strict=True):
            async with http.get(daemon.project("mine", "/events", wait=0, after=cursor), headers=headers) as answer:
                told = await answer.json()
            assert (True, expected) == (told["recovered"], [message["message"] for message in told["messages"]])


@pytest.mark.parametrize(
    "after", ["-1", "9223372036854775808", "1", "../0", "AUi2", "A" * 32, "_" * 32, "%00", "0" * 99]
)
async def test_a_cursor_that_somebody_made_up(daemon: PrivateRelay, after: str) -> None:
    """It is a mistake, or a gap; never a place further on than the viewer may be, and never a fault."""
    await daemon.publish(log("mine", "my own"))
    async with aiohttp.ClientSession() as http:
        bearer = {"Authorization": f"Bearer {daemon.token()}", **stranger()}
        async with http.get(daemon.project("mine", "/events", wait=0, after=after), headers=bearer) as answer:
            told = await answer.json()
    if answer.status == 400:
        assert told["detail"].startswith("after: ")
    else:
        assert (200, "gap", False) == (answer.status, told["replay"], told["recovered"])


# -- pages of others ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:{port}",
     "https://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}@evil.example", "http://[", "\u00e9"],
)  # fmt: skip
async def test_a_page_from_elsewhere(daemon: PrivateRelay, origin: str) -> None:
    """With a visitor's own good token it opens no socket, no stream and no poll, and may read no answer."""
    headers = {"Authorization": f"Bearer {daemon.token()}", "Origin": origin.format(port=daemon.port), **stranger()}
    async with aiohttp.ClientSession() as http:
        for address, more in (
            (daemon.project("p", "/events", wait=0), {}),
            (daemon.project("p", "/stream"), {}),
            (daemon.socket("p").replace("ws", "http", 1), UPGRADING),
        ):
            async with http.get(address, headers={**headers, **more}) as answer:
                assert (403, "FORBIDDEN") == (answer.status, (await answer.json())["code"])
                assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        async with http.options(daemon.api("/projects"), headers=headers) as answer:
            assert 403 == answer.status


async def test_no_page_is_ever_let_in_with_a_visitor_s_credentials(daemon: PrivateRelay) -> None:
    """There is no star and no cookie: nothing that a browser adds by itself opens anything."""
    async with aiohttp.ClientSession() as http:
        own = {"Origin": daemon.url, "Cookie": f"token={daemon.token()}; session={daemon.token()}"}
        async with http.get(daemon.api("/projects"), headers=own) as answer:
            assert (401, daemon.url) == (answer.status, answer.headers["Access-Control-Allow-Origin"])
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert "Set-Cookie" not in answer.headers
        basic = {"Authorization": aiohttp.encode_basic_auth("ada", daemon.token())}
        async with http.get(daemon.api("/projects"), headers=basic) as answer:
            assert 401 == answer.status


# -- requests that mean two things -------------------------------------------------------------------------------------

HEAD = "GET /v1/public/agent-swarms/health HTTP/1.1\r\nHost: relay\r\n"
POST = "POST /v1/internal/events HTTP/1.1\r\nHost: relay\r\n"
SMUGGLED = "GET /v1/public/agent-swarms/health HTTP/1.1\r\nHost: smuggled\r\n\r\n"
TWO_READINGS = {
    "a length and chunks": f"{POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "two lengths": f"{POST}Content-Length: 0\r\nContent-Length: {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "a list of lengths": f"{POST}Content-Length: 0, {len(SMUGGLED)}\r\n\r\n{SMUGGLED}",
    "a length with a sign": f"{POST}Content-Length: +4\r\n\r\nabcd{SMUGGLED}",
    "a length below zero": f"{POST}Content-Length: -1\r\n\r\n{SMUGGLED}",
    "chunks that are not the last coding": f"{POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "chunks misspelt": f"{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{SMUGGLED}",
    "a chunk with a sign": f"{POST}Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{SMUGGLED}",
    "a chunk that ends elsewhere": f"{POST}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n{SMUGGLED}",
    "two hosts": f"{HEAD}Host: other\r\n\r\n",
    "a blank before the colon": f"{HEAD}X-A : 1\r\n\r\n",
    "a folded line": f"{HEAD}X-A: 1\r\n folded\r\n\r\n",
    "lines without a return": HEAD.replace("\r\n", "\n") + "\n",
    "a return without a line": f"{HEAD}X-A: 1\rX-B: 2\r\n\r\n",
    "NUL in a name": f"{HEAD}X-\0A: 1\r\n\r\n",
    "NUL in a value": f"{HEAD}X-A: \0\r\n\r\n",
    "a header without a name": f"{HEAD}: 1\r\n\r\n",
    "another version": HEAD.replace("1.1", "9.9") + "\r\n",
    "a method that is none": HEAD.replace("GET", "G\x7fT") + "\r\n",
}


@pytest.mark.parametrize("name", TWO_READINGS)
async def test_a_request_with_two_readings(daemon: PrivateRelay, name: str) -> None:
    """What a proxy and the relay might read differently is 400, once; nothing behind it is read, or logged."""
    before = len(daemon.log)
    async with raw(daemon) as socket:
        socket.send(TWO_READINGS[name].encode("latin-1"))
        answers = await socket.rest()
    refused_once(answers)
    assert "smuggled" not in answers
    assert "" == daemon.log[before:]


@pytest.mark.parametrize(
    "request_head",
    [
        "GET /" + "x" * 20_000 + " HTTP/1.1\r\nHost: relay\r\n\r\n",
        f"{HEAD}X-A: {'x' * 20_000}\r\n\r\n",
        HEAD + "".join(f"X-{number}: 1\r\n" for number in range(300)) + "\r\n",
        HEAD + f"{'x' * 20_000}: 1\r\n\r\n",
    ],
    ids=["address", "header", "headers", "name"],
)
async def test_a_head_without_measure(daemon: PrivateRelay, request_head: str) -> None:
    """16 KiB for a line and 128 lines are enough for any token; more is refused, and not quoted in the log."""
    async with raw(daemon) as socket:
        socket.send(request_head.encode())
        answers = await socket.rest()
    refused_once(answers)
    assert "x" * 100 not in answers
    assert "x" * 100 not in daemon.log


def refused_once(answers: str) -> None:
    """See that there is one answer, a refusal that tells nothing of what the relay is made of."""
    assert 1 == answers.count("HTTP/1."), answers
    head, _, body = answers.partition("\r\n\r\n")
    assert "400" == head.split()[1], answers
    assert "\r\nServer: relayd" in head
    assert "BAD_REQUEST" == json.loads(body)["code"]
    assert "aiohttp" not in answers


# -- slowness ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def dripping(port: int, tls: ssl.SSLContext, said: bytes) -> AsyncGenerator[RawSocket]:
    """Connect to a proxy and say something that is not all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="127.0.0.1")
    writer.write(said)
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()


async def test_requests_that_never_end(tmp_path: Path) -> None:
    """Heads and bodies that stop, or come a byte a second, end at the proxy; the relay sees none of them."""
    bodies = f"POST {PREFIX}/projects/p/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nabc"
    unended = [
        b"",
        b"GET ",
        HEAD.encode(),
        f"GET {SOCKET}/p HTTP/1.1\r\nHost: x\r\nUpgrade: web".encode(),
        bodies.encode(),
    ]
    async with PrivateRelay() as relay:
        with PrivateNginx(tmp_path / "nginx", relayd=f"127.0.0.1:{relay.port}") as nginx:
            async with AsyncExitStack() as stack:
                sockets = [
                    await stack.enter_async_context(dripping(nginx.port, nginx.tls, said)) for said in unended * 5
                ]
                drip = asyncio.create_task(dripped(sockets[1]))
                for socket in sockets:
                    async with asyncio.timeout(SECONDS):
                        # Who still drips when the proxy hangs up is reset.
                        with suppress(ConnectionResetError):
                            said = (await socket.reader.read()).decode()
                            assert said == "" or said.startswith("HTTP/1.1 408 "), said
                async with asyncio.timeout(SECONDS):
                    await drip
        assert 0 == relay.metric('relayd_connections_rejected_total{reason="bad_request"}')


async def dripped(socket: RawSocket) -> None:
    """Say one more byte each second until the other side hangs up."""
    while not socket.writer.is_closing() and not socket.reader.at_eof():
        socket.send(b"x")
        await asyncio.sleep(1)


async def test_a_crowd_that_says_nothing(daemon: PrivateRelay) -> None:
    """Three hundred connections without a request hold no place and keep nobody from being served."""
    async with AsyncExitStack() as stack:
        for number in range(300):
            socket = await stack.enter_async_context(raw(daemon))
            socket.send(HEAD.encode()[: number % 60])
        async with watch(daemon, "quiet", legacy=True) as viewer:
            await viewer.frame()
            await viewer.says("ping")
            assert "pong" == await viewer.text()
        await until(lambda: daemon.metric('relayd_connections{transport="websocket"}') == 0)
