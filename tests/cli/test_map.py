import json
from pathlib import Path

import pytest

from relayd.cli import main
from relayd.cli.exits import Exit
from tests.harness.settled import write_settings

RULE = {"name": "line", "headers": {"kind": "log*"}, "type": "workflow_log", "take": {"message": "text"}}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a rule."""
    rule = {**RULE, "set": {"project_id": "p", "level": "info"}}
    return write_settings(
        tmp_path, {"dialects": {"use": ["rules", "cloudevents", "native"]}, "dialects.rules": {"rule": [rule]}}
    )


def mapped(config: Path, body: object, *arguments: str) -> int:
    """Run the command with a body in a file and return its status."""
    path = config.with_name("body.json")
    path.write_text(json.dumps(body))
    return main(["map", str(path), "--config", str(config), *arguments])


def test_a_sample_becomes_what_the_relay_would_make_of_it(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By the dialect that its headers choose."""
    assert Exit.OK == mapped(config, {"text": "one"}, "--header", "kind=log.line")
    said = json.loads(capsys.readouterr().out)
    assert ("workflow_log", "p", "one", "rules") == (said["type"], said["project_id"], said["message"], said["dialect"])
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "x.run.started", "subject": "p"}
    assert Exit.OK == mapped(config, event, "--content-type", "application/cloudevents+json")
    assert "project_started" == json.loads(capsys.readouterr().out)["type"]


def test_what_is_not_understood_says_why(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Event by event, and with a status when there is nothing else."""
    good = {"type": "log", "project_id": "p", "level": "info", "message": "m"}
    assert Exit.OK == mapped(config, [good, {"type": "x"}])
    told = capsys.readouterr()
    assert 1 == len(told.out.splitlines())
    assert told.err.startswith("event 1: unknown_type: type: 'x'")
    assert Exit.DATA == mapped(config, {"type": "x"})


def test_a_canary_says_nothing(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And it is said that it does."""
    assert Exit.OK == mapped(config, {}, "--header", "x-relayd-canary=1")
    assert "no event: a canary says nothing to viewers\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nowhere.json"], Exit.USAGE, "nowhere.json: No such file"),
        (["nowhere.json", "--header", "x"], Exit.USAGE, "No such file"),
    ],
)
def test_a_mistake_is_named(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: Exit, said: str
) -> None:
    """With the mend."""
    assert status == main(["map", *arguments, "--config", str(config)])
    assert said in capsys.readouterr().err


def test_a_header_without_a_value_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With how to write it."""
    assert Exit.USAGE == mapped(config, {}, "--header", "x")
    assert "write NAME=VALUE" in capsys.readouterr().err


def test_a_rule_that_can_t_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a mistake of the configuration."""
    rule = {**RULE, "take": {"message": "a["}}
    config = write_settings(tmp_path, {"dialects": {"use": ["rules"]}, "dialects.rules": {"rule": [rule]}})
    assert Exit.CONFIG == mapped(config, {})
    assert "'a[' is no JMESPath" in capsys.readouterr().err
