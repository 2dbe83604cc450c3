"""Whose word about a viewer's address is taken, and whose is not."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from relayd.transports.forwarded import Proxies
from tests.harness.inside import inside
from tests.harness.viewer import watch

LOCAL = ("127.0.0.1", "::1")
INNER = (*LOCAL, "10.0.0.0/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "viewer"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["203.0.113.7:50123"], "203.0.113.7"),
        ("127.0.0.1", ["[2001:db8::7]:50123"], "2001:db8::7"),
        ("10.1.2.3", ["203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ("10.1.2.3", ["203.0.113.7", "10.9.9.9"], "203.0.113.7"),
        ("", ["203.0.113.7"], "203.0.113.7"),
        ("", [], "unix"),
    ],
)
def test_a_trusted_proxy_names_the_viewer(peer: str, forwarded: list[str], viewer: str) -> None:
    """The last address of the list that is nobody trusted; ports fall off; a unix socket's folder is guarded."""
    assert viewer == Proxies(INNER).viewer(peer, forwarded)


@pytest.mark.parametrize(
    ("peer", "forwarded", "viewer"),
    [
        ("198.51.100.1", ["203.0.113.7"], "198.51.100.1"),
        ("10.1.2.3", ["203.0.113.7"], "10.1.2.3"),
        ("127.0.0.1", ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
    ],
)
def test_a_stranger_names_nobody(peer: str, forwarded: list[str], viewer: str) -> None:
    """Whoever is not trusted may have made up what stands before it, even a trusted address."""
    assert viewer == Proxies(LOCAL).viewer(peer, forwarded)


@pytest.mark.parametrize(
    ("forwarded", "viewer"),
    [
        (["unknown"], "127.0.0.1"),
        (["_hidden"], "127.0.0.1"),
        ([""], "127.0.0.1"),
        (["6.6.6.6, 203.0.113.7\x1b[2J"], "127.0.0.1"),
        (["6.6.6.6, unknown, 127.0.0.1"], "127.0.0.1"),
        (["127.0.0.1, ::1"], "127.0.0.1"),
    ],
)
def test_what_is_no_address_is_not_passed_on(forwarded: list[str], viewer: str) -> None:
    """The nearest address that is certain stands in the log, never a stranger's words."""
    assert viewer == Proxies(LOCAL).viewer("127.0.0.1", forwarded)


def test_whom_to_trust_may_change() -> None:
    """A reload of the configuration takes effect on the next connection."""
    proxies = Proxies(LOCAL)
    proxies.trust(["198.51.100.1"])
    assert "203.0.113.7" == proxies.viewer("198.51.100.1", ["203.0.113.7"])
    assert "127.0.0.1" == proxies.viewer("127.0.0.1", ["203.0.113.7"])


@pytest.mark.parametrize(("trusted", "remote"), [([], "127.0.0.1"), (["127.0.0.0/8"], "203.0.113.7")])
async def test_a_connection_is_known_by_its_viewers_address(tmp_path: Path, trusted: list[str], remote: str) -> None:
    """A socket works the same behind a proxy, and its one line in the log names who was there."""
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    async with (
        inside(tmp_path, {"server": {"trusted_proxies": trusted}}) as relay,
        watch(relay, "p", headers=forwarded) as viewer,
    ):
        await viewer.hears("connection_established")
        (session,) = relay.rooms.lobby
        assert remote == session.grant.remote
        await relay.publish({"type": "workflow_log", "project_id": "p", "level": "info", "message": "hello"})
        assert ["hello"] == await viewer.lines(1)


async def test_a_unix_socket_is_a_trusted_peer(tmp_path: Path) -> None:
    """The proxy beside the relay needs no entry in the configuration."""
    app = web.Application(middlewares=[Proxies(()).middleware])
    app.router.add_get("/", who)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(tmp_path / "relayd.sock")).start()
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(tmp_path / "relayd.sock"))) as proxy:
            for headers, remote in (({"X-Forwarded-For": "203.0.113.7"}, "203.0.113.7"), ({}, "unix")):
                async with proxy.get("http://relay/", headers=headers) as answer:
                    assert remote == await answer.text()
    finally:
        await runner.cleanup()


async def who(request: web.Request) -> web.Response:
    """Answer with the address of the viewer."""
    return web.Response(text=request.remote)
