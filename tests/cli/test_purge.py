import msgspec
import pytest

from tests.cli.commanding import relayd
from tests.client.small_relay import SmallRelay

PURGED = {"events": 1_234, "lasting": True, "left": [], "notes": ["elsewhere \x1b[2J"]}


async def test_a_project_is_purged(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """How much that was on stdout, where else it may be on stderr, harmless to a terminal."""
    relay.answers = [(200, PURGED)]
    said = await relayd("purge", "shop-1", "--admin", relay.url, capsys=capsys)
    assert (0, "removed 1,234 events\n", "elsewhere \\x1b[2J\n") == (said.status, said.out, said.err)
    (seen,) = relay.posted
    assert ("POST /purge", {"project": "shop-1"}) == (seen.path, msgspec.json.decode(seen.body))


async def test_one_event_is_purged(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """By its cursor."""
    relay.answers = [(200, {"events": 1})]
    said = await relayd("purge", "--event", "AAAA", "--admin", relay.url, capsys=capsys)
    assert (0, "removed 1 event\n", "") == (said.status, said.out, said.err)
    assert {"event": "AAAA"} == msgspec.json.decode(relay.posted[0].body)


async def test_it_is_purged_by_each_relay(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """One that does not have it, or is away, keeps no other from it; all of them are told."""
    relay.answers = [(404, {"detail": "there is no project 'p'", "code": "NOT_FOUND"}), (200, {"events": 2})]
    away = "http://127.0.0.1:9"
    said = await relayd("purge", "p", "--admin", relay.url, "--admin", away, "--admin", relay.url, capsys=capsys)
    assert (65, f"{relay.url}: removed 2 events\n") == (said.status, said.out)
    first, second = said.err.splitlines()
    assert f"relayd: {relay.url}: there is no project 'p' (NOT_FOUND)" == first
    assert f"{away}: " in second


@pytest.mark.parametrize("arguments", [(), ("p", "--event", "AAAA")])
async def test_what_must_be_said(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    """Neither nothing nor both."""
    said = await relayd("purge", *arguments, capsys=capsys)
    assert 64 == said.status
    assert "a project, or one event with --event" in said.err


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        ((404, {}), 69, "is no admin listener of a relay that can purge"),
        ((503, {"detail": "the journal is away", "code": "UNAVAILABLE"}), 75, "the journal is away"),
        ((400, {"detail": "event: no cursor", "code": "BAD_REQUEST"}), 65, "event: no cursor"),
    ],
)
async def test_why_it_was_not_purged(
    relay: SmallRelay,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, dict[str, str]],
    status: int,
    sentence: str,
) -> None:
    """With the exit status that says whether to try again."""
    relay.answers = [answer]
    said = await relayd("purge", "p", "--admin", relay.url, capsys=capsys)
    assert status == said.status
    assert sentence in said.err


async def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said before anything is asked."""
    said = await relayd("purge", "p", "--admin", "nowhere", capsys=capsys)
    assert 64 == said.status
    assert "is no address of a relay" in said.err
