import json

import pytest

from relayd.identity.jwks import MAX_KEYS, SHAPES, KeySet, parse, parse_file
from relayd.identity.jwt import BadKey, JwtVerifier
from relayd.identity.keys import ALGORITHMS, FixedKeys
from tests.harness.pairs import Jwk, Pair, pair
from tests.identity.tokens import NOW

CLAIMS = {"sub": "ada", "exp": int(NOW) + 600}


def document(*keys: object) -> bytes:
    """Return a JWK set as it is published."""
    return json.dumps({"keys": keys}).encode()


def read(*keys: object, algorithms: tuple[str, ...] = ("RS256",)) -> KeySet:
    """Return what a JWK set is to us."""
    return parse(document(*keys), algorithms)


def refused(body: bytes, *, algorithms: tuple[str, ...] = ("RS256",)) -> str:
    """Return why a document is refused."""
    with pytest.raises(BadKey) as caught:
        parse(body, algorithms)
    return str(caught.value)


def test_every_asymmetric_algorithm_has_its_shape() -> None:
    """And no symmetric one has."""
    assert {name for name in ALGORITHMS if not name.startswith("HS")} == SHAPES.keys()


@pytest.mark.parametrize("algorithm", SHAPES)
def test_what_is_published_checks_what_was_signed(algorithm: str) -> None:
    """The whole way from a document to a viewer, by id and without."""
    key = pair("one", algorithm)
    verifier = JwtVerifier([], published=FixedKeys(read(key.jwk(), algorithms=(algorithm,)).ring))

    assert "ada" == verifier.verify(key.token(CLAIMS), NOW).user
    assert "ada" == verifier.verify(key.token(CLAIMS, kid=None), NOW).user


def test_a_key_says_its_algorithm_or_gets_the_first_that_fits() -> None:
    """Of those that the operator allows, and never two."""
    several = ("RS512", "RS256")

    assert "RS256" == read(pair("a").jwk(), algorithms=several).ring.by_id["a"].algorithm
    assert "RS512" == read(pair("a").jwk(alg=None), algorithms=several).ring.by_id["a"].algorithm
    curves = read(
        pair("a", "ES384").jwk(alg=None), pair("b", "ES256").jwk(alg=None), algorithms=("ES256", "ES384", "ES512")
    )
    assert {"a": "ES384", "b": "ES256"} == {name: key.algorithm for name, key in curves.ring.by_id.items()}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (pair("b").jwk(use="enc"), "its `use` is not sig"),
        (pair("b").jwk(use=None, key_ops=["encrypt", "wrapKey"]), "its `key_ops` have no verify"),
        (pair("b").jwk(alg="RSA-OAEP"), "its `alg` is none of the algorithms, or not of its `kty`"),
        (pair("b").jwk(alg="PS256"), "its `alg` is none of the algorithms, or not of its `kty`"),
        (pair("b").jwk(alg="HS256"), "its `alg` is none of the algorithms, or not of its `kty`"),
        (pair("b").jwk(alg="none"), "its `alg` is none of the algorithms, or not of its `kty`"),
        (pair("b", "ES256").jwk(), "its `kty` and `crv` fit none of the algorithms"),
        (pair("b", "ES256").jwk(alg="RS256"), "its `kty` and `crv` fit none of the algorithms"),
        (pair("b", "EdDSA").jwk(alg=None), "its `kty` and `crv` fit none of the algorithms"),
        ({"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"}, "its `kty` and `crv` fit none of the algorithms"),
        (pair("b").jwk(n=None), "is no key for RS256"),
        (pair("b").jwk(e="Ag"), "is no key for RS256"),
        (Pair("b", "RS256", bits=1_024).jwk(), "The RSA key is 1024 bits long"),
        (pair("b").jwk(n="_" * 1_367), "is longer than 8192 bits, or its exponent than 64"),
        (pair("b").jwk(e="_" * 12), "is longer than 8192 bits, or its exponent than 64"),
    ],
)  # fmt: skip
def test_a_key_that_is_for_others_is_left_out(key: Jwk, said: str) -> None:
    """RFC 7517 5: the document is good, the others are used, and a sentence tells which was not, and why."""
    found = read(pair("a").jwk(), key)

    assert ["a"] == found.kids == list(found.ring.by_id)
    (sentence,) = found.left_out
    assert sentence.startswith(f"keys[1]: {said}")


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [
        ("ES256", {"y": "AAAA"}),
        ("ES256", {"x": "A" * 43, "y": "A" * 43}),
        ("ES256", {"x": None}),
        ("EdDSA", {"x": "AAAA"}),
        ("EdDSA", {"x": None}),
    ],
)
def test_a_point_that_is_none(algorithm: str, members: Jwk) -> None:
    """A document whose only key can't be one has none."""
    said = refused(document(pair("a", algorithm).jwk(**members)), algorithms=(algorithm,))

    assert f"none of its keys checks tokens of {algorithm}; keys[0]: is no key for {algorithm}" == said


def test_a_curve_without_a_name_is_none() -> None:
    """It is not guessed from the algorithm."""
    assert "fit none" in refused(document(pair("a", "ES256").jwk(crv=None)), algorithms=("ES256",))


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_a_secret_in_the_document_refuses_it(name: str) -> None:
    """Whoever reads it can sign: none of its keys is good any more, wherever the secret stands."""
    said = "keys[1] is no public key: whoever reads it can sign; publish the public half only"

    assert said == refused(document(pair("a").jwk(), pair("b").jwk(**{name: "AQAB"})))
    assert said == refused(document(pair("a").jwk(), pair("b").jwk(**{name: [1]}, use="enc")))


