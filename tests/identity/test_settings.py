from pathlib import Path

import pytest
from pydantic import ValidationError

from relayd.identity.settings import ClaimsSettings, HttpSettings, OwnershipSettings

URL = "https://api.example/projects/{project_id}/access"
SECRET = "0123456789abcdef0123456789abcdef"


def mistake(**settings: object) -> str:
    """Return what is wrong with these settings of the API."""
    with pytest.raises(ValidationError) as caught:
        HttpSettings.model_validate({"url": URL, **settings})
    (error,) = caught.value.errors()
    return f"{'.'.join(map(str, error['loc']))}: {error['msg'].removeprefix('Value error, ')}"


@pytest.mark.parametrize("model", [ClaimsSettings, OwnershipSettings])
def test_every_setting_has_a_reason_and_a_default(model: type[ClaimsSettings] | type[OwnershipSettings]) -> None:
    """They work without a table, and the reference is made of them."""
    assert [] == [name for name, field in model.model_fields.items() if not field.description or field.is_required()]


def test_an_api_has_an_address_and_the_rest_has_defaults() -> None:
    """Each with its reason; the address is the one thing that nobody can guess."""
    fields = HttpSettings.model_fields
    assert (["url"], []) == (
        [name for name, field in fields.items() if field.is_required()],
        [name for name, field in fields.items() if not field.description],
    )
    assert b"" == HttpSettings(url=URL).signing_secret()


@pytest.mark.parametrize(
    "url",
    [
        "api.example/{project_id}",
        "ftp://api.example/{project_id}",
        "https:///{project_id}",
        "https://user:secret@api.example/{project_id}",
        "https://api.example/{project_id}#there",
        "https://api.example:0/{project_id}",
        "https://api.example:port/{project_id}",
        "https://api.example/projects",
        "https://{project_id}.api.example/{project_id}",
        "https://api.example/{project}/{project_id}",
        "https://api.example/a b/{project_id}",
        "https://api.example/ä/{project_id}",
        "https://[::1/{project_id}",
        "",
    ],
)
def test_what_is_no_address_of_a_project(url: str) -> None:
    """Named with one that is; what stood there, which may be a secret, is not repeated."""
    said = mistake(url=url)
    assert said.startswith("url: ")
    assert "https://api.example/projects/{project_id}/access" in said
    assert "secret" not in said


@pytest.mark.parametrize("host", ["api.example", "10.0.0.7", "localhost.example", "[2001:db8::1]"])
def test_tokens_are_not_sent_in_the_open(host: str) -> None:
    """Over http only on loopback, or where the operator says that the way is his own; the error says how."""
    url = f"http://{host}/{{project_id}}"
    said = mistake(url=url)
    assert "url: must begin with https://" in said
    assert "set insecure = true" in said
    assert url == HttpSettings(url=url, insecure=True).url


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_on_loopback_nobody_listens(host: str) -> None:
    """Http is as good."""
    assert HttpSettings(url=f"http://{host}:8080/?id={{project_id}}").url


def test_a_secret_is_long_and_in_one_place(tmp_path: Path) -> None:
    """In the table or in a file of its owner's; each mistake names its mend, and no secret."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    assert SECRET.encode() == HttpSettings(url=URL, secret_file=str(path)).signing_secret()
    # As it comes out of a file: pydantic's own type is made of it.
    assert SECRET.encode() == HttpSettings.model_validate({"url": URL, "secret": SECRET}).signing_secret()
    assert ": has both `secret` and `secret_file`; remove one" == mistake(secret=SECRET, secret_file=str(path))
    assert "at least 32 bytes" in mistake(secret="short-one")
    assert "short-one" not in mistake(secret="short-one")
    path.write_text("short-one")
    assert "at least 32 bytes" in mistake(secret_file=str(path))
    path.write_text("\n")
    assert mistake(secret_file=str(path)).startswith(f"secret_file: {path} is empty")
    path.chmod(0o640)
    assert mistake(secret_file=str(path)).endswith(f"run `chmod 600 {path}`")
    assert mistake(secret_file=str(tmp_path / "nowhere")).startswith("secret_file: can't be read: ")
