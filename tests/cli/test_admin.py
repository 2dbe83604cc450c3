"""What operators read on a terminal; orders to a real relay are in the journeys."""

import json

import pytest

from tests.cli.commanding import relayd
from tests.client.small_relay import SmallRelay

HERE = {
    "connection_id": "c1",
    "user": "a\x1b[2J",
    "transport": "websocket",
    "projects": ["p", "q"],
    "since": 0.0,
    "address": "10.0.0.1",
    "buffered": 65536,
    "here": True,
}
THERE = {**HERE, "connection_id": "c2", "projects": [], "address": None, "buffered": None, "here": False}
REVOKED = {"user": "ada", "at": 0.0, "until": 60.0, "ended": 2, "kept": "on disk", "others": "told"}


async def test_connections_are_a_table(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Harmless to a terminal; and a hint that there are more."""
    relay.answers = [(200, {"connections": [HERE, THERE], "left_off": 7})]
    said = await relayd(
        "admin", "connections", "--user", "a", "--project", "p", "--limit", "2", "--admin", relay.url, capsys=capsys
    )
    assert said.out.splitlines() == [
        "connection  user      transport  since                     from             unsent  projects",
        r"c1          a\x1b[2J  websocket  1970-01-01T00:00:00.000Z  10.0.0.1         65,536  p q",
        r"c2          a\x1b[2J  websocket  1970-01-01T00:00:00.000Z  (another relay)  -       -",
    ]
    assert said.err == "there are 7 more; see them with --limit\n"
    assert ("GET /connections", {"limit": "2", "user": "a", "project": "p"}) == (
        relay.posted[0].path,
        relay.posted[0].query,
    )


async def test_nobody_is_a_table_too(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Its heads alone."""
    relay.answers = [(200, {"connections": [], "left_off": 0}), (200, {"revocations": [], "left_off": 0})]
    nobody = await relayd("admin", "connections", "--admin", relay.url, capsys=capsys)
    nothing = await relayd("admin", "revocations", "--admin", relay.url, capsys=capsys)
    assert (0, "connection  user  transport  since  from  unsent  projects\n", "") == (
        nobody.status,
        nobody.out,
        nobody.err,
    )
    assert (0, "what  name  revoked  until\n") == (nothing.status, nothing.out)


async def test_revocations_are_a_table(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Users and tokens."""
    relay.answers = [
        (200, {"revocations": [REVOKED, {"token_id": "t1", "at": 1.0, "until": 2.0}], "left_off": 1}),
    ]
    said = await relayd("admin", "revocations", "--admin", relay.url, capsys=capsys)
    assert said.out.splitlines() == [
        "what   name  revoked                   until",
        "user   ada   1970-01-01T00:00:00.000Z  1970-01-01T00:01:00.000Z",
        "token  t1    1970-01-01T00:00:01.000Z  1970-01-01T00:00:02.000Z",
    ]
    assert "there are 1 more" in said.err


async def test_orders_are_sent_as_they_are_given(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """And what came of them is said."""
    ended = {"ended": 1, "elsewhere": 2, "others": "told"}
    relay.answers = [(200, ended), (200, REVOKED), (200, REVOKED)]
    one = await relayd("admin", "disconnect", "c1", "--reason", "r", "--admin", relay.url, capsys=capsys)
    two = await relayd("admin", "revoke", "--token-id", "t", "--expires-at", "9.5", "--admin", relay.url, capsys=capsys)
    three = await relayd("admin", "unrevoke", "--user", "a/é?%2F#", "--admin", relay.url, capsys=capsys)
    assert "ended 1 on this relay, 2 on other relays\n" == one.out
    assert "revoked; ended 2 on this relay; kept on disk, at most until 1970-01-01T00:01:00.000Z\n" == two.out
    assert "taken back\n" == three.out
    assert [0, 0, 0, "", "", ""] == [one.status, two.status, three.status, one.err, two.err, three.err]
    assert [{"connection_id": "c1", "reason": "r"}, {"token_id": "t", "expires_at": 9.5}] == [
        json.loads(seen.body) for seen in relay.posted[:2]
    ]
    assert "DELETE /revocations/user/a/é?%2F#" == relay.posted[2].path


async def test_what_others_do_not_know_is_said(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, in each order that others should know of."""
    ended = {"ended": 1, "elsewhere": None, "others": "not told: Redis is away"}
    revoked = {**REVOKED, "others": "told when they can be: Redis is away"}
    relay.answers = [(200, ended), (200, revoked), (200, revoked)]
    for arguments in (("disconnect", "--user", "a"), ("revoke", "--user", "a"), ("unrevoke", "--token-id", "t")):
        said = await relayd("admin", *arguments, "--admin", relay.url, capsys=capsys)
        assert 0 == said.status
        assert said.err.startswith("other relays: ")
        assert said.err.endswith("Redis is away\n")
        assert "None" not in said.out


@pytest.mark.parametrize("arguments", [("disconnect",), ("revoke",), ("unrevoke",), ("disconnect", "c", "--user", "u")])
async def test_whom_it_is_about_must_be_said(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """Neither nobody nor two."""
    said = await relayd("admin", *arguments, capsys=capsys)
    assert 64 == said.status
    assert "exactly one" in said.err


async def test_nobody_who_is_meant_has_a_status(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """So that a script notices a typing error; what was answered is printed all the same."""
    nobody = {"ended": 0, "elsewhere": 0, "others": "none"}
    relay.answers = [(200, nobody), (200, {"ended": 0, "elsewhere": 1, "others": "told"})]
    said = await relayd("admin", "disconnect", "--user", "a", "--json", "--admin", relay.url, capsys=capsys)
    assert (65, nobody) == (said.status, json.loads(said.out))
    assert "nobody is connected who is meant" in said.err
    other = await relayd("admin", "disconnect", "--user", "a", "--admin", relay.url, capsys=capsys)
    assert 0 == other.status


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("connections",), {"connections": [HERE], "left_off": 0}),
        (("disconnect", "c"), {"ended": 1}),
        (("revoke", "--user", "a"), REVOKED),
        (("revocations",), {"revocations": [REVOKED], "left_off": 3}),
        (("unrevoke", "--user", "a"), REVOKED),
    ],
)
async def test_machines_get_the_answer_itself(
    relay: SmallRelay, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], answer: dict[str, object]
) -> None:
    """With what only a newer relay says, and nothing else."""
    relay.answers = [(200, {**answer, "newer": 1})]
    said = await relayd("admin", *arguments, "--json", "--admin", relay.url, capsys=capsys)
    assert (0, {**answer, "newer": 1}, "") == (said.status, json.loads(said.out), said.err)


async def test_refusals_and_strangers_have_sentences(
    relay: SmallRelay, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused, not to be kept, an older relay, another program, nobody: each its own status."""
    relay.answers = [
        (400, {"detail": "expires_at: in the future", "code": "BAD_REQUEST"}),
        (503, {"detail": "it could not be written", "code": "UNAVAILABLE"}),
        (404, {}),
        (200, {"something": "else"}),
    ]
    said = [await relayd("admin", "revoke", "--user", "a", "--admin", relay.url, capsys=capsys) for _ in range(4)]
    away = f"http://127.0.0.1:{unused_tcp_port}"
    said.append(await relayd("admin", "revoke", "--user", "a", "--admin", away, capsys=capsys))
    said.append(await relayd("admin", "revoke", "--user", "a", "--admin", "nowhere", capsys=capsys))
    assert [65, 75, 69, 69, 69, 64] == [one.status for one in said]
    assert "takes no such orders" in said[2].err
    assert "no relay of this version" in said[3].err
    assert "is relayd running there?" in said[4].err
