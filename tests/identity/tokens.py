"""Tokens as issuers and attackers make them, without any library in between."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from relayd.identity.jwt import REASONS, JwtVerifier, Key
from relayd.ports import AuthFailed

NOW = 1_700_000_000.25
SECRET = "0123456789abcdef0123456789abcdef"
HMAC_KEY = Key(id="main", algorithm="HS256", material=SECRET)
VERIFIER = JwtVerifier([HMAC_KEY])


def encoded(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: object) -> str:
    """Return a part of a token: bytes as they are, else as JSON."""
    return encoded(value if isinstance(value, bytes) else json.dumps(value).encode())


def forged(header: object, claims: object, secret: str | bytes = SECRET) -> str:
    """Return a token with any header and any claims, signed by HMAC-SHA256."""
    signed = f"{part(header)}.{part(claims)}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signed}.{encoded(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def token(**claims: object) -> str:
    """Return a good token for `NOW`, with claims set otherwise; None takes one away."""
    all_claims = {"sub": "ada", "exp": int(NOW) + 600, **claims}
    return forged(
        {"alg": "HS256", "typ": "JWT"}, {name: value for name, value in all_claims.items() if value is not None}
    )


def pem_pair(algorithm: str) -> tuple[str, str]:
    """Return a new private key and its public half."""
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    elif algorithm == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    return (
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )


def refusal(text: str, *, verifier: JwtVerifier = VERIFIER, now: float = NOW) -> str:
    """Return why a token is refused."""
    with pytest.raises(AuthFailed) as caught:
        verifier.verify(text, now)
    assert caught.value.reason in REASONS
    return caught.value.reason


def judged(text: str, *, verifier: JwtVerifier = VERIFIER) -> str | None:
    """Return why a token is refused, None when it is not."""
    try:
        verifier.verify(text, NOW)
    except AuthFailed as error:
        return error.reason
    return None
