from pathlib import Path

import pytest

from relayd.cli.configuration import on_trial, read_config
from relayd.cli.exits import CommandFailed, Exit
from tests.cli.commanding import write_config


def test_a_good_file_is_read(tmp_path: Path) -> None:
    """Defaults fill what it does not say."""
    assert read_config(Path(write_config(tmp_path))).server.port == 8_000


def test_every_problem_is_a_line(tmp_path: Path) -> None:
    """Nobody has to mend one mistake to learn of the next."""
    path = write_config(tmp_path, '[server]\nprt = 1\ndrain_seconds = "long"\n')
    with pytest.raises(CommandFailed) as failed:
        read_config(Path(path))
    assert Exit.CONFIG is failed.value.status
    assert ["prt", "drain_seconds"] == [
        word for word in ("prt", "drain_seconds") if any(word in line for line in str(failed.value).splitlines())
    ]
    assert len(str(failed.value).splitlines()) == 2


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the reason of the system."""
    with pytest.raises(CommandFailed, match=r"nowhere\.toml") as failed:
        read_config(tmp_path / "nowhere.toml")
    assert Exit.CONFIG is failed.value.status


def test_a_demo_that_cannot_be_played_is_named(tmp_path: Path) -> None:
    """Before a relay is started with it."""
    text = '[source]\nuse = "simulator"\n[sources.simulator]\nrecording = "nowhere.gz"\n'
    with pytest.raises(CommandFailed, match=r"sources\.simulator: nowhere\.gz: No such file") as failed:
        on_trial(read_config(Path(write_config(tmp_path, text))))
    assert Exit.CONFIG is failed.value.status
    assert None is on_trial(read_config(Path(write_config(tmp_path, text.replace("nowhere.gz", "demo")))))
