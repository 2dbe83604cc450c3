from pathlib import Path

import pytest

from relayd.cli import incident, main
from tests.cli.commanding import Child


def test_help_is_the_answer_to_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever types just the name learns what there is."""
    assert main([]) == 0
    out, _ = capsys.readouterr()
    for command in ("serve", "check-config", "token", "emit", "simulate", "tail", "rejected", "rabbitmq", "version"):
        assert command in out


@pytest.mark.parametrize("arguments", [["tial"], ["tail"], ["tail", "p", "--nope"], ["tail", "p", "--tail", "x"]])
def test_wrong_usage_is_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """With where to look, and the status of sysexits."""
    assert main(arguments) == 64
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.endswith("see `relayd --help`\n")


def test_a_bug_of_ours_keeps_its_traceback_in_a_file() -> None:
    """The person gets a sentence with a number; the file tells the rest, without secrets."""
    try:
        raise RuntimeError("GET /ws?token=abcdef broke")
    except RuntimeError as error:
        sentence = incident(error)
    assert "RuntimeError" in sentence
    path = Path(sentence.rpartition(" ")[2])
    kept = path.read_text(encoding="utf-8")
    path.unlink()
    assert "test_a_bug_of_ours" in kept
    assert "abcdef" not in kept


async def test_the_module_is_the_program() -> None:
    """`python -m relayd` ends with the status of the command."""
    child = await Child.start("check-config", "/nowhere/relayd.toml")
    status, err = await child.end()
    assert status == 78
    assert err.startswith("relayd: ")
    assert "Traceback" not in err


async def test_libraries_do_not_talk_between_our_sentences(unused_tcp_port: int) -> None:
    """What a library logs of a broker that is away is said once, by us."""
    child = await Child.start("simulate", "--events", "1", "--amqp", f"amqp://127.0.0.1:{unused_tcp_port}/")
    status, err = await child.end()
    assert status == 69
    assert len(err.splitlines()) == 1
    assert err.startswith("relayd: RabbitMQ can't be published to: ")
