from pathlib import Path

import pytest

from tests.config.conftest import Loads, Problems
from tests.config.plugin_settings import KEY

JOURNAL = "[journal]\npath = 'relayd.db'\n"
PEM = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"
A_PEM = 'a public key in PEM, beginning with "-----BEGIN PUBLIC KEY-----"'
PRIVATE_PEM = PEM.replace("PUBLIC", "PRIVATE")
CREDENTIAL = KEY.replace("0", "x")


def keys(*entries: str) -> str:
    """Return the tables of a file with these keys."""
    return f"[auth]\nkeys = [{', '.join(entries)}]\n{JOURNAL}"


def a_file(path: Path, text: str, mode: int) -> Path:
    """Write a key file with these permissions."""
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_in_a_file_of_its_own(loads: Loads, tmp_path: Path) -> None:
    """The line feed that editors leave is no part of the key."""
    path = a_file(tmp_path / "key", KEY + "\n", 0o600)

    config = loads(keys(f"{{ algorithm = 'HS256', file = '{path}' }}"), good="")

    assert KEY == config.auth.keys[0].key.get_secret_value()


def test_a_secret_is_in_no_repr(loads: Loads) -> None:
    """A configuration may be logged."""
    assert KEY not in repr(loads())
    assert KEY not in str(loads().auth)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_secret_that_others_can_read(problems: Problems, tmp_path: Path, mode: int) -> None:
    """Whoever reads it can sign tokens; the sentence holds the command that mends it."""
    path = a_file(tmp_path / "key", KEY, mode)

    assert [f"auth.keys[0].file: {path} is readable by others than its owner; run `chmod 600 {path}`"] == problems(
        keys(f"{{ algorithm = 'HS256', file = '{path}' }}"), good=""
    )


def test_a_public_key_may_be_read_but_not_written_by_others(loads: Loads, problems: Problems, tmp_path: Path) -> None:
    """It is no secret, but whoever replaces it can let anybody in."""
    read = a_file(tmp_path / "read.pem", PEM, 0o644)
    written = a_file(tmp_path / "written.pem", PEM, 0o664)
    private = a_file(tmp_path / "private.pem", PRIVATE_PEM, 0o644)

    assert (
        PEM == loads(keys(f"{{ algorithm = 'ES256', file = '{read}' }}"), good="").auth.keys[0].key.get_secret_value()
    )
    assert [
        f"auth.keys[0].file: {written} can be written by others than its owner; run `chmod go-w {written}`",
        f"auth.keys[1].file: {private} is readable by others than its owner; run `chmod 600 {private}`",
    ] == problems(
        keys(f"{{ algorithm = 'ES256', file = '{written}' }}", f"{{ algorithm = 'ES256', file = '{private}' }}"),
        good="",
    )


def test_a_file_that_is_not_there(problems: Problems) -> None:
    """The system's own words name the path."""
    (sentence,) = problems(keys("{ algorithm = 'HS256', file = '/nonexistent/key' }"), good="")

    assert sentence.startswith("auth.keys[0].file: can't be read: ")
    assert "/nonexistent/key" in sentence


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            f"algorithm = 'HS256', key = '{KEY[:31]}'",
            "the secret must have at least 32 bytes; make one with `openssl rand -base64 32`",
        ),
        (
            f"algorithm = 'HS512', key = '{KEY}'",
            "the secret must have at least 64 bytes; make one with `openssl rand -base64 64`",
        ),
        (
            f"algorithm = 'HS256', key = '''{PEM}'''",
            "HS256 needs a secret, not a PEM; did you mean RS256, ES256 or EdDSA?",
        ),
        (
            f"algorithm = 'RS256', key = '{KEY}'",
            f"RS256 needs {A_PEM}; a JWK goes into auth.jwks.file",
        ),
        (f"algorithm = 'HS256', key = '{KEY}', file = 'x'", "has both `key` and `file`; remove one"),
        ("algorithm = 'HS256'", "has no key; give `key`, `file` or the credential jwt_key"),
    ],
)
def test_a_key_that_is_none(problems: Problems, entry: str, said: str) -> None:
    """Weak, of the wrong kind, twice or not at all: told before anybody can use it, and never repeated."""
    (sentence,) = problems(keys(f"{{ {entry} }}"), good="")

    assert sentence == f"auth.keys[0]: {said}"


def test_two_keys_of_one_name(problems: Problems) -> None:
    """A token names its key; two answers would be none."""
    entry = f"{{ id = 'a', algorithm = 'HS256', key = '{KEY}' }}"

    assert ['auth.keys: several keys have the id "a"; a token could not say which it means'] == problems(
        keys(entry, entry), good=""
    )


def test_the_credential_alone_is_a_secret(loads: Loads, tmp_path: Path) -> None:
    """A relay with nothing but the credential is one with an HS256 key."""
    (tmp_path / "jwt_key").write_text(CREDENTIAL + "\n")

    (key,) = loads(JOURNAL, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, good="").auth.keys

    assert "HS256" == key.algorithm
    assert CREDENTIAL == key.key.get_secret_value()


