"""The harness itself: children are started, told apart from failures, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness.process import Process, find, free_port

LISTENER = """\
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
time.sleep(60)
"""

PARENT = """\
import sys, time
from pathlib import Path
from tests.harness.process import Process
child = Process(["sleep", "60"], folder=Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


def runs(pid: int) -> bool:
    """Return whether the process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def ends(pid: int) -> bool:
    """Return whether the process is gone within ten seconds: a signal takes its time on a busy machine."""
    deadline = time.monotonic() + 10
    while runs(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not runs(pid)


def test_a_child_is_ready_when_it_listens_and_gone_when_it_was_stopped(tmp_path: Path) -> None:
    """Both ways to wait return as soon as it is true; the end tells the signal."""
    port = free_port()
    child = Process([sys.executable, "-c", LISTENER, str(port)], folder=tmp_path, name="listener")
    child.start()
    child.wait_for_output("listening")
    child.wait_for_port(port)
    pid = child.pid
    assert -signal.SIGTERM == child.stop()
    assert not runs(pid)
    assert not child.alive


def test_a_child_that_ends_early_shows_what_it_printed(tmp_path: Path) -> None:
    """Waiting for it does not wait for the time to be up."""
    with (
        Process(["sh", "-c", "echo no such file; exit 3"], folder=tmp_path) as child,
        pytest.raises(RuntimeError, match=r"sh ended \(3\) before printing 'ready'; it printed:\nno such file"),
    ):
        child.wait_for_output("ready")


def test_a_child_that_ends_by_itself_tells_its_status(tmp_path: Path) -> None:
    """One that does not end in time is killed, and what it printed is told."""
    child = Process(["sh", "-c", "exit 3"], folder=tmp_path)
    child.start()
    assert 3 == child.wait()
    child = Process(["sh", "-c", "echo dreaming; sleep 60"], folder=tmp_path)
    child.start()
    child.wait_for_output("dreaming")
    with pytest.raises(RuntimeError, match=r"sh did not end 0.1 s; it printed:\ndreaming"):
        child.wait(0.1)
    assert not child.alive


def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    """The whole group is killed, not its leader only."""
    with Process(["sh", "-c", "sleep 60 & echo $!; wait"], folder=tmp_path) as child:
        child.wait_for_output("\n")
        grandchild = int(child.output)
        assert runs(grandchild)
    assert ends(grandchild)


def test_a_test_run_that_was_killed_leaves_no_child(tmp_path: Path) -> None:
    """Nobody was there any more to stop it: the guard did."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert runs(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert ends(child)


def test_a_missing_program_names_the_mend() -> None:
    """Whoever runs the suite on a new machine is told what to do."""
    with pytest.raises(RuntimeError, match=r"no-such-program is not installed.*scripts/install-missing"):
        find("no-such-program")


def test_a_port_is_no_connections() -> None:
    """While a server is down, nobody who connects elsewhere is given its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = [socket.create_connection(server.getsockname()) for _ in range(50)]
        assert max(free_port() for _ in range(50)) < min(each.getsockname()[1] for each in given)
        for each in given:
            each.close()
