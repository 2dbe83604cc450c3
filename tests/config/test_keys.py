import pytest

from tests.config.conftest import Loads, Problems

URL = "https://id.example/.well-known/jwks.json"


@pytest.mark.parametrize(
    "url",
    [
        "",
        URL,
        "https://id.example:8443/realms/main/protocol/openid-connect/certs",
        "https://id.example/keys?p=b2c_policy",
        "https://[2001:db8::1]/",
        "http://127.0.0.1:9000/jwks.json",
        "http://127.1.2.3/",
        "http://[::1]:9000/",
        "http://localhost/",
    ],
)
def test_where_keys_are_published(loads: Loads, url: str) -> None:
    """Over TLS anywhere; without it on this machine only."""
    assert url == loads(f"[auth.jwks]\nurl = '{url}'\n").auth.jwks.url


@pytest.mark.parametrize(
    "url",
    ["http://id.example/", "http://192.168.0.1/", "http://localhost.example/", "http://0.0.0.0/", "file:///etc/keys",
     "ftp://127.0.0.1/", "//127.0.0.1/keys", "127.0.0.1:9000/keys"],
)  # fmt: skip
def test_keys_that_anybody_on_the_way_could_change(problems: Problems, url: str) -> None:
    """The sentence says why."""
    (sentence,) = problems(f"[auth.jwks]\nurl = '{url}'\n")

    assert sentence in {
        "auth.jwks.url: must begin with https://; over http, anybody on the way could put keys of theirs in",
        "auth.jwks.url: must be an address like https://id.example/.well-known/jwks.json, without user or fragment",
    }


@pytest.mark.parametrize(
    "url",
    ["id.example", "https://", "https:///keys", "https://me:secret@id.example/", "https://me@id.example/",
     "https://id.example/#keys", "https://id.example/a b", "https://id.example:0/", "https://id.example:x/",
     "https://id.example:99999/", "https://[::1/"],
)  # fmt: skip
def test_what_is_no_address(problems: Problems, url: str) -> None:
    """Told without what might be a password."""
    (sentence,) = problems(f"[auth.jwks]\nurl = '{url}'\n")

    assert sentence.startswith("auth.jwks.url: ")
    assert "https://id.example/.well-known/jwks.json" in sentence
    assert "secret" not in sentence


def test_an_address_that_does_not_look_like_what_it_is(problems: Problems) -> None:
    """Control characters and marks that turn text around are in no address; an environment may hold them."""
    for odd in ("\x01", "\t", "\u202e"):
        (sentence,) = problems(environ={"RELAYD_AUTH__JWKS__URL": f"https://id.example/{odd}"})
        assert sentence.startswith("auth.jwks.url: must be an address like https://id.example/")


@pytest.mark.parametrize("names", [["RS256"], ["RS512", "RS256"], ["PS256", "PS384"], ["ES256", "ES512"], ["EdDSA"]])
def test_algorithms_of_one_family(loads: Loads, names: list[str]) -> None:
    """In the order in which they were written."""
    assert names == list(loads(f"[auth.jwks]\nalgorithms = {names}\n").auth.jwks.algorithms)


@pytest.mark.parametrize("names", [["RS256", "PS256"], ["RS256", "ES256"], ["ES256", "EdDSA"]])
def test_algorithms_of_several_families(problems: Problems, names: list[str]) -> None:
    """One RSA key would fit two of them, and a token could choose."""
    assert [
        'auth.jwks.algorithms: must be of one family: RS…, PS…, ES… or EdDSA, like ["RS256", "RS512"]'
    ] == problems(f"[auth.jwks]\nalgorithms = {names}\n")  # fmt: skip


@pytest.mark.parametrize("name", ["HS256", "none", "RS1", ""])
def test_an_algorithm_that_nobody_publishes_keys_for(problems: Problems, name: str) -> None:
    """A secret is not published."""
    (sentence,) = problems(f"[auth.jwks]\nalgorithms = ['{name}']\n")

    assert sentence.startswith("auth.jwks.algorithms[0]: must be 'RS256', ")
    assert "HS" not in sentence.partition(", not ")[0]


def test_no_algorithm(problems: Problems) -> None:
    """No key could fit."""
    assert ["auth.jwks.algorithms: must not be empty"] == problems("[auth.jwks]\nalgorithms = []\n")


def test_the_environment_reaches_the_inner_table(loads: Loads, problems: Problems) -> None:
    """A container is told the address and nothing else."""
    config = loads(environ={"RELAYD_AUTH__JWKS__URL": URL, "RELAYD_AUTH__JWKS__ALGORITHMS": "['ES256']"})

    assert (URL, ("ES256",)) == (config.auth.jwks.url, config.auth.jwks.algorithms)
    (sentence,) = problems(environ={"RELAYD_AUTH__JWKS__REFRESH_SECONDS": "0"})
    assert sentence.startswith("auth.jwks.refresh_seconds: must be greater than or equal to 1, not 0 (from environment")


def test_a_slip_in_the_inner_table(problems: Problems) -> None:
    """It is told with the key that was meant."""
    assert ["auth.jwks.ulr: unknown key; did you mean `auth.jwks.url`?"] == problems("[auth.jwks]\nulr = 'x'\n")
    assert ["auth.jwks: must be a table"] == problems("[auth]\njwks = 'x'\n[journal]\npath = 'x'\n", good="")
