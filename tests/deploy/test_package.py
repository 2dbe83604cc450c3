"""The Debian package on a machine of its own, beside Debian's RabbitMQ: installed, broken, upgraded and removed."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.harness.machine import PrivateMachine
from tests.harness.process import find

ROOT = Path(__file__).parents[2]
CONFIG = "/etc/relayd/relayd.toml"
SHIPPED = (ROOT / CONFIG.replace("/etc/relayd", "config")).read_text(encoding="utf-8")
URL = "http://127.0.0.1:8000"
HANDBOOK = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
OVERRIDES = (ROOT / "deploy" / "debian" / "lintian-overrides").read_text(encoding="utf-8")
UNSET = {"PYTHON": "", "DEBEMAIL": "", "DEBFULLNAME": ""}
AMQP = "amqp://guest:guest@127.0.0.1/"
WAIT = 60

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what is in this folder, as somebody has it who has just fetched it."""
    checkout = tmp_path_factory.mktemp("checkout")
    for name in ("relayd", "config", "deploy", "requirements", "scripts"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    return checkout


@pytest.fixture(scope="module")
def package(checkout: Path) -> Path:
    """Build the package."""
    subprocess.run([checkout / "scripts" / "deb"], check=True, capture_output=True, env={**os.environ, **UNSET})
    (built,) = (checkout / "dist").glob("relayd_*.deb")
    return built


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMachine]:
    """Give a machine with RabbitMQ, on which the package was installed and its next steps were taken."""
    with PrivateMachine(tmp_path_factory.mktemp("machine")) as machine:
        machine.run("systemctl", "start", "rabbitmq-server")
        said = install(machine, package)
        for step in re.findall(r"^    (relayd .*|systemctl .*)$", said, re.MULTILINE):
            machine.run(*step.split())
        yield machine


def blocks(text: str) -> Sequence[str]:
    """Return what is to be typed."""
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def install(machine: PrivateMachine, package: Path) -> str:
    """Install a package and return what that printed."""
    machine.write("/var/relayd.deb", package.read_bytes())
    return machine.run("dpkg", "--install", "/var/relayd.deb")


def revised(package: Path, folder: Path) -> Path:
    """Return the same package as the next revision of it."""
    tree = folder / "tree"
    dpkg = find("dpkg-deb")
    subprocess.run([dpkg, "--raw-extract", package, tree], check=True)
    for part in ("control", "postinst"):
        path = tree / "DEBIAN" / part
        path.write_text(path.read_text().replace("0.1.0-1", "0.1.0-2"))
    subprocess.run(
        [dpkg, "--root-owner-group", "--build", tree, folder / "relayd.deb"], check=True, capture_output=True
    )
    return folder / "relayd.deb"


def until(machine: PrivateMachine, what: str, *argv: str) -> str:
    """Return what a program prints as soon as it prints this."""
    deadline = time.monotonic() + WAIT
    while what not in (said := machine.attempt(*argv).stdout.decode()):
        assert time.monotonic() < deadline, f"{argv} printed no {what!r} but {said}\n{log(machine)}"
        time.sleep(0.1)
    return said


def log(machine: PrivateMachine, unit: str = "relayd") -> str:
    """Return what the journal of the system has of a unit."""
    return machine.run("journalctl", "--unit", unit, "--no-pager", "--output", "cat")


def is_ready(machine: PrivateMachine, port: int = 8001) -> None:
    """Return when a relay says that viewers should come."""
    until(machine, '"ready":true', "curl", "--silent", f"http://127.0.0.1:{port}/readyz")


def token(machine: PrivateMachine) -> str:
    """Return a token that opens every project, signed with the key that the package made."""
    return machine.run("relayd", "token", "--config", CONFIG, "--user", "ada", "--project", "*").strip()


def emit(machine: PrivateMachine, text: str) -> None:
    """Publish a line of the project `shop`."""
    machine.run("relayd", "emit", "--amqp", AMQP, "shop", "workflow_log", f"message={text}", "level=info")


def lines(machine: PrivateMachine, port: int = 8000) -> Sequence[str]:
    """Return the lines of the project `shop` that a relay has."""
    address = f"http://127.0.0.1:{port}/v1/public/agent-swarms/projects/shop/events?after=0"
    told = json.loads(machine.run("curl", "--silent", "--header", f"Authorization: Bearer {token(machine)}", address))
    return [message["message"] for message in told["messages"]]


def configured(machine: PrivateMachine, *lines: str) -> None:
    """Write the configuration, with these lines of its first table beside what is shipped."""
    machine.write(CONFIG, SHIPPED.replace("[server]\n", "\n".join(("[server]", *lines, "")), 1))


