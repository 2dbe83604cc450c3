import re
from pathlib import Path

from relayd.app.demo import invitation
from relayd.app.settings import verifier_of
from relayd.config import Config, load
from relayd.identity.keys import FixedKeys, KeyRing
from relayd.plugins import settings_of
from tests.harness.settled import Tables, write_settings

NOW = 1_700_000_000.0
ADDRESS = "http://127.0.0.1:8000"


def config(folder: Path, tables: Tables) -> Config:
    """Return a checked configuration."""
    return load(write_settings(folder, tables), {}, settings_of)


def test_the_invitation_is_one_line_with_a_token_that_is_good(tmp_path: Path) -> None:
    """Its pieces can be pasted into a shell; the token sees every project and lives no longer than allowed."""
    auth = {"audience": "dash", "issuer": "us", "max_lifetime_seconds": 3_600}
    settings = config(tmp_path, {"auth": auth})
    line = invitation(settings, ADDRESS, now=NOW)
    assert "\n" not in line
    assert line.startswith(f"relayd is ready: open {ADDRESS}/#token=")
    found = re.search(r"export TOKEN=(\S+)", line)
    assert found is not None
    viewer = verifier_of(settings, FixedKeys(KeyRing())).verify(found[1], NOW)
    assert (frozenset({"*"}), NOW + 3_600, False) == (viewer.projects, viewer.expires_at, viewer.worker)
    for address in (
        "ws://127.0.0.1:8000/ws/admin/agent-swarm/demo-shop",
        f"{ADDRESS}/v1/public/agent-swarms/projects/",
    ):
        assert address in line


def test_without_a_key_that_signs_there_is_nobody_to_invite(tmp_path: Path) -> None:
    """With tokens disabled there are no keys at all."""
    assert "" == invitation(config(tmp_path, {"auth": {"mode": "disabled", "keys": []}}), ADDRESS, now=NOW)
