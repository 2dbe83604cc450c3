import asyncio
import os
import resource
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from relayd.telemetry.systemd import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """A real datagram socket where systemd's would be."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(10)
        yield sock


@pytest.fixture
def notifier(manager: socket.socket) -> Iterator[Notifier]:
    """A notifier that was started by it."""
    with closing(Notifier({"NOTIFY_SOCKET": manager.getsockname()})) as notifier:
        yield notifier


def test_each_verb_says_its_line(manager: socket.socket, notifier: Notifier) -> None:
    """To the letter of sd_notify(3)."""
    assert notifier.ready("serving on 127.0.0.1:8000")
    assert manager.recv(4096) == b"READY=1\nSTATUS=serving on 127.0.0.1:8000"
    assert notifier.ready()
    assert manager.recv(4096) == b"READY=1"
    assert notifier.reloading(12.5)
    assert manager.recv(4096) == b"RELOADING=1\nMONOTONIC_USEC=12500000"
    assert notifier.status("1,000 viewers")
    assert manager.recv(4096) == b"STATUS=1,000 viewers"
    assert notifier.watchdog()
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert notifier.extend_timeout(30)
    assert manager.recv(4096) == b"EXTEND_TIMEOUT_USEC=30000000"
    assert notifier.stopping("draining")
    assert manager.recv(4096) == b"STOPPING=1\nSTATUS=draining"


def test_a_status_can_not_say_another_field(manager: socket.socket, notifier: Notifier) -> None:
    """A line feed in a text from elsewhere would."""
    notifier.status("broker says:\nMAINPID=1\r\nREADY=1")
    assert manager.recv(4096) == b"STATUS=broker says: MAINPID=1 READY=1"


def test_the_abstract_namespace_is_reached() -> None:
    """An at sign stands for the zero byte."""
    name = f"relayd-test-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(10)
        with closing(Notifier({"NOTIFY_SOCKET": f"@{name}"})) as notifier:
            assert notifier.ready()
        assert manager.recv(4096) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}])
async def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    """Started by hand, every verb is quiet and the watchdog returns at once."""
    notifier = Notifier(environ)
    assert not notifier.ready()
    assert notifier.watchdog_interval is None
    await notifier.keep_alive(lambda: True)


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """Serving goes on."""
    with closing(Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})) as notifier:
        assert not notifier.ready()


def test_a_manager_that_does_not_read_holds_up_nobody(notifier: Notifier) -> None:
    """Its queue is full sooner or later; the verb says so instead of waiting."""
    sent = [notifier.watchdog() for _ in range(10_000)]
    assert sent[0]
    assert not sent[-1]


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
    ],
)
def test_signs_of_life_come_twice_as_often_as_asked(environ: dict[str, str], interval: float | None) -> None:
    """Half the time that the manager allows, as sd_event does; not for another process's watchdog."""
    assert interval == Notifier(environ).watchdog_interval


async def test_only_who_lives_says_so(manager: socket.socket) -> None:
    """While the relay is stuck the watchdog hears nothing, and hears again when it goes on."""
    answers = iter([True, False, False, True])
    asked = asyncio.Event()

    def alive() -> bool:
        answer = next(answers, None)
        if answer is None:
            asked.set()
        return bool(answer)

    with closing(Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000"})) as notifier:
        task = asyncio.create_task(notifier.keep_alive(alive))
        await asyncio.wait_for(asked.wait(), 10)
        task.cancel()
        await asyncio.wait({task})
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert manager.recv(4096) == b"WATCHDOG=1"
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(4096)


def test_signs_of_life_need_no_descriptor(manager: socket.socket, notifier: Notifier) -> None:
    """Else a relay that is short of them would be killed for it, with all whom it serves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            socket.socket()
        assert notifier.watchdog()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert b"WATCHDOG=1" == manager.recv(4096)
