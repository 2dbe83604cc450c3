import asyncio
import json
import os
import pty

import pytest

from tests.cli.commanding import Child, relayd
from tests.client.small_relay import Scene, SmallRelay, agent, batch, established, log, progress


async def test_a_pipe_gets_a_line_per_message(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """In order, without colours, until the relay is done; figures, which come every two seconds, are none."""
    figures = json.dumps({"type": "notice", "code": "SPENDING", "project_id": "p", "data": {}})
    said = batch("c2", log("c1", "one"), progress("c2", 65))
    relay.scenes = [Scene([json.dumps(established("c0")), figures, said], close=(1000, ""))]
    told = await relayd("tail", "p", "--url", relay.url, capsys=capsys)
    assert told.status == 0
    assert ["connected", "info", "progress"] == [line.split()[1] for line in told.out.splitlines()]
    assert "\x1b" not in told.out


async def test_the_selection_is_asked_for(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """Options become what the relay reads; the token comes from the option, not into the address."""
    relay.scenes = [Scene(close=(1000, ""))]
    await relayd(
        "tail", "p", "--url", relay.url, "--token", "t", "--type", "workflow_log", "--level", "error", "--agent", "a",
        "--agent", "b", "--q", "disk", "--after", "c5", capsys=capsys,
    )  # fmt: skip
    (request,) = relay.sockets
    asked = {name: value for name, value in request.query.items() if name != "session"}
    assert asked == {"types": "workflow_log", "level": "error", "agent": "a,b", "q": "disk", "after": "c5"}
    assert request.headers["Authorization"] == "Bearer t"


async def test_a_cut_is_told_and_mended(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines go on where they were; what happened stands on stderr."""
    relay.scenes = [
        Scene([batch("c1", log("c1", "one"))], close=(1012, "RESTARTING: new version; retry_after_ms=10")),
        Scene([batch("c2", log("c2", "two"))], close=(1000, "")),
    ]
    said = await relayd("tail", "p", "--url", relay.url, capsys=capsys)
    assert ["one", "two"] == [line.split()[-1] for line in said.out.splitlines()]
    assert "relayd: new version; again in" in said.err
    assert relay.sockets[1].query["after"] == "c1"


async def test_a_gap_is_told(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """As a line of its own, and with --json on stderr, where no program takes it for a message."""
    gap = json.dumps(established("c9", recovered=False, replay="gap"))
    relay.scenes = [Scene([gap], close=(1000, "")), Scene([gap], close=(1000, ""))]
    lines = await relayd("tail", "p", "--url", relay.url, capsys=capsys)
    raw = await relayd("tail", "p", "--url", relay.url, "--json", capsys=capsys)
    assert "GAP" in lines.out
    assert json.loads(raw.out)["replay"] == "gap"
    assert "events are missing" in raw.err


async def test_json_is_what_came(relay: SmallRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """One message per line, untouched, also those that this version can't read."""
    relay.scenes = [Scene([batch("c1", log("c1", "ä", extra=1), {"type": "weather"})], close=(1000, ""))]
    said = await relayd("tail", "p", "--url", relay.url, "--json", capsys=capsys)
    assert [log("c1", "ä", extra=1), {"type": "weather"}] == [json.loads(line) for line in said.out.splitlines()]


@pytest.mark.parametrize(
    ("close", "status"), [((4401, "AUTH_FAILED: who are you"), 77), ((4400, "BAD_REQUEST: what"), 65)]
)
async def test_a_refusal_ends_it(
    relay: SmallRelay, capsys: pytest.CaptureFixture[str], close: tuple[int, str], status: int
) -> None:
    """One sentence of the relay, and a status for scripts."""
    relay.scenes = [Scene(close=close)]
    said = await relayd("tail", "p", "--url", relay.url, capsys=capsys)
    assert status == said.status
    assert said.err == f"relayd: {close[1].partition(': ')[2]}\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("a/b",), "project id"), (("p", "--url", "nowhere"), "address"), (("p", "--level", "loud"), "level")],
)
async def test_bad_arguments_are_named(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], word: str
) -> None:
    """Before anything is asked of anybody."""
    said = await relayd("tail", *arguments, capsys=capsys)
    assert said.status == 64
    assert word in said.err


async def test_a_pipe_is_flushed_and_ctrl_c_is_clean(relay: SmallRelay) -> None:
    """A line is there when it happened, not when a buffer is full; an interrupt leaves no traceback."""
    relay.scenes = [Scene([batch("c1", log("c1", "now"))])]
    child = await Child.start("tail", "p", "--url", relay.url)
    assert (await child.line()).split()[-1] == "now"
    child.interrupt()
    assert await child.end() == (130, "")


async def test_a_reader_that_leaves_ends_it_quietly(relay: SmallRelay) -> None:
    """`relayd tail p | head -1` is no error to complain about."""
    child = await Child.start("tail", "p", "--url", relay.url)
    relay.scenes = [Scene([batch("c1", log("c1", "x" * 10_000)) for _ in range(50)])]
    await child.line()
    assert child.process.stdout is not None
    child.process.stdout._transport.close()  # type: ignore[attr-defined]
    assert await child.end() == (141, "")


async def test_a_terminal_is_drawn_on(relay: SmallRelay) -> None:
    """Lines above, below them a panel with connection, progress and agents."""
    relay.scenes = [Scene([batch("c3", log("c1", "hello"), progress("c2", 65), agent("c3", "front", "working"))])]
    master, slave = pty.openpty()
    child = await Child.start("tail", "p", "--url", relay.url, out=slave)
    os.close(slave)
    seen = await asyncio.to_thread(read_until, master, ["hello", "● live", "65%", "front"])
    child.interrupt()
    status, err = await child.end()
    os.close(master)
    assert (status, err) == (130, "")
    assert "\x1b[" in seen


def read_until(descriptor: int, words: list[str]) -> str:
    """Return what a terminal got once it holds all the words."""
    seen = b""
    while not all(word.encode() in seen for word in words):
        seen += os.read(descriptor, 65_536)
    return seen.decode(errors="replace")