@pytest.mark.parametrize("members", [{}, {"k": "c2VjcmV0"}, {"alg": "RS256", "n": "AQAB"}])
def test_a_symmetric_key_refuses_the_document(members: Jwk) -> None:
    """In a public document there is no such thing."""
    assert "keys[1] is no public key" in refused(document(pair("a").jwk(), {"kty": "oct", "kid": "b", **members}))


def test_two_keys_of_one_id() -> None:
    """A token could not say which it means; not even where one of them is for others."""
    said = "keys[0] has the `kid` of another one; a token could not say which it means"

    assert said == refused(document(pair("a").jwk(), pair("b").jwk(kid="a")))
    assert said == refused(document(pair("a").jwk(), pair("b").jwk(kid="a", use="enc")))


def test_keys_without_an_id() -> None:
    """Several are no twins, and the same one twice is one."""
    found = read(pair("a").jwk(kid=None), pair("b").jwk(kid=None), pair("b").jwk(kid=None))

    assert ["", ""] == found.kids
    assert {} == found.ring.by_id
    assert 2 == len(found.ring.by_algorithm["RS256"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "this is no JSON: "),
        (b"<!doctype html><title>Sign in</title>", "this is no JSON: "),
        (b"\xff\xfe", "this is no JSON: "),
        (b'{"keys": [', "this is no JSON: "),
        (b"[" * 60_000, "this is no JWK set: Expected `object`, got `array`"),
        (b'{"keys":' + b"[" * 60_000, "this is no JWK set: Expected `object`, got `array` - at `$.keys[0]`"),
        (b'{"x":' + b"[" * 60_000, "this is no JSON: maximum recursion depth exceeded"),
        (b'{"keys":[{"kty":"RSA","d":' + b"[" * 60_000, "this is no JSON: maximum recursion depth exceeded"),
        (b"[]", "this is no JWK set: Expected `object`, got `array`"),
        (b"null", "this is no JWK set: Expected `object`, got `null`"),
        (b"{}", "this is no JWK set: Object missing required field `keys`"),
        (b'{"error": "not found"}', "this is no JWK set: Object missing required field `keys`"),
        (b'{"keys": {}}', "this is no JWK set: Expected `array`, got `object` - at `$.keys`"),
        (b'{"keys": ["x"]}', "this is no JWK set: Expected `object`, got `str` - at `$.keys[0]`"),
        (document({}), "this is no JWK set: Object missing required field `kty` - at `$.keys[0]`"),
        (document({"kty": 5}), "this is no JWK set: Expected `str`, got `int` - at `$.keys[0].kty`"),
        (document(pair("a").jwk(kid=5)), "this is no JWK set: Expected `str | null`, got `int` - at `$.keys[0].kid`"),
        (document(pair("a").jwk(kid="")), "this is no JWK set: Expected `str` of length >= 1 - at `$.keys[0].kid`"),
        (document(pair("a").jwk(kid="x" * 257)), "this is no JWK set: Expected `str` of length <= 256"),
        (document(pair("a").jwk(alg="x" * 65)), "this is no JWK set: Expected `str` of length <= 64"),
        (document(pair("a").jwk(key_ops="verify")), "this is no JWK set: Expected `array | null`, got `str`"),
        (document(pair("a").jwk(e="AQAB\n")), "this is no JWK set: Expected `str` matching regex"),
        (document(pair("a").jwk(n="AQ+/")), "this is no JWK set: Expected `str` matching regex"),
        (document(), "none of its keys checks tokens of RS256; it has none"),
        (document(*[{"kty": "x"}] * (MAX_KEYS + 1)), "this is no JWK set: Expected `array` of length <= 32"),
    ],
)
def test_what_is_no_document(body: bytes, said: str) -> None:
    """It is refused with a sentence that says where it stops making sense."""
    assert refused(body).startswith(said)


def test_as_many_keys_as_there_may_be() -> None:
    """The bound itself is good."""
    others = [{"kty": "x"}] * (MAX_KEYS - 1)

    assert MAX_KEYS - 1 == len(read(pair("a").jwk(), *others).left_out)


def test_documents_with_the_same_keys_are_the_same() -> None:
    """What else is said about a key, and by what it is accompanied, changes nothing."""
    one = read(pair("a").jwk(), pair("b").jwk())

    assert one.keys == read({"kty": "x"}, pair("b").jwk(), pair("a").jwk(x5t="AQAB", x5c=["x"])).keys
    assert one.keys != read(pair("a").jwk()).keys
    assert one.keys != read(pair("a").jwk(), pair("c").jwk(kid="b")).keys


def test_a_file_may_hold_one_key_alone() -> None:
    """As tools write it; with the same rules."""
    assert ["a"] == parse_file(json.dumps(pair("a").jwk()), ("RS256",)).kids
    assert ["a"] == parse_file(document(pair("a").jwk()).decode(), ("RS256",)).kids
    for text in (
        "<html>",
        "[]",
        "{}",
        '{"keys":[]}',
        '{"kty":"oct","k":"c2VjcmV0"}',
        "[" * 60_000,
        '{"x":' + "[" * 60_000,
        "",
    ):
        with pytest.raises(BadKey):
            parse_file(text, ("RS256",))
