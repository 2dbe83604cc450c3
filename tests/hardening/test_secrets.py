"""A canary: a token that can be recognised goes every way in, and is then looked for wherever anything was written."""

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from relayd.identity.jwt import Key, sign
from relayd.protocol.endpoints import PREFIX
from tests.harness.daemon import PrivateRelay
from tests.harness.follower import until_true
from tests.harness.nginx import PrivateNginx
from tests.harness.raw import UPGRADE, raw
from tests.harness.settled import SECRET
from tests.harness.strangers import stranger
from tests.harness.viewer import log, watch

SOCKET = "/ws/admin/agent-swarm"
LATER = int(time.time()) + 3_600
SHORT = 20
"""So much of a token in a row is too much of it."""


def canary(**claims: object) -> str:
    """Return a good token whose claims and signature nobody else has."""
    about = {"sub": "canary", "exp": LATER, "jti": secrets.token_urlsafe(24), "projects": ["*"], **claims}
    return sign(about, Key(algorithm="HS256", material=SECRET))


def written(*folders: Path) -> dict[Path, bytes]:
    """Return all that stands in files."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def shown(pid: int) -> bytes:
    """Return what everybody on the machine may read of a process: arguments, and its owner the environment."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))


def damage(folder: Path) -> None:
    """Make a journal unreadable under a running relay."""
    for path in folder.glob("relayd.db*"):
        path.write_bytes(b"no database" * 1_000)


