"""Tokens that attackers send; each test's sentence tells the attack."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayd.identity.jwt import REASONS, BadKey, JwtVerifier, Key, sign
from tests.identity.tokens import HMAC_KEY, NOW, VERIFIER, encoded, forged, judged, part, pem_pair, refusal, token


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 5, ["HS256"], {"a": 1}])
def test_no_algorithm(algorithm: object) -> None:
    """A token that says it needs no signature is refused, with and without one, in every spelling."""
    claims = {"sub": "ada", "exp": int(NOW) + 9}

    assert refusal(f"{part({'alg': algorithm})}.{part(claims)}.") in {"algorithm", "malformed"}
    assert refusal(forged({"alg": algorithm}, claims)) in {"algorithm", "malformed"}
    assert refusal(forged({"alg": algorithm, "kid": "main"}, claims)) in {"algorithm", "malformed"}


def test_a_public_key_as_a_secret() -> None:
    """Everybody has the public PEM; signing with it as an HMAC secret opens nothing, named or not."""
    _, public = pem_pair("RS256")
    verifier = JwtVerifier([Key(id="rsa", algorithm="RS256", material=public), HMAC_KEY])
    claims = {"sub": "eve", "exp": int(NOW) + 9}

    assert "algorithm" == refusal(forged({"alg": "HS256", "kid": "rsa"}, claims, public), verifier=verifier)
    assert "signature" == refusal(forged({"alg": "HS256"}, claims, public), verifier=verifier)
    assert "algorithm" == refusal(forged({"alg": "RS384"}, claims, public), verifier=verifier)
    with pytest.raises(BadKey):
        JwtVerifier([Key(algorithm="HS256", material=public)])


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "x" * 2_000, "", "main\0"])
def test_a_hostile_kid(kid: str) -> None:
    """The id is looked up in a dict and nowhere else; an unknown one is refused though the signature is good."""
    assert "unknown_key" == refusal(forged({"alg": "HS256", "kid": kid}, {"sub": "ada", "exp": int(NOW) + 9}))


@pytest.mark.parametrize("kid", [None, 5, ["main"], {"main": 1}, True])
def test_a_kid_that_is_no_string(kid: object) -> None:
    """A list as a key of a dict would raise, were it looked up."""
    assert "malformed" == refusal(forged({"alg": "HS256", "kid": kid}, {"sub": "ada", "exp": int(NOW) + 9}))


def test_headers_that_bring_their_own_key() -> None:
    """`jku`, `x5u` and `jwk` are not read: with our signature they do nothing, with theirs neither."""
    theirs = "e" * 32
    header = {
        "alg": "HS256",
        "jku": "http://127.0.0.1:1/keys",
        "x5u": "http://127.0.0.1:1/cert",
        "jwk": {"kty": "oct", "k": encoded(theirs.encode())},
    }
    claims = {"sub": "ada", "exp": int(NOW) + 9}

    assert "ada" == VERIFIER.verify(forged(header, claims), NOW).user
    assert "signature" == refusal(forged(header, claims, theirs))


@pytest.mark.parametrize(
    "extra", [{"crit": ["x"], "x": 1}, {"crit": "x"}, {"b64": False}, {"b64": False, "crit": ["b64"]}]
)
def test_a_critical_header_we_do_not_know(extra: dict[str, object]) -> None:
    """What must be understood and is not makes the token unreadable."""
    assert "malformed" == refusal(forged({"alg": "HS256", **extra}, {"sub": "ada", "exp": int(NOW) + 9}))


def test_times_to_the_second() -> None:
    """Expired and not yet begun, each with exactly the leeway; the token keeps its own expiry."""
    verifier = JwtVerifier([HMAC_KEY], leeway=5)

    assert 1_000.0 == verifier.verify(token(exp=1_000), 1_004.9).expires_at
    assert "expired" == refusal(token(exp=1_000), verifier=verifier, now=1_005.0)
    assert "ada" == verifier.verify(token(exp=1_600, nbf=1_005), 1_000.0).user
    assert "not_yet" == refusal(token(exp=1_600, nbf=1_005), verifier=verifier, now=999.9)
    assert "ada" == verifier.verify(token(exp=1_600, iat=1_005.5), 1_000.5).user
    assert "not_yet" == refusal(token(exp=1_600, iat=1_005.5), verifier=verifier, now=1_000.4)


def test_a_token_that_never_ends() -> None:
    """No `exp` is no token."""
    assert "claims" == refusal(token(exp=None))


@pytest.mark.parametrize("exp", ["9999999999", 1.7e9, True, [1], {}])
def test_an_end_that_is_no_whole_number(exp: object) -> None:
    """Nothing is turned into a number for the sender."""
    assert "claims" == refusal(token(exp=exp))


def test_a_life_that_is_too_long() -> None:
    """A day is a day, from the time of issue or, where that is not told, from now; 10^30 breaks no timer."""
    verifier = JwtVerifier([HMAC_KEY], max_lifetime=100, leeway=5)

    assert "claims" == refusal(token(exp=10**30), verifier=verifier)
    assert "claims" == refusal(token(exp=10**400, iat=1.5), verifier=verifier)
    assert "expired" == refusal(token(exp=-(10**30)), verifier=verifier)
    assert 1_100.0 == verifier.verify(token(exp=1_100), 1_000.0).expires_at
    assert "claims" == refusal(token(exp=1_101), verifier=verifier, now=1_000.0)
    assert 1_100.0 == verifier.verify(token(exp=1_100, iat=1_000), 1_050.0).expires_at
    assert "claims" == refusal(token(exp=1_100, iat=999), verifier=verifier, now=1_050.0)
    # Issued a moment ahead of our clock, which the leeway allows.
    assert 1_103.0 == verifier.verify(token(exp=1_103, iat=1_003), 1_000.0).expires_at
    assert "claims" == refusal(token(exp=1_100, iat=-(10**400)), verifier=verifier, now=1_050.0)


@pytest.mark.parametrize("name", ["iat", "nbf"])
@pytest.mark.parametrize("value", ["1", True, [], float("nan"), float("inf"), float("-inf")])
def test_times_that_are_none(name: str, value: object) -> None:
    """NaN is neither before nor after, and would pass as any time."""
    assert "claims" == refusal(token(**{name: value}))


@pytest.mark.parametrize("audience", [None, "other", ["other"], {"relay": 1}, 5])
def test_a_token_for_another(audience: object) -> None:
    """Who is asked for an audience accepts no token without it."""
    assert "audience" == refusal(token(aud=audience), verifier=JwtVerifier([HMAC_KEY], audience="relay"))


@pytest.mark.parametrize("audience", ["relay", ["other", "relay"]])
def test_a_token_for_us(audience: object) -> None:
    """Alone or among others."""
    assert "ada" == JwtVerifier([HMAC_KEY], audience="relay").verify(token(aud=audience), NOW).user


@pytest.mark.parametrize("issuer", [None, "other", ["me"], "me "])
def test_a_token_from_another(issuer: object) -> None:
    """One issuer, to the letter."""
    verifier = JwtVerifier([HMAC_KEY], issuer="me")

    assert "issuer" == refusal(token(iss=issuer), verifier=verifier)
    assert "ada" == verifier.verify(token(iss="me"), NOW).user


def test_what_is_not_asked_for_is_not_checked() -> None:
    """Without an audience of ours, theirs says nothing to us."""
    assert "ada" == VERIFIER.verify(token(aud="other", iss="other"), NOW).user


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 31), ("HS384", 47), ("HS512", 63)])
def test_a_secret_that_can_be_guessed(algorithm: str, size: int) -> None:
    """A relay with a short secret does not start, and signs nothing."""
    key = Key(algorithm=algorithm, material="x" * size)

    with pytest.raises(BadKey, match="below the minimum"):
        JwtVerifier([key])
    with pytest.raises(BadKey, match="below the minimum"):
        sign({}, key)


def test_a_token_that_is_too_large() -> None:
    """4 KiB, measured before anything of it is read."""
    fits = token(pad="")
    padded = token(pad="x" * ((4_096 - len(fits)) * 3 // 4))

    assert 4_090 < len(padded) <= 4_096
    assert "ada" == VERIFIER.verify(padded, NOW).user
    assert "too_large" == refusal("." * 4_097)
    assert "too_large" == refusal("x" * 1_000_000)


@pytest.mark.parametrize("nested", [b"[" * 2_900, b'{"a":' * 580, b"[" * 1_400 + b"]" * 1_400, b"9" * 2_900])
def test_claims_nested_to_the_bottom(nested: bytes) -> None:
    """What breaks the parser breaks nothing else, be it signed or be it the header."""
    assert "malformed" == refusal(forged({"alg": "HS256"}, nested))
    assert "malformed" == refusal(forged(nested, {"sub": "ada"}))


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "..",
        "a.b.c",
        "a.b",
        "a.b.c.d",
        "\ud800.a.b",
        "é.é.é",
        " ",
        "\0",
        f"{part({'alg': 'HS256'})}.!.!",
        f"{part([])}.e30.",
    ],
)
def test_what_is_no_token(text: str) -> None:
    """Whatever comes, it ends as a refusal."""
    assert "malformed" == refusal(text)


@pytest.mark.parametrize("claims", [[], "ada", 5, None, b"{", b"\xff"])
def test_claims_that_are_no_object(claims: object) -> None:
    """Signed rubbish is rubbish."""
    assert "malformed" == refusal(forged({"alg": "HS256"}, claims))


def test_no_token() -> None:
    """Nothing came: a reason of its own, because it is the commonest."""
    assert "no_token" == refusal("")


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": "x" * 129},
        {"sub": "a\nb"},
        {"sub": "\ud800"},
        {"jti": 5},
        {"jti": ""},
        {"worker": "true"},
        {"worker": 1},
        {"roles": "admin"},
        {"role": ["admin"]},
        {"teams": [1]},
        {"team": ""},
        {"projects": {"p": 1}},
        {"project": 5},
    ],
)
def test_claims_of_another_kind(claims: dict[str, object]) -> None:
    """A signed token of a careless issuer is told so, instead of being half understood."""
    assert "claims" == refusal(token(**claims))


def test_a_changed_token() -> None:
    """One more claim, the old signature."""
    header, _, signature = token().split(".")

    assert "signature" == refusal(f"{header}.{part({'sub': 'eve', 'exp': int(NOW) + 600})}.{signature}")


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)


# No deadline: on a busy machine a slow example is no finding.
@settings(deadline=None)
@given(
    header=st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "typ"]), JSON), claims=JSON, alg=st.booleans()
)
def test_any_header_and_claims(header: dict[str, object], claims: object, alg: bool) -> None:
    """A viewer or a reason of the closed set, nothing else, whatever was signed."""
    named = {**header, "alg": "HS256"} if alg else header

    assert judged(forged(named, claims)) in {*REASONS, None}


# No deadline: on a busy machine a slow example is no finding.
@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["sub", "exp", "iat", "nbf", "aud", "iss", "jti", "roles", "role", "projects", "team", "worker"]
        ),
        JSON,
    )
)
def test_any_claims(claims: dict[str, object]) -> None:
    """The same for claims that have the right names and the wrong values."""
    assert judged(forged({"alg": "HS256"}, json.dumps(claims).encode())) in {*REASONS, None}
