import pytest

from relayd.core.access import Viewer
from relayd.identity.jwt import BadKey, JwtVerifier, Key, issue, sign
from tests.identity.tokens import HMAC_KEY, NOW, SECRET, VERIFIER, forged, pem_pair, refusal, token


def test_a_token_becomes_a_viewer() -> None:
    """Lists and single values of a claim mean the same and add up."""
    viewer = VERIFIER.verify(
        token(
            jti="t-1",
            roles=["viewer"],
            role="admin",
            teams=["red"],
            team="blue",
            projects=["p-1", "p-2"],
            project="p-3",
            worker=True,
        ),
        NOW,
    )

    assert viewer == Viewer(
        user="ada",
        expires_at=int(NOW) + 600.0,
        token_id="t-1",
        roles=frozenset({"viewer", "admin"}),
        teams=frozenset({"red", "blue"}),
        projects=frozenset({"p-1", "p-2", "p-3"}),
        worker=True,
    )


def test_the_least_a_token_says() -> None:
    """Who and until when; all else is nothing."""
    assert Viewer(user="ada", expires_at=int(NOW) + 600.0) == VERIFIER.verify(token(), NOW)


@pytest.mark.parametrize(
    ("claims", "worker"), [({"role": "worker"}, True), ({"worker": False}, False), ({"roles": []}, False)]
)
def test_who_may_publish(claims: dict[str, object], worker: bool) -> None:
    """A flag or a role of that name."""
    assert worker is VERIFIER.verify(token(**claims), NOW).worker


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "openid  swarm:read"}, {"openid", "swarm:read"}),
        ({"scope": ["openid"], "scp": "swarm:read"}, {"openid", "swarm:read"}),
        ({"scope": ""}, set()),
    ],
)
def test_scopes_as_issuers_write_them(claims: dict[str, object], scopes: set[str]) -> None:
    """One text with spaces (RFC 8693 4.2), or a list, under either name."""
    assert scopes == VERIFIER.verify(token(**claims), NOW).scopes


@pytest.mark.parametrize("scope", [5, {"a": 1}, [1], ["a\nb"]])
def test_scopes_that_are_none(scope: object) -> None:
    """What can't be read grants nothing else either."""
    assert "claims" == refusal(token(scope=scope))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_pair_of_keys(algorithm: str) -> None:
    """The issuer signs with the private key, the relay knows the public one; a private one also checks."""
    private, public = pem_pair(algorithm)
    text = sign({"sub": "ada", "exp": int(NOW) + 9}, Key(algorithm=algorithm, material=private))

    assert "ada" == JwtVerifier([Key(algorithm=algorithm, material=public)]).verify(text, NOW).user
    assert "ada" == JwtVerifier([Key(algorithm=algorithm, material=private)]).verify(text, NOW).user


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_shared_secret(algorithm: str) -> None:
    """All three sizes."""
    key = Key(algorithm=algorithm, material=SECRET * 2)

    assert "ada" == JwtVerifier([key]).verify(sign({"sub": "ada", "exp": int(NOW) + 9}, key), NOW).user


def test_a_token_without_kid_is_tried_with_every_key_of_its_algorithm() -> None:
    """While keys are rotated, tokens of both open, and of no third."""
    first, second, third = (
        Key(id=str(number), algorithm="HS256", material=SECRET.replace("0", str(number))) for number in (1, 2, 3)
    )
    verifier = JwtVerifier([first, second])

    assert (
        "ada"
        == verifier.verify(forged({"alg": "HS256"}, {"sub": "ada", "exp": int(NOW) + 9}, first.material), NOW).user
    )
    assert (
        "ada"
        == verifier.verify(forged({"alg": "HS256"}, {"sub": "ada", "exp": int(NOW) + 9}, second.material), NOW).user
    )
    assert "signature" == refusal(
        forged({"alg": "HS256"}, {"sub": "ada", "exp": int(NOW) + 9}, third.material), verifier=verifier
    )


# -- what tokens are issued ------------------------------------------------------------------------------------------


def test_what_is_issued_opens() -> None:
    """The viewer that goes in comes out."""
    viewer = Viewer(
        user="ada",
        expires_at=float(int(NOW) + 60),
        token_id="t-9",
        issued_at=float(int(NOW)),
        roles=frozenset({"admin"}),
        teams=frozenset({"red"}),
        projects=frozenset({"*"}),
        worker=True,
    )
    text = issue(HMAC_KEY, viewer, now=NOW, audience="relay", issuer="me")

    assert viewer == JwtVerifier([HMAC_KEY], audience="relay", issuer="me").verify(text, NOW)


def test_every_issued_token_has_a_name() -> None:
    """So that one can be revoked without the others."""
    viewer = Viewer(user="ada", expires_at=NOW + 60)
    one, other = (VERIFIER.verify(issue(HMAC_KEY, viewer, now=NOW), NOW).token_id for _ in range(2))

    assert one is not None
    assert one != other


def test_a_public_key_signs_nothing() -> None:
    """The sentence says what is needed instead."""
    _, public = pem_pair("ES256")

    with pytest.raises(BadKey, match="give the private one"):
        sign({}, Key(algorithm="ES256", material=public))


# -- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (Key(algorithm="none", material=""), "the algorithm must be one of"),
        (Key(algorithm="RS256", material="no key"), "is no key for RS256"),
        (Key(algorithm="HS256", material=""), "is no key for HS256"),
    ],
)
def test_a_key_that_is_none(key: Key, said: str) -> None:
    """Told before the first token comes."""
    with pytest.raises(BadKey, match=said):
        JwtVerifier([key])


def test_a_key_is_not_shown() -> None:
    """Neither by itself nor in what is said about it."""
    assert SECRET not in repr(HMAC_KEY)
    with pytest.raises(BadKey) as caught:
        JwtVerifier([Key(algorithm="ES256", material=SECRET)])
    assert SECRET not in str(caught.value)
