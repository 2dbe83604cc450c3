import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commanding import KEYS, SECRET, relayd, write_config
from tests.harness.pairs import pair


async def test_a_good_configuration_is_summed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the relay would do in one line, without secrets."""
    said = await relayd("check-config", write_config(tmp_path), capsys=capsys)
    assert (said.status, said.err) == (0, "")
    assert said.out.startswith(
        "ok: viewers at 127.0.0.1:8000, operators at 127.0.0.1:8001, events from embedded, journal "
    )
    assert said.out.endswith("places counted in memory\n")
    assert SECRET not in said.out


async def test_the_file_is_named_as_for_every_other_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By --config, as the shipped unit does; an argument is stronger."""
    (tmp_path / "bad").mkdir()
    good, bad = write_config(tmp_path), write_config(tmp_path / "bad", "nope = 1\n")
    assert 0 == (await relayd("check-config", "--config", good, capsys=capsys)).status
    assert 78 == (await relayd("check-config", "--config", bad, capsys=capsys)).status
    assert 0 == (await relayd("check-config", good, "--config", bad, capsys=capsys)).status


async def test_keys_are_looked_at_and_nobody_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key that the relay would not start with is told here; an issuer need not be there."""
    url = "https://127.0.0.1:1/jwks.json"
    said = await relayd("check-config", write_config(tmp_path, f"[auth.jwks]\nurl = '{url}'\n"), capsys=capsys)
    assert (0, "") == (said.status, said.err)
    assert f"tokens checked with 1 key(s) and those at {url}, " in said.out
    for jwks, sentence in (
        (f"url = '{url}'\nca_file = '/nowhere'", "relayd: auth.jwks.ca_file: /nowhere can't be used: "),
        ("document = '<html>'", "relayd: auth.jwks: this is no JSON: "),
    ):
        said = await relayd("check-config", write_config(tmp_path, f"[auth.jwks]\n{jwks}\n"), capsys=capsys)
        assert (78, "") == (said.status, said.out)
        assert said.err.startswith(sentence)
    nonsense = '[{ algorithm = "ES256", key = "-----BEGIN PUBLIC KEY-----" }]'
    said = await relayd("check-config", write_config(tmp_path, keys=nonsense), capsys=capsys)
    assert (78, "relayd: Key(id='', algorithm='ES256') is no key for ES256\n") == (said.status, said.err)


async def test_who_is_asked_for_rights_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is asked; an address that would give viewers' tokens away is refused, with the mend."""
    keys = f'{KEYS}\nauthorizers = ["claims", "http"]'
    url = "//api.example/{project_id}"
    for settings, status, sentence in (
        (f'url = "https:{url}"', 0, ""),
        (f'url = "http:{url}"\ninsecure = true', 0, ""),
        ('url = "http://127.0.0.1:1/{project_id}"', 0, ""),
        (
            f'url = "http:{url}"',
            78,
            "relayd: authorizers.http: url: must begin with https://: over http anybody on the",
        ),
        ("", 78, "relayd: authorizers.http.url: is required"),
        (f'url = "https:{url}"\ntimeout = 1', 78, "relayd: authorizers.http.timeout: unknown key; did you mean `aut"),
        (
            f'url = "https:{url}"\nsecret = "{SECRET[:31]}"',
            78,
            "relayd: authorizers.http: secret: must have at least 32",
        ),
        (
            f'url = "https:{url}"\nca_file = "/nowhere"',
            78,
            "relayd: authorizers.http: ca_file: /nowhere can't be used: ",
        ),
    ):
        path = write_config(tmp_path, f"[authorizers.http]\n{settings}\n", keys=keys)
        said = await relayd("check-config", path, capsys=capsys)
        assert status == said.status, said
        assert said.err.startswith(sentence), said.err
        assert ("rights by claims http, " in said.out) == (status == 0)
        assert ("set insecure = true" in said.err) == ("over http" in sentence)
        assert SECRET[:31] not in said.err


async def test_keys_that_are_left_out_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration is good all the same."""
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [pair("a").jwk(), pair("b").jwk(use="enc")]}))
    path = write_config(tmp_path, f"[auth.jwks]\nfile = '{tmp_path}/jwks.json'\n")
    said = await relayd("check-config", path, capsys=capsys)
    assert (0, "auth.jwks: keys[1]: its `use` is not sig; it is left out\n") == (said.status, said.err)
    assert "tokens checked with 1 key(s) and a JWK set, " in said.out


async def test_tickets_that_other_relays_can_t_open_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning: the configuration is good for who uses none."""
    said = await relayd("check-config", write_config(tmp_path, "[presence]\nuse = 'redis'\n"), capsys=capsys)
    assert (0, 1) == (said.status, len(said.err.splitlines()))
    assert said.err.startswith("auth.tickets.key: is not set, so a ticket opens only at the relay that made it; ")
    shared = f"[presence]\nuse = 'redis'\n[auth.tickets]\nkey = '{SECRET}'\n"
    said = await relayd("check-config", write_config(tmp_path, shared), capsys=capsys)
    assert (0, "") == (said.status, said.err)
    assert SECRET not in said.out


async def test_problems_are_lines_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each one, and the status that service managers know as a configuration error."""
    said = await relayd("check-config", write_config(tmp_path, "[server]\nport = 99999\nnope = 1\n"), capsys=capsys)
    assert (said.status, said.out) == (78, "")
    assert len(said.err.splitlines()) == 2


def test_a_missing_library_is_a_problem_with_its_mend(tmp_path: Path) -> None:
    """What was asked for, and what to install; a relay that does not ask for it needs none."""
    code = "import sys; sys.modules['redis'] = None; from relayd.cli import main; sys.exit(main())"
    for asked, status, said in (
        ("", 0, ""),
        (
            '[presence]\nuse = "redis"\n',
            78,
            (
                'presence.use: the presence "redis" can\'t be loaded from relayd.presence.redis:RedisPresence: '
                "the library redis is not installed; install relayd[redis]"
            ),
        ),
    ):
        command = [sys.executable, "-c", code, "check-config", write_config(tmp_path, asked)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (status, said) == (done.returncode, done.stderr.strip().removeprefix("relayd: "))


async def test_nothing_is_served_from_a_bad_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon does not even begin."""
    said = await relayd("serve", "--config", write_config(tmp_path, "[server]\nnope = 1\n"), capsys=capsys)
    assert said.status == 78
    assert "nope" in said.err
