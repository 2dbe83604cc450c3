import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from relayd.cli.exits import CommandFailed
from relayd.cli.token import duration
from relayd.identity.jwt import JwtVerifier, Key
from tests.cli.commanding import SECRET, relayd, write_config

VERIFIER = JwtVerifier([Key(algorithm="HS256", material=SECRET)])


async def test_only_the_token_stands_on_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`curl -H "Authorization: Bearer $(relayd token …)"` works, and the token says what was asked."""
    said = await relayd(
        "token", "--config", write_config(tmp_path), "--user", "ada", "--project", "p", "--project", "q",
        "--role", "admin", "--team", "core", "--worker", "--ttl", "15m", capsys=capsys,
    )  # fmt: skip
    assert (said.status, said.err) == (0, "")
    viewer = VERIFIER.verify(said.out.removesuffix("\n"), time.time())
    assert (viewer.user, viewer.worker) == ("ada", True)
    assert [["p", "q"], ["admin"], ["core"]] == [
        sorted(names) for names in (viewer.projects, viewer.roles, viewer.teams)
    ]
    assert 880 < viewer.expires_at - time.time() <= 900


async def test_a_public_key_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first key that can sign does."""
    public = Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keys = f'[{{ algorithm = "EdDSA", key = """{pem}""" }}, {{ algorithm = "HS256", key = "{SECRET}" }}]'
    said = await relayd("token", "-c", write_config(tmp_path, keys=keys), "--user", "ada", capsys=capsys)
    assert VERIFIER.verify(said.out.strip(), time.time()).user == "ada"


async def test_a_key_of_ones_own_signs_beside_an_issuer_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is asked; where there is none of one's own, the issuer's tokens are the only ones."""
    jwks = "[auth.jwks]\nurl = 'https://127.0.0.1:1/jwks.json'\n"
    said = await relayd("token", "-c", write_config(tmp_path, jwks), "--user", "ada", capsys=capsys)
    assert "ada" == VERIFIER.verify(said.out.strip(), time.time()).user
    said = await relayd("token", "-c", write_config(tmp_path, jwks, keys="[]"), "--user", "ada", capsys=capsys)
    assert (78, "") == (said.status, said.out)
    assert "sign where the private key is" in said.err


async def test_without_a_key_there_is_no_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence names the setting and the mend."""
    path = tmp_path / "relayd.toml"
    path.write_text('[auth]\nmode = "disabled"\n[journal]\npath = "j"\n', encoding="utf-8")
    said = await relayd("token", "-c", str(path), "--user", "ada", capsys=capsys)
    assert (said.status, said.out) == (78, "")
    assert "auth.keys" in said.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("--user", "ada", "--ttl", "2d"), "max_lifetime"), (("--user", "ada", "--ttl", "soon"), "--ttl"),
     (("--user", ""), "refuse"), (("--user", "a\nb"), "refuse")],
)  # fmt: skip
async def test_a_token_that_would_be_refused_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], word: str
) -> None:
    """Better here than at the door."""
    said = await relayd("token", "-c", write_config(tmp_path), *arguments, capsys=capsys)
    assert (said.status, said.out) == (64, "")
    assert word in said.err


def test_durations_are_read() -> None:
    """Seconds, minutes, hours, days."""
    assert [30, 900, 3_600, 86_400] == [duration(text) for text in ("30s", "15m", "1h", "1d")]
    for text in ("", "1", "h", "-1h", "1w", "1h30m", "0s"):
        with pytest.raises(CommandFailed, match="--ttl"):
            duration(text)
