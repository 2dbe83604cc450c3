import pytest

from relayd.identity.keys import ALGORITHMS, BadKey, FixedKeys, Key, KeyRing, Prepared, for_checking, for_signing
from tests.harness.pairs import pair
from tests.identity.tokens import HMAC_KEY, SECRET

PUBLIC = [name for name in ALGORITHMS if not name.startswith("HS")]


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_a_private_key_checks_by_its_public_half(algorithm: str) -> None:
    """What checks need not be able to sign, and is the same whichever half was given."""
    both = pair("one", algorithm)

    from_private = for_checking(Key(id="one", algorithm=algorithm, material=both.private_pem))
    from_public = for_checking(Key(id="one", algorithm=algorithm, material=both.pem))

    assert from_public == from_private
    assert not hasattr(from_private.key, "private_numbers")
    assert not hasattr(from_private.key, "private_bytes")


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_a_public_key_signs_nothing(algorithm: str) -> None:
    """The sentence says what is needed instead."""
    with pytest.raises(BadKey, match="give the private one"):
        for_signing(Key(algorithm=algorithm, material=pair("one", algorithm).pem))


def test_a_secret_does_both() -> None:
    """It is what it is."""
    assert SECRET.encode() == for_checking(HMAC_KEY).key == for_signing(HMAC_KEY)


@pytest.mark.parametrize(
    ("algorithm", "other"), [("ES256", "ES384"), ("RS256", "ES256"), ("EdDSA", "RS256"), ("PS256", "EdDSA")]
)
def test_a_key_of_another_kind(algorithm: str, other: str) -> None:
    """The algorithm is the operator's word, the key must be one for it."""
    with pytest.raises(BadKey, match=f"is no key for {algorithm}"):
        for_checking(Key(algorithm=algorithm, material=pair("one", other).pem))


def test_keys_are_found_by_id_and_by_algorithm() -> None:
    """A key without an id only by its algorithm, in the order in which they were given."""
    named, other, unnamed = (
        Prepared(id=name, algorithm=algorithm, key=b"")
        for name, algorithm in (("a", "RS256"), ("b", "ES256"), ("", "RS256"))
    )
    ring = KeyRing([named, other, unnamed])

    assert {"a": named, "b": other} == ring.by_id
    assert {"RS256": [named, unnamed], "ES256": [other]} == ring.by_algorithm


def test_fixed_keys_stay() -> None:
    """Whatever strangers ask for."""
    ring = KeyRing()
    keys = FixedKeys(ring)
    keys.missed()

    assert (ring, 0) == (keys.ring, keys.generation)
