"""`relayd inspect` beside a real relay: from an event that nobody understood to a rule by which it is a message."""

import json
from pathlib import Path

import aiohttp
import pytest

from tests.cli.commanding import relayd, write_config
from tests.harness.daemon import PrivateRelay
from tests.harness.process import free_port

BODY = [
    {"kind": "order.placed", "meta": {"run": "inspected-1"}, "actor": {"name": "clerk"}, "note": "one \x1b[2J of many"},
    {"kind": "order.placed", "meta": {"run": "inspected-1"}, "actor": {"name": "clerk"}, "note": "two"},
]
USE = '[dialects]\nuse = ["rules", "native"]\n'


async def test_a_suggested_rule_makes_a_message(
    daemon: PrivateRelay, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As `relayd map` reads it, which reads as the relay does."""
    with pytest.raises(RuntimeError, match="422"):
        await daemon.publish(BODY)
    told = await relayd("inspect", "--admin", daemon.admin_url, "--json", capsys=capsys)
    assert (0, "") == (told.status, told.err)
    (group,) = [one for one in json.loads(told.out)["groups"] if one["type"] == "order.placed"]
    assert ("native", "unknown_type", 2) == (group["dialect"], group["reason"], group["count"])
    assert json.loads(group["sample"]) in BODY

    (tmp_path / "sample.json").write_text(group["sample"])
    config = write_config(tmp_path, USE + group["rule"])
    mapped = await relayd("map", str(tmp_path / "sample.json"), "--config", config, capsys=capsys)
    assert (0, "") == (mapped.status, mapped.err)
    message = json.loads(mapped.out)
    assert ("workflow_log", "inspected-1", "clerk") == (message["type"], message["project_id"], message["agent"])
    assert message["message"] in {one["note"] for one in BODY}


async def test_each_group_is_some_lines(daemon: PrivateRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """What and how often, why, a sample that can't steer a terminal, and the rule."""
    with pytest.raises(RuntimeError, match="422"):
        await daemon.publish([{"kind": "printed", "text": "\x1b[2J", "project": "p"}] * 3)
    said = await relayd("inspect", "--admin", daemon.admin_url, capsys=capsys)
    assert (0, "") == (said.status, said.err)
    lines = said.out.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.endswith("unknown_type  native  printed")]
    assert "3" == lines[at].split()[0]
    assert "type: missing" in lines[at + 1]
    assert '"kind": "printed"' in lines[at + 2]
    assert "\x1b" not in said.out
    behind = [line.strip() for line in lines[at + 3 :]]
    assert 'name = "printed"' == behind[behind.index("[[dialects.rules.rule]]") + 1]


async def test_what_is_left_out_is_said(daemon: PrivateRelay, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, beside what is shown."""
    with pytest.raises(RuntimeError, match="422"):
        await daemon.publish([{"kind": "a"}, {"kind": "b"}])
    said = await relayd("inspect", "--admin", daemon.admin_url, "--limit", "1", capsys=capsys)
    assert 1 == len([line for line in said.out.splitlines() if line and not line.startswith(" " * 9)])
    assert "events are in other groups" in said.err


async def test_viewers_do_not_see_it(daemon: PrivateRelay) -> None:
    """What others published, and nobody understood, is for operators."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {daemon.token('ada')}"}) as http:
        for path in ("/inspect", "/unmapped"):
            async with http.get(daemon.url + path) as outside, http.get(daemon.admin_url + path) as inside:
                assert (404, 200) == (outside.status, inside.status)


async def test_nobody_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """With a status of its own."""
    said = await relayd("inspect", "--admin", f"http://127.0.0.1:{free_port()}", capsys=capsys)
    assert 69 == said.status
