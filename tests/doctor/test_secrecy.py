from pathlib import Path

import pytest

from relayd.config import Config, load
from relayd.doctor.finding import Finding
from relayd.doctor.secrecy import secrets_in, secrets_of, user_of, who
from relayd.plugins import settings_of
from tests.doctor.patient import amiss, found
from tests.harness.settled import write_settings


def looked(path: Path, environ: dict[str, str] | None = None) -> list[Finding]:
    """Return what is found of a configuration file."""
    return list(secrets_of(path, load(path, {}, settings_of), environ or {}))


def test_files_of_their_owner_are_well(tmp_path: Path) -> None:
    """With mode and owner."""
    (tmp_path / "relayd.db").touch(0o600)
    findings = looked(write_settings(tmp_path))
    assert {} == amiss(findings)
    assert "relayd.toml is 0600, " in found(findings, "configuration's file").found


def test_secrets_that_others_can_read_are_named(tmp_path: Path) -> None:
    """A configuration with a key in it, and a journal, which holds all events."""
    path = write_settings(tmp_path)
    path.chmod(0o644)
    (tmp_path / "relayd.db").touch(0o600)
    (tmp_path / "relayd.db").chmod(0o640)
    findings = looked(path)
    assert {"configuration's file": "bad", "journal's file": "bad"} == amiss(findings)
    assert "auth.keys[0].key" in found(findings, "configuration's file").found
    assert f"run `chmod 600 {path}`" in found(findings, "configuration's file").mend
    assert "run `chmod 600" in found(findings, "journal's file").mend


def test_a_configuration_without_secrets_may_be_read(tmp_path: Path) -> None:
    """It is shipped with 0644, and its secrets are credentials."""
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text("a-secret-of-32-bytes-for-the-tests!")
    path = write_settings(tmp_path, {"auth": {"keys": [{"algorithm": "HS256", "file": key}]}})
    path.chmod(0o644)
    findings = looked(path)
    assert {} == amiss(findings)
    assert f"{key} is 0600" in found(findings, "key file").found


@pytest.mark.parametrize("handed", [True, False])
@pytest.mark.parametrize(("mode", "mark"), [(0o400, {}), (0o440, {}), (0o444, {"credential": "bad"})])
def test_credentials_are_not_for_all(tmp_path: Path, mode: int, mark: dict[str, str], handed: bool) -> None:
    """The group's rights are what the service manager's ACL looks like."""
    folder = tmp_path / ("handed-over" if handed else "credentials")
    folder.mkdir(mode=0o700)
    (folder / "jwt_key").write_text("a-secret-of-32-bytes-for-the-tests!")
    (folder / "jwt_key").chmod(mode)
    findings = looked(write_settings(tmp_path), {"CREDENTIALS_DIRECTORY": str(folder)} if handed else {})
    assert mark == amiss(findings)
    assert str(folder / "jwt_key") in found(findings, "credential").found


def test_secrets_in_writing_are_found() -> None:
    """Keys and passwords in addresses; a public key and an address without a password are none."""
    tree = {
        "auth": {
            "keys": [{"key": "-----BEGIN PUBLIC KEY-----"}, {"key": "secret"}, {"file": "x"}],
            "tickets": {"key": "secret"},
        },
        "sources": {"rabbitmq": {"url": "amqp://a:b@c/"}},
        "presence": {"redis": {"url": "redis://c/0"}},
    }
    asked = {"authorizers": {"http": {"secret": "x"}}}
    assert ["auth.keys[1].key", "auth.tickets.key", "sources.rabbitmq.url"] == secrets_in(tree)
    assert ["authorizers.http.secret"] == secrets_in(asked)
    assert [] == secrets_in({"auth": 5, "sources": {"rabbitmq": []}})


def config(journal: Path) -> Config:
    """Return a configuration with that journal."""
    return load(write_settings(journal.parent, {"journal": {"path": journal}}), {}, settings_of)


def test_who_looks_is_who_the_relay_is(tmp_path: Path) -> None:
    """Then what may be read and written here, the relay may, too."""
    (tmp_path / "relayd.db").touch()
    (finding,) = user_of(config(tmp_path / "relayd.db"))
    assert "ok" == finding.mark
    assert finding.found.endswith(", who owns the journal")


@pytest.mark.parametrize(
    ("looks", "owns", "mark", "words"),
    [
        ("relayd", "relayd", "ok", "who owns the journal"),
        ("ada", None, "ok", "ada"),
        ("root", "relayd", "warn", "who may do what the relay may not"),
        ("ada", "relayd", "warn", "ada looks; the journal is relayd's"),
    ],
)
def test_what_somebody_else_sees_says_little(looks: str, owns: str | None, mark: str, words: str) -> None:
    """Root may read and write what the relay may not, and anybody else less than it may."""
    finding = who(looks, owns)
    assert mark == finding.mark
    assert words in finding.found
    assert ("runuser -u relayd" in finding.mend) is (mark == "warn")
