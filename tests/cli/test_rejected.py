import pytest

from tests.cli.commanding import relayd, run
from tests.client.small_relay import SmallRelay

ROW = {"number": 4, "reason": "not_json", "detail": "no \x1b[2J", "received_at": 0.0, "bytes": 5}


def row(number: int, **fields: object) -> dict[str, object]:
    """Return one rejected event."""
    return {**ROW, "number": number, **fields}


async def test_rejected_events_are_listed(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, harmless to a terminal, and a hint that there are more."""
    relay.answers = [(200, {"rejected": [row(4), row(3, replayed_at=1.0)], "next": 3})]
    said = await relayd("rejected", "list", "--admin", relay.url, capsys=capsys)
    assert said.out.splitlines() == [
        r"       4  1970-01-01T00:00:00.000Z  not_json  no \x1b[2J  (5 bytes)",
        r"       3  1970-01-01T00:00:00.000Z  not_json  no \x1b[2J  (5 bytes)  (replayed 1970-01-01T00:00:01.000Z)",
    ]
    assert "--limit" in said.err


async def test_the_bytes_are_shown_as_they_are(relay: SmallRelay, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """On stdout for a file or a program; what is known of them on stderr."""
    relay.answers = [(200, row(4, headers={"x": 1}, body_base64="e29v/w==", truncated=True))]
    await run("rejected", "show", "4", "--admin", relay.url)
    out, err = capfdbinary.readouterr()
    assert out == b"{oo\xff"
    assert b'headers: {"x": 1}' in err
    assert b"beginning" in err


async def test_one_is_replayed(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Its number is told once it was published again."""
    relay.answers = [(200, {})]
    said = await relayd("rejected", "replay", "4", "--again", "--admin", relay.url, capsys=capsys)
    assert (said.status, said.out) == (0, "replayed 4\n")
    assert [("POST /rejected/4/replay", {"again": "1"})] == [(seen.path, seen.query) for seen in relay.posted]


async def test_all_are_replayed_in_their_order(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Over all pages, oldest first, without those that were or can't be."""
    relay.answers = [
        (200, {"rejected": [row(9), row(8, replayed_at=1.0), row(7, truncated=True)], "next": 7}),
        (200, {"rejected": [row(5)], "next": None}),
        (200, {}),
        (200, {}),
    ]
    said = await relayd("rejected", "replay", "--all", "--admin", relay.url, capsys=capsys)
    assert said.out.splitlines() == ["replayed 5", "replayed 9"]
    assert "left out 7" in said.err
    assert relay.posted[1].query["before"] == "7"


@pytest.mark.parametrize("arguments", [(), ("4", "--all")])
async def test_which_one_must_be_said(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """Neither nothing nor everything by accident."""
    said = await relayd("rejected", "replay", *arguments, capsys=capsys)
    assert said.status == 64
    assert "--all" in said.err


async def test_refusals_and_strangers_have_sentences(
    relay: SmallRelay, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not there, not possible, no journal, wrong address: each its own status."""
    relay.answers = [(409, {"detail": "it was replayed before", "code": "BAD_REQUEST"}), (404, {})]
    before = await relayd("rejected", "replay", "4", "--admin", relay.url, capsys=capsys)
    none = await relayd("rejected", "list", "--admin", relay.url, capsys=capsys)
    away = await relayd("rejected", "list", "--admin", f"http://127.0.0.1:{unused_tcp_port}", capsys=capsys)
    wrong = await relayd("rejected", "list", "--admin", "nowhere", capsys=capsys)
    assert [65, 69, 69, 64] == [said.status for said in (before, none, away, wrong)]
    assert before.err == "relayd: it was replayed before (BAD_REQUEST)\n"
    assert "journal.path" in none.err
    assert "is relayd running there?" in away.err
