"""`relayd conformance` as a command: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest

from tests.cli.commanding import relayd
from tests.harness.daemon import PrivateRelay
from tests.harness.meddler import Meddler, Spoilt


class Mutes(Spoilt):
    """Close reasons are left out."""

    def close(self, code: int, reason: str) -> tuple[int, str]:
        return code, ""


@pytest.fixture
def tokens(daemon: PrivateRelay, tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """Give the options that name a viewer's token and a worker's."""
    user = f"conformance-{request.node.name}"
    (tmp_path / "viewer").write_text(daemon.token(user) + "\n")
    (tmp_path / "worker").write_text(daemon.token("w", worker=True) + "\n")
    return ["--token-file", str(tmp_path / "viewer"), "--worker-token-file", str(tmp_path / "worker")]


async def test_who_keeps_the_contract_ends_it_with_0(
    daemon: PrivateRelay, tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each promise, with its section; what was not checked says what would help."""
    said = await relayd("conformance", "--url", daemon.url, *tokens, capsys=capsys)
    assert (0, "") == (said.status, said.err)
    lines = said.out.splitlines()
    assert {"ok", "skip"} == {line.split()[0] for line in lines}
    assert "ok    section 3, a resume over event stream is whole: 11 events, none missing" in lines
    (other,) = [line for line in lines if "somebody else's project" in line]
    assert "not checked: it needs a second token -> give the token of somebody who may not see" in other


async def test_who_breaks_it_ends_it_with_1(
    daemon: PrivateRelay, tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON each line is an object, and no token is in it."""
    async with Meddler(daemon.url, Mutes()) as meddler:
        options = ["--url", meddler.base, "--json", *tokens[:2]]
        said = await relayd("conformance", *options, capsys=capsys)
    broken = {one["looked_at"]: one for one in json.loads(said.out) if one["mark"] == "bad"}
    assert 1 == said.status
    assert "section 6, a binary frame" in broken
    assert "close codes, reasons" in broken["section 6, a binary frame"]["mend"]
    assert {True} == {looked_at.startswith("section 6, ") for looked_at in broken}
    assert "eyJ" not in said.out


async def test_a_token_may_come_from_the_environment(
    daemon: PrivateRelay, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it is in no list of processes; a project that it does not open is named, and nothing else is."""
    await daemon.publish({"type": "project_started", "project_id": "conformance-not-mine", "owner": "somebody"})
    monkeypatch.setenv("RELAYD_TOKEN", daemon.token("env", projects=("mine",)))
    said = await relayd("conformance", "--url", daemon.url, "--project", "conformance-not-mine", capsys=capsys)
    assert 1 == said.status
    (line,) = [line for line in said.out.splitlines() if line.startswith("bad")]
    assert "section 4, the way in: long poll: refused with HTTP 403" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--url", "nowhere"), "no address of a relay"),
        (("--url", "http://x", "--publish-url", "nowhere"), "no address of a relay"),
        (("--url", "http://x", "--token-file", "/not/there"), "--token-file /not/there"),
        (("--url", "http://x", "--worker-token-file", "/not/there"), "--worker-token-file /not/there"),
        (("--url", "http://x", "--project", "a/b"), "no project id"),
    ],
)
async def test_bad_arguments_are_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """Before anything is asked of anybody."""
    said = await relayd("conformance", *arguments, capsys=capsys)
    assert 64 == said.status
    assert words in said.err