def test_the_credential_is_the_first_key_s(loads: Loads, tmp_path: Path) -> None:
    """The file says id and algorithm of the new key and keeps the old one while tokens of it live."""
    (tmp_path / "jwt_key").write_text(CREDENTIAL)

    new, old = loads(
        keys("{ id = 'new', algorithm = 'HS256' }", f"{{ id = 'old', algorithm = 'HS256', key = '{KEY}' }}"),
        {"CREDENTIALS_DIRECTORY": str(tmp_path)},
        good="",
    ).auth.keys

    assert (new.id, new.key.get_secret_value()) == ("new", CREDENTIAL)
    assert (old.id, old.key.get_secret_value()) == ("old", KEY)


def test_a_directory_without_that_credential(loads: Loads, tmp_path: Path) -> None:
    """A unit may hand over others."""
    assert KEY == loads(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).auth.keys[0].key.get_secret_value()


# -- a JWK set in a file -----------------------------------------------------------------------------------------------

DOCUMENT = '{"keys": []}'


def test_the_text_of_a_file_takes_its_place(loads: Loads, tmp_path: Path) -> None:
    """Who reads it is told what stands there, as if it had been written into the configuration."""
    path = a_file(tmp_path / "jwks.json", DOCUMENT + "\n", 0o644)

    jwks = loads(f"[auth.jwks]\nfile = '{path}'\n").auth.jwks

    assert (DOCUMENT, "", ["document"]) == (jwks.document, jwks.file, jwks.given)


def test_a_file_of_keys_that_others_can_write(problems: Problems, tmp_path: Path) -> None:
    """Whoever writes it lets anybody in."""
    path = a_file(tmp_path / "jwks.json", DOCUMENT, 0o664)

    assert [
        f"auth.jwks.file: {path} can be written by others than its owner; run `chmod go-w {path}`"
    ] == problems(f"[auth.jwks]\nfile = '{path}'\n")  # fmt: skip


def test_a_file_of_keys_that_is_not_there(problems: Problems) -> None:
    """One sentence; that there is no key is its consequence."""
    (sentence,) = problems("[auth.jwks]\nfile = '/nonexistent/jwks.json'\n[journal]\npath = 'x'\n", good="")

    assert sentence.startswith("auth.jwks.file: can't be read: ")
    assert "/nonexistent/jwks.json" in sentence


# -- what tickets are sealed with --------------------------------------------------------------------------------------


def test_the_secret_for_tickets(loads: Loads, tmp_path: Path) -> None:
    """In the file, in one of its own, as a credential, or nowhere: then there is none."""
    path = a_file(tmp_path / "ticket_key", KEY + "\n", 0o600)

    for text, environ, secret in (
        (f"[auth.tickets]\nkey = '{KEY}'\n", {}, KEY),
        (f"[auth.tickets]\nfile = '{path}'\n", {}, KEY),
        ("", {"CREDENTIALS_DIRECTORY": str(tmp_path)}, KEY),
        ("", {"RELAYD_AUTH__TICKETS__KEY": KEY}, KEY),
        ("", {}, ""),
    ):
        tickets = loads(text, environ).auth.tickets
        assert (secret, "") == (tickets.key.get_secret_value(), tickets.file)
        assert KEY not in repr(tickets)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"key = '{KEY[:31]}'", 0o600, ": the secret must have at least 32 bytes; make one with `openssl rand"),
        ("file = 'PATH'", 0o600, ": the secret must have at least 32 bytes; make one with `openssl rand"),
        ("file = 'PATH'", 0o640, ".file: PATH is readable by others than its owner; run `chmod 600 PATH`"),
        ("file = '/nonexistent/key'", 0o600, ".file: can't be read: "),
        (f"key = '{KEY}'\nfile = 'PATH'", 0o600, ": has both `key` and `file`; remove one"),
    ],
)
def test_a_secret_for_tickets_that_is_none(problems: Problems, tmp_path: Path, text: str, mode: int, said: str) -> None:
    """Weak, open to others, twice, or not there; the first sentence says so, and none repeats it."""
    path = str(a_file(tmp_path / "key", KEY if mode == 0o640 else KEY[:31], mode))

    sentence, *more = problems(f"[auth.tickets]\n{text.replace('PATH', path)}\n")

    assert sentence.startswith(f"auth.tickets{said.replace('PATH', path)}")
    assert [] == more


@pytest.mark.parametrize("seconds", ["0", "-1", "30.5"])
def test_a_ticket_lives_for_half_a_minute_at_most(problems: Problems, seconds: str) -> None:
    """Longer, and whoever reads an old log could use one; none at all opens nothing."""
    (sentence,) = problems(f"[auth.tickets]\nlifetime_seconds = {seconds}\n")

    assert sentence.startswith("auth.tickets.lifetime_seconds: ")
