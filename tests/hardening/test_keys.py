"""Attacks on keys that are published; each test's sentence tells the attack."""

import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from relayd.identity.jwks import SHAPES, parse, parse_file
from relayd.identity.jwt import BadKey, JwtVerifier, Key
from relayd.identity.keys import FixedKeys
from tests.harness.pairs import Pair, pair
from tests.identity.tokens import HMAC_KEY, NOW, forged, refusal

CLAIMS = {"sub": "eve", "exp": int(NOW) + 9}
THEIRS = Pair("a", "RS256")
FAMILY = {"RS": ("RS256", "RS384", "RS512"), "PS": ("PS256", "PS384", "PS512"), "ES": ("ES256", "ES384", "ES512")}


def verifier(*keys: Pair, algorithms: tuple[str, ...] = ("RS256",), own: tuple[Key, ...] = ()) -> JwtVerifier:
    """Return who checks tokens with what is published of these keys."""
    body = json.dumps({"keys": [key.jwk() for key in keys]}).encode()
    return JwtVerifier(own, published=FixedKeys(parse(body, algorithms).ring))


def disguised(key: Pair, algorithm: str) -> Pair:
    """Return the same key, signing as if it were of another algorithm."""
    other = Pair.__new__(Pair)
    other.kid, other.algorithm, other.private = key.kid, algorithm, key.private
    return other


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", None, 0])
def test_no_algorithm(algorithm: object) -> None:
    """A published key is no reason to need no signature."""
    checker = verifier(pair("a"))
    unsigned = pair("a").token(CLAIMS, alg=algorithm).rpartition(".")[0]

    assert refusal(f"{unsigned}.", verifier=checker) in {"algorithm", "malformed"}
    assert "algorithm" == refusal(pair("a").token(CLAIMS, alg=algorithm), verifier=checker)


@pytest.mark.parametrize("kid", ["a", None])
def test_a_published_key_as_a_secret(kid: str | None) -> None:
    """Everybody has the key, in every form; signing with it as an HMAC secret opens nothing."""
    key = pair("a")
    public = key.private.public_key()
    header = {"alg": "HS256"} | ({} if kid is None else {"kid": kid})
    for material in (
        key.pem,
        key.pem.strip(),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        json.dumps(key.jwk()),
        json.dumps({"keys": [key.jwk()]}),
        key.jwk()["n"],
        b"",
    ):
        assert "algorithm" == refusal(forged(header, CLAIMS, material), verifier=verifier(key))
        # Where secrets are in use as well, they are not mistaken for one another either.
        said = refusal(forged(header, CLAIMS, material), verifier=verifier(key, own=(HMAC_KEY,)))
        assert said == ("signature" if kid is None else "algorithm")


@pytest.mark.parametrize(("published", "used"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS512", "RS256")])
def test_one_key_two_paddings(published: str, used: str) -> None:
    """The signature is good and the key is the right one, but it is bound to another algorithm."""
    key = Pair("a", published)
    checker = verifier(key, algorithms=FAMILY[published[:2]])

    assert "eve" == checker.verify(key.token(CLAIMS), NOW).user
    assert "algorithm" == refusal(disguised(key, used).token(CLAIMS), verifier=checker)
    assert "algorithm" == refusal(disguised(key, used).token(CLAIMS, kid=None), verifier=checker)
    # The header says what is allowed, the signature is of the other kind.
    assert "signature" == refusal(disguised(key, used).token(CLAIMS, alg=published), verifier=checker)


def test_a_signature_of_another_curve() -> None:
    """A curve belongs to its algorithm, whatever the header says."""
    small, large = pair("s", "ES256"), pair("l", "ES384")
    checker = verifier(small, large, algorithms=FAMILY["ES"])

    assert "eve" == checker.verify(large.token(CLAIMS), NOW).user
    assert "algorithm" == refusal(small.token(CLAIMS, kid="l"), verifier=checker)
    assert "signature" == refusal(small.token(CLAIMS, kid="l", alg="ES384"), verifier=checker)
    assert "algorithm" == refusal(large.token(CLAIMS, alg="ES256K"), verifier=checker)


def test_zeros_are_no_signature() -> None:
    """The signature that once opened everything in some languages: r and s are zero."""
    unsigned = pair("s", "ES256").token(CLAIMS).rpartition(".")[0]
    checker = verifier(pair("s", "ES256"), algorithms=("ES256",))

    assert "signature" == refusal(f"{unsigned}.{'A' * 86}", verifier=checker)
    assert "signature" == refusal(f"{unsigned}.", verifier=checker)


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": THEIRS.jwk()},
        {"jku": "http://127.0.0.1:1/jwks.json"},
        {"x5u": "http://127.0.0.1:1/chain.pem"},
        {"x5c": ["AQAB"]},
        {"x5t": "AQAB"},
    ],
)
def test_a_token_brings_its_own_key(header: dict[str, Any]) -> None:
    """What a token says of its key is not read: it opens nothing, and closes nothing."""
    checker = verifier(pair("a"))

    assert "signature" == refusal(THEIRS.token(CLAIMS, **header), verifier=checker)
    assert "eve" == checker.verify(pair("a").token(CLAIMS, **header), NOW).user


@pytest.mark.parametrize("extra", [{"crit": ["x"], "x": 1}, {"crit": []}, {"crit": "exp"}, {"b64": False}])
def test_a_critical_header_we_do_not_know(extra: dict[str, Any]) -> None:
    """A good signature does not make up for it."""
    assert "malformed" == refusal(pair("a").token(CLAIMS, **extra), verifier=verifier(pair("a")))