def leaked(tokens: Iterable[str], files: dict[Path, bytes]) -> set[tuple[str, str]]:
    """Return each file that holds a part of a token's claims or signature, and which part."""
    parts = {
        part[at : at + SHORT]
        for token in tokens
        for part in token.split(".")[1:]
        for at in range(0, len(part) - SHORT, SHORT // 2)
    }
    return {(path.name, part) for path, text in files.items() for part in parts if part.encode() in text}


@asynccontextmanager
async def behind(relay: PrivateRelay, folder: Path) -> AsyncGenerator[tuple[PrivateNginx, aiohttp.ClientSession]]:
    """Give the shipped proxy before a relay, and somebody who asks through it."""
    with PrivateNginx(folder, relayd=f"127.0.0.1:{relay.port}") as nginx:
        connector = aiohttp.TCPConnector(ssl=nginx.tls)
        async with aiohttp.ClientSession(nginx.https, connector=connector) as http:
            yield nginx, http


async def every_way_in(relay: PrivateRelay, token: str) -> None:
    """Show a token wherever one may stand, and where none should: to handlers, to the library, in what breaks."""
    bearer = {"Authorization": f"Bearer {token}", "Referer": f"https://app.example/?token={token}"}
    async with aiohttp.ClientSession() as http:
        for address in (
            relay.api("/projects", token=token),
            relay.project("p", "/events", wait=0, token=token),
            relay.project("p", "/logs", token=token, q=token[:64]),
            relay.project("p", "/events", wait=0, ticket=token),
            relay.project("p", "/stream", ticket=token, token=token),
            relay.api(f"/{token}", token=token),
            relay.project(token[:100], token=token),
            f"{relay.url}/{token}?ticket={token}",
            f"{relay.admin_url}/readyz?token={token}",
            relay.project("p", "/events", wait="nonsense", after=token, token=token),
        ):
            for method in ("GET", "POST", "DELETE"):
                async with http.request(method, address, headers={**bearer, **stranger()}, data=token) as answer:
                    await answer.read()
        async with http.get(relay.project("p", "/stream", token=token), headers=stranger()) as stream:
            await stream.content.readline()
        async with http.post(relay.ingest, data=b"{}", headers=bearer) as answer:
            assert answer.status in {401, 403, 422}
    for how in ({"token": token}, {"legacy": True, "token": token}, {"subprotocols": ["relayd.v1"], "token": token}):
        with suppress(Exception):
            async with watch(relay, "p", headers=stranger(), **how) as viewer:
                await viewer.frame()
                await viewer.says({"type": "refresh", "token": token})
                await viewer.says({"type": "filter", "filter": {"q": token[:64]}})
                await viewer.says({"type": "refresh", "token": f"{token}x"})
                await viewer.ending()
    for said in (
        UPGRADE.format(f"{SOCKET}/p?token={token}&after={token}"),
        f"GET /?token={token} HTTP/1.1\r\nHost: relay\r\nX-{token}\0: {token}\r\n\r\n",
        f"GET /?token={token}{'x' * 20_000} HTTP/1.1\r\nHost: relay\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {token}{'x' * 20_000}\r\n\r\n",
        f"{token} /?token={token} HTTP/1.1\r\n\r\n",
    ):
        async with raw(relay) as socket:
            socket.send(said.encode())
            await socket.until(b"\r\n\r\n")


async def test_a_token_is_written_nowhere(tmp_path: Path) -> None:
    """Each way in, good and bad, at debug level, in every library's errors: no log, file or metric has it."""
    good, bad, other = canary(), canary(exp=1_000_000_000), canary(sub="other")[:-3] + "abc"
    async with PrivateRelay({"telemetry": {"log_level": "debug"}}, folder=tmp_path) as relay:
        await relay.publish(log("p", "hello"))
        for token in (good, bad, other):
            await every_way_in(relay, token)
        async with aiohttp.ClientSession() as http, http.get(f"{relay.admin_url}/metrics") as answer:
            (tmp_path / "metrics").write_bytes(await answer.read())
        (tmp_path / "shown").write_bytes(shown(relay.process.pid))
        await relay.stop_async()
        files = written(tmp_path)
        assert {"relayd.db", "relayd.out", "metrics", "shown"} <= {path.name for path in files}
        assert b"connection_ended" in files[tmp_path / "relayd.out"]
        assert set() == leaked([good, bad, other], files)
        # The key itself stands where the operator wrote it, and nowhere else.
        assert {"relayd.toml"} == {path.name for path, text in files.items() if SECRET.encode() in text}


async def test_a_token_is_written_nowhere_by_the_proxy(tmp_path: Path) -> None:
    """Through nginx, while the relay serves, while it is killed in the middle, and while it is away."""
    token = canary()
    bearer = {"Authorization": f"Bearer {token}", "Referer": f"https://app.example/?token={token}"}
    paths = [f"{SOCKET}/p", f"{PREFIX}/projects", f"{PREFIX}/projects/p/events", f"{PREFIX}/tickets", "/", "/metrics"]
    folder = tmp_path / "relay"
    await asyncio.to_thread(folder.mkdir)
    async with PrivateRelay({"telemetry": {"log_level": "debug"}}, folder=folder) as relay:
        async with behind(relay, tmp_path / "nginx") as (nginx, http):
            await relay.publish(log("p", "hello"))

            async def ask() -> None:
                for path in paths:
                    async with http.get(f"{path}?token={token}&wait=0", headers=bearer) as answer:
                        await answer.read()
                async with http.get(f"{PREFIX}/projects?token={token}{'x' * 40_000}") as answer:
                    assert 414 == answer.status

            await ask()
            async with http.get(f"{PREFIX}/projects/p/stream?token={token}") as stream:
                await stream.content.readline()
                await asyncio.to_thread(relay.kill)
                with suppress(aiohttp.ClientError):
                    await stream.content.read()
            await ask()
            await relay.start_async()
            await ask()
            nginx.stop()
            assert "relayd.access.log" in nginx.logs()
        await relay.stop_async()
        assert set() == leaked([token], written(tmp_path))


async def test_a_token_is_not_in_what_a_fault_leaves(tmp_path: Path) -> None:
    """The journal fails under a viewer; the traceback that the operator reads has no token in it."""
    token = canary()
    async with PrivateRelay({"telemetry": {"log_level": "debug"}}, folder=tmp_path) as relay:
        await relay.publish([log("cold", str(number)) for number in range(50)])
        await relay.restart_async()
        damage(tmp_path)
        async with aiohttp.ClientSession() as http:

            async def fails() -> bool:
                for way in ("/logs", "/events", "/status"):
                    address = relay.project("cold", way, token=token, wait=0)
                    # With a damaged log of its own it may end at once.
                    with suppress(aiohttp.ClientError):
                        async with http.get(address, headers=stranger()) as answer:
                            await answer.read()
                return not relay.process.alive or any(line["level"] == "error" for line in relay.lines)

            await until_true(fails)
        relay.kill()
        assert set() == leaked([token], written(tmp_path))


async def test_the_canary_would_be_found(tmp_path: Path) -> None:
    """A search that finds nothing proves something only if it would find a token that was cut in the middle."""
    token = canary()
    (tmp_path / "log").write_text(f"GET /?token={token[-42:-2]}")

    assert {"log"} == {name for name, _ in leaked([token], written(tmp_path))}
    assert set() == leaked([canary()], written(tmp_path))
