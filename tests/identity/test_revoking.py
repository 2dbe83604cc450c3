"""A verifier before another one."""

import pytest

from relayd.core.revocations import Revocations
from relayd.identity.jwt import JwtVerifier, Key, sign
from relayd.identity.revoking import Revoking
from relayd.ports import AuthFailed, TokenVerifier

KEY = Key(algorithm="HS256", material="a-secret-of-32-bytes-for-the-tests!")
NOW = 1_700_000_000.0


def token(**claims: object) -> str:
    """Return a good token."""
    return sign({"sub": "ada", "exp": int(NOW) + 600, **claims}, KEY)


def test_what_is_revoked_is_refused() -> None:
    """By `jti`, or by user and `iat`; everything else is as the other one says."""
    revocations = Revocations()
    verifier: TokenVerifier = Revoking(JwtVerifier([KEY]), revocations)
    old, stolen, timeless = token(iat=int(NOW) - 1), token(iat=int(NOW) + 2, jti="t1"), token()
    assert ["ada"] * 3 == [verifier.verify(one, NOW).user for one in (old, stolen, timeless)]
    revocations.order("user", "ada", now=NOW, until=NOW + 600)
    revocations.order("token", "t1", now=NOW, until=NOW + 600)
    for one in (old, stolen, timeless):
        with pytest.raises(AuthFailed) as caught:
            verifier.verify(one, NOW)
        assert "revoked" == caught.value.reason
    assert "ada" == verifier.verify(token(iat=int(NOW) + 1, jti="t2"), NOW).user


def test_an_unsigned_claim_is_nobody() -> None:
    """Why a forgery is refused has nothing to do with whom it names."""
    revocations = Revocations()
    revocations.order("user", "ada", now=NOW, until=NOW + 600)
    head, claims, _ = token().split(".")
    with pytest.raises(AuthFailed) as caught:
        Revoking(JwtVerifier([KEY]), revocations).verify(f"{head}.{claims}.AAAA", NOW)
    assert "signature" == caught.value.reason


class Keys:
    generation = 7
    ring = None

    def missed(self) -> None: ...


def test_its_generation_grows_with_either() -> None:
    """Keys that change and tokens that are revoked have those who are in looked at again."""
    keys, revocations = Keys(), Revocations()
    verifier = Revoking(JwtVerifier([KEY], published=keys), revocations)
    assert 7 == verifier.generation
    revocations.order("user", "ada", now=NOW, until=NOW + 600)
    assert 8 == verifier.generation
    keys.generation = 8
    assert 9 == verifier.generation