@pytest.mark.parametrize("kid", ["../../../jwks.json", "http://127.0.0.1:1/", "x" * 1_500, "a\0", "A", " a"])
def test_a_hostile_kid(kid: str) -> None:
    """It is compared with what is published, and leads nowhere."""
    assert "unknown_key" == refusal(pair("a").token(CLAIMS, kid=kid), verifier=verifier(pair("a")))


def test_the_operators_key_stands_before_a_published_one() -> None:
    """Whoever may write the document must not replace the key that the operator chose, by giving another its id."""
    theirs = Pair("main", "RS256")

    assert "algorithm" == refusal(theirs.token(CLAIMS), verifier=verifier(theirs, own=(HMAC_KEY,)))
    ours = Key(id="main", algorithm="RS256", material=pair("main").pem)
    assert "signature" == refusal(theirs.token(CLAIMS), verifier=verifier(theirs, own=(ours,)))


def test_a_token_that_names_no_key_of_many() -> None:
    """A forgery must not cost a check by each key of a document; one key, or one of our own, needs no name."""
    two = verifier(pair("a"), pair("b"))

    assert "unknown_key" == refusal(pair("a").token(CLAIMS, kid=None), verifier=two)
    assert "eve" == verifier(pair("a")).verify(pair("a").token(CLAIMS, kid=None), NOW).user
    ours = Key(algorithm="RS256", material=pair("c").pem)
    checker = verifier(pair("a"), pair("b"), own=(ours,))
    assert "eve" == checker.verify(pair("c").token(CLAIMS, kid=None), NOW).user
    assert "signature" == refusal(pair("a").token(CLAIMS, kid=None), verifier=checker)
    assert "eve" == verifier(pair("a"), own=(ours,)).verify(pair("a").token(CLAIMS, kid=None), NOW).user


# -- documents that attackers, or accidents, write -------------------------------------------------------------------

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)
NUMBERS = st.sampled_from([pair("a").jwk()["n"], "AQAB", "AQ", "A", "", "_" * 1_367]) | st.text("AQB_-=+", max_size=90)
POINTS = st.sampled_from([pair("a", name).jwk()[axis] for name in FAMILY["ES"] for axis in "xy"]) | NUMBERS
ODD = {
    "kty": st.sampled_from(["RSA", "EC", "OKP", "oct", "AKP", ""]),
    "alg": st.sampled_from([*SHAPES, "HS256", "none", "RSA-OAEP", None]),
    "crv": st.sampled_from(["P-256", "P-384", "P-521", "Ed25519", "Ed448", "secp256k1"]),
    "use": st.sampled_from(["sig", "enc", None]),
    "key_ops": st.lists(st.sampled_from(["verify", "sign", "encrypt"]), max_size=3),
    "kid": st.text(max_size=3),
    "n": NUMBERS,
    "e": NUMBERS,
    "x": POINTS,
    "y": POINTS,
    "d": NUMBERS,
    "k": NUMBERS,
}
KEYS = st.fixed_dictionaries({}, optional=ODD) | st.fixed_dictionaries(
    {name: st.just(value) for name, value in pair("a", "ES256").jwk(kid=None).items()},
    optional={"d": JSON, "kid": JSON},
)
ALGORITHMS = st.sampled_from([*FAMILY.values(), ("EdDSA",), tuple(SHAPES)])


def accepted(body: bytes, algorithms: tuple[str, ...]) -> int:
    """Return how many keys of a document are used; raises whatever is not the named error, and for a wrong key."""
    found = []
    with suppress(BadKey):
        found.append(parse(body, algorithms))
    with suppress(BadKey):
        found.append(parse_file(body.decode(errors="replace"), algorithms))
    for key in (key for keys in found for several in keys.ring.by_algorithm.values() for key in several):
        assert key.algorithm in algorithms
        assert not isinstance(key.key, bytes | str)
        assert not hasattr(key.key, "private_bytes")
        assert hasattr(key.key, "verify")
    return sum(len(keys.keys) for keys in found)


# No deadline: on a busy machine a slow example is no finding.
@settings(deadline=None)
@given(st.lists(KEYS, max_size=3), ALGORITHMS)
def test_any_keys(keys: list[dict[str, Any]], algorithms: tuple[str, ...]) -> None:
    """Members with the right names and any values: public keys for these algorithms, or the named error."""
    used = accepted(json.dumps({"keys": keys}).encode(), algorithms)

    assert 0 == used or not any(key.get("kty") == "oct" or key.get("d") or key.get("k") for key in keys)


# No deadline: on a busy machine a slow example is no finding.
@settings(deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), ALGORITHMS)
def test_any_bytes(body: bytes, algorithms: tuple[str, ...]) -> None:
    """Whatever an address says: no key, and the named error."""
    assert 0 == accepted(body, algorithms)


# No deadline: on a busy machine a slow example is no finding.
@settings(deadline=None)
@given(st.data())
def test_a_good_document_with_a_fault(data: st.DataObject) -> None:
    """One byte of a good document is another, missing or new: the same key, another, or the named error."""
    body = bytearray(json.dumps({"keys": [pair("a").jwk(), pair("b", "ES256").jwk()]}).encode())
    place = data.draw(st.integers(0, len(body) - 1))
    body[place : place + data.draw(st.integers(0, 1))] = data.draw(st.binary(max_size=1))

    assert accepted(bytes(body), ("RS256",)) <= 2