def test_debian_s_own_checker_finds_nothing(package: Path) -> None:
    """No error and no warning but what the package gives a reason for; and there is no reason for what is mended."""
    checked = subprocess.run(
        [find("lintian"), "--allow-root", "--fail-on", "none", "--tag-display-limit", "0", "--show-overrides", package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == checked.returncode, checked.stderr
    told = [line.split() for line in checked.stdout.splitlines()]
    assert [] == [words for words in told if words[0] in {"E:", "W:"}]
    head, *reasons = OVERRIDES.split("\n\n")
    assert head.startswith("# ")
    assert [] == [one for one in reasons if not one.startswith("# ")]
    given = set(re.findall(r"^relayd: (\S+)", OVERRIDES, re.MULTILINE))
    assert given == {words[2] for words in told if words[0] == "O:"}


def test_what_is_installed_is_as_tight_as_it_was_written(machine: PrivateMachine) -> None:
    """Keys are root's alone, the sandbox is what the file says, and the program is Debian's Python's."""
    is_ready(machine)
    modes = machine.run(
        "stat", "--format", "%a %U", "/etc/relayd/credentials", "/etc/relayd/credentials/jwt_key", CONFIG
    )
    assert ["700 root", "600 root", "644 root"] == modes.splitlines()
    assert "exposure level for relayd.service: 0.9" in machine.run("systemd-analyze", "security", "relayd.service")
    assert "0.1.0" in machine.run("relayd", "version")
    assert ["active", "enabled", "0"] == machine.show("relayd", "ActiveState", "UnitFileState", "NRestarts")


def test_what_is_published_is_there_after_a_restart(machine: PrivateMachine) -> None:
    """Served, written below /var/lib, and read again."""
    is_ready(machine)
    emit(machine, "before")
    machine.run("systemctl", "restart", "relayd")
    is_ready(machine)
    assert "before" in lines(machine)
    assert "relayd.db" in machine.run("ls", "/var/lib/relayd/")


def test_a_reload_takes_what_can_be_changed(machine: PrivateMachine) -> None:
    """And leaves the relay as it is when the new configuration can't work, and says why."""
    is_ready(machine)
    (before,) = machine.show("relayd", "MainPID")
    configured(machine, 'origins = ["https://app.example.com"]')
    machine.run("systemctl", "reload", "relayd")
    asked = (
        "curl",
        "--silent",
        "--head",
        "--header",
        "Origin: https://app.example.com",
        f"{URL}/v1/public/agent-swarms/projects",
    )
    until(machine, "Access-Control-Allow-Origin: https://app.example.com", *asked)
    configured(machine, "prot = 1")
    machine.run("systemctl", "reload", "relayd")
    until(machine, "did you mean `server.port`", "journalctl", "--unit", "relayd", "--no-pager")
    configured(machine)
    machine.run("systemctl", "reload", "relayd")
    assert [before, "active"] == machine.show("relayd", "MainPID", "ActiveState")


def test_a_configuration_that_can_not_work_is_not_tried_again(machine: PrivateMachine) -> None:
    """It ends with 78, once, and says what to change."""
    configured(machine, "prot = 1")
    assert machine.attempt("systemctl", "restart", "relayd").returncode
    assert ["failed", "78", "0"] == machine.show("relayd", "ActiveState", "ExecMainStatus", "NRestarts")
    configured(machine)
    machine.run("systemctl", "start", "relayd")
    is_ready(machine)


def test_a_relay_that_stands_still_is_killed_and_started(machine: PrivateMachine) -> None:
    """The watchdog sees it; what it had is there again."""
    machine.write("/run/systemd/system/relayd.service.d/soon.conf", "[Service]\nWatchdogSec=2s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "relayd")
    is_ready(machine)
    emit(machine, "before it stood still")
    (pid,) = machine.show("relayd", "MainPID")
    machine.run("kill", "-STOP", pid)
    until(machine, "Watchdog timeout", "journalctl", "--unit", "relayd", "--no-pager")
    until(machine, "1", "systemctl", "show", "--value", "--property", "NRestarts", "relayd")
    is_ready(machine)
    assert "before it stood still" in lines(machine)
    machine.run("rm", "-r", "/run/systemd/system/relayd.service.d")
    machine.run("systemctl", "daemon-reload")


def test_a_stop_under_load_ends_in_time_and_in_order(machine: PrivateMachine, tmp_path: Path) -> None:
    """Viewers are told to come back, and systemd kills nobody."""
    is_ready(machine)
    said = [tmp_path / f"viewer-{number}" for number in range(4)]
    stream = f"{URL}/v1/public/agent-swarms/projects/load-1/stream"
    watch = ("curl", "--silent", "--no-buffer", "--header", f"Authorization: Bearer {token(machine)}", stream)
    load = ("relayd", "simulate", "--amqp", AMQP, "--events", "6000", "--rate", "400", "--projects", "2")
    programs = [machine.spawn(*watch, output=path) for path in said]
    programs.append(machine.spawn(*load, output=tmp_path / "load"))
    for path in said:
        deadline = time.monotonic() + WAIT
        while path.read_bytes().count(b"\ndata: ") < 20:
            assert time.monotonic() < deadline, log(machine)
            time.sleep(0.1)
    machine.run("systemctl", "stop", "relayd")
    assert ["inactive", "success", "0"] == machine.show("relayd", "ActiveState", "Result", "ExecMainStatus")
    assert [0] * len(programs) == [program.wait(WAIT) for program in programs]
    for path in said:
        assert b'"code":"RESTARTING"' in path.read_bytes()
    assert "6000" in (tmp_path / "load").read_text()
    machine.run("systemctl", "start", "relayd")
    is_ready(machine)


def test_an_upgrade_keeps_what_there_is(machine: PrivateMachine, package: Path, tmp_path: Path) -> None:
    """The new version runs, from the position of the old one, and the old one's files are gone."""
    is_ready(machine)
    emit(machine, "before the upgrade")
    (before,) = machine.show("relayd", "MainPID")
    key = machine.run("cat", "/etc/relayd/credentials/jwt_key")
    install(machine, revised(package, tmp_path))
    is_ready(machine)
    (after,) = machine.show("relayd", "MainPID")
    assert before != after
    assert "before the upgrade" in lines(machine)
    assert key == machine.run("cat", "/etc/relayd/credentials/jwt_key")
    assert re.fullmatch(r"0\.1\.0-2\.\w+\nvenv\n", machine.run("ls", "/opt/relayd"))


def test_one_relay_for_each_core(machine: PrivateMachine) -> None:
    """They start and end together, each with its ports and its journal, and say the same."""
    is_ready(machine)
    emit(machine, "to all")
    machine.run("systemctl", "enable", "--quiet", "relayd.target", "relayd@1", "relayd@2")
    machine.run("systemctl", "start", "relayd.target")
    for port in (8201, 8202):
        is_ready(machine, port)
    assert "to all" in lines(machine, 8101)
    assert lines(machine, 8101) == lines(machine, 8102)
    assert ["relayd.db"] == machine.run("sh", "-c", "cd /var/lib/relayd-1/ && ls *.db").split()
    machine.run("systemctl", "stop", "relayd.target")
    for unit in ("relayd@1", "relayd@2"):
        # The target is stopped at once, and its relays when they are done.
        until(machine, "inactive", "systemctl", "is-active", unit)
        assert ["success"] == machine.show(unit, "Result")
    assert ["active"] == machine.show("relayd", "ActiveState")


def test_nothing_is_left_when_it_is_purged(machine: PrivateMachine) -> None:
    """Removing it leaves what is the operator's; purging it takes that, too."""
    machine.run("dpkg", "--remove", "relayd")
    assert ["credentials", "relayd.toml"] == machine.run("ls", "/etc/relayd").split()
    assert machine.attempt("ls", "/opt/relayd").returncode
    machine.run("dpkg", "--purge", "relayd")
    for path in (
        "/etc/relayd",
        "/var/lib/relayd",
        "/var/lib/private/relayd",
        "/usr/bin/relayd",
        "/lib/systemd/system/relayd.service",
    ):
        assert machine.attempt("ls", "-d", path).returncode, path
    assert "" == machine.run("systemctl", "list-units", "--plain", "--no-legend", "relayd*")


def test_the_handbook_leads_to_a_relay_that_serves(checkout: Path, package: Path, tmp_path: Path) -> None:
    """By hand, word by word; only the wheels come from the package, for the machine has no network."""
    by_hand, _, then = HANDBOOK.partition("\n## Then\n")
    (recipe,) = blocks(by_hand.partition("\n## By hand\n")[2])
    start, see, *_ = blocks(then)
    with PrivateMachine(tmp_path) as machine:
        machine.run("systemctl", "start", "rabbitmq-server")
        machine.write("/var/relayd.deb", package.read_bytes())
        machine.run("dpkg-deb", "--extract", "/var/relayd.deb", "/var/wheels")
        packed = subprocess.run([find("tar"), "-C", checkout, "-c", "."], check=True, capture_output=True).stdout
        machine.run("mkdir", "/var/checkout")
        machine.run("tar", "-C", "/var/checkout", "-x", stdin=packed)
        wheels = ("PIP_NO_INDEX=1", "PIP_FIND_LINKS=/var/wheels/usr/share/relayd/wheels", "PIP_CONFIG_FILE=/dev/null")
        machine.run("env", "-C", "/var/checkout", *wheels, "sh", "-ec", recipe)
        machine.run("sh", "-ec", start)
        is_ready(machine)
        # Whoever follows does so until it is told to end.
        seen = machine.attempt("sh", "-ec", see.replace("relayd tail", "timeout 5 relayd tail"))
        assert "hello" in seen.stdout.decode(), seen
        assert ["active", "enabled"] == machine.show("relayd", "ActiveState", "UnitFileState")
