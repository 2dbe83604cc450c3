from pathlib import Path

import pytest

from tests.cli.commanding import SECRET, relayd, write_config


async def test_a_good_configuration_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the relay would do in one line, without secrets."""
    said = await relayd("check-config", write_config(tmp_path), capsys=capsys)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(
        "ok: viewers at 127.0.0.1:8000, operators at 127.0.0.1:8001, events from embedded, journal "
    )
    assert SECRET not in said.out


async def test_problems_are_lines_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each one, and the status that service managers know as a configuration error."""
    said = await relayd("check-config", write_config(tmp_path, "[server]\nport = 99999\nnope = 1\n"), capsys=capsys)
    assert (said.status, said.out) == (78, "")
    assert len(said.err.splitlines()) == 2


async def test_nothing_is_served_from_a_bad_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon does not even begin."""
    said = await relayd("serve", "--config", write_config(tmp_path, "[server]\nnope = 1\n"), capsys=capsys)
    assert said.status == 78
    assert "nope" in said.err
