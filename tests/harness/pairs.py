"""Keys of every kind, and tokens that they signed without a library for tokens in between."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.identity.tokens import encoded, part

__all__ = ["Jwk", "Pair", "pair"]

Jwk = dict[str, Any]
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

HASHES: Mapping[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES: Mapping[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
NAMES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


class Pair:
    """A private key with its algorithm and id."""

    def __init__(self, kid: str, algorithm: str, *, bits: int = 2_048) -> None:
        """Make one; `bits` are those of an RSA key."""
        self.kid = kid
        self.algorithm = algorithm
        self.private: Private
        if algorithm in CURVES:
            self.private = ec.generate_private_key(CURVES[algorithm])
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = rsa.generate_private_key(public_exponent=65_537, key_size=bits)

    @property
    def pem(self) -> str:
        """The public half, as everybody has it."""
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def private_pem(self) -> str:
        """The private half."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def jwk(self, **members: object) -> Jwk:
        """Return the public half as it is published, with members set otherwise; None takes one away."""
        whole = {"kid": self.kid, "alg": self.algorithm, "use": "sig", **self._numbers(), **members}
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, claims: object, **header: object) -> str:
        """Return a token that this key signed, with whatever header; None takes a member away."""
        whole = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **header}
        signed = f"{part({name: value for name, value in whole.items() if value is not None})}.{part(claims)}"
        return f"{signed}.{encoded(self.sign(signed.encode()))}"

    def sign(self, data: bytes) -> bytes:
        """Return a signature as RFC 7518 3 lays it out."""
        digest = HASHES.get(self.algorithm[2:], HASHES["256"])
        match self.private:
            case ec.EllipticCurvePrivateKey() as key:
                size = (key.key_size + 7) // 8
                return b"".join(
                    number.to_bytes(size) for number in decode_dss_signature(key.sign(data, ec.ECDSA(digest)))
                )
            case ed25519.Ed25519PrivateKey() as key:
                return key.sign(data)
            case rsa.RSAPrivateKey() as key if self.algorithm.startswith("PS"):
                return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            case rsa.RSAPrivateKey() as key:
                return key.sign(data, padding.PKCS1v15(), digest)

    def _numbers(self) -> Jwk:
        match self.private.public_key():
            case ec.EllipticCurvePublicKey() as key:
                size = (key.key_size + 7) // 8
                numbers = key.public_numbers()
                x, y = (encoded(number.to_bytes(size)) for number in (numbers.x, numbers.y))
                return {"kty": "EC", "crv": NAMES[self.algorithm], "x": x, "y": y}
            case ed25519.Ed25519PublicKey() as key:
                return {"kty": "OKP", "crv": "Ed25519", "x": encoded(key.public_bytes_raw())}
            case rsa.RSAPublicKey() as key:
                return {"kty": "RSA"} | {
                    name: encoded(number.to_bytes((number.bit_length() + 7) // 8))
                    for name, number in (("n", key.public_numbers().n), ("e", key.public_numbers().e))
                }


@cache
def pair(kid: str, algorithm: str = "RS256") -> Pair:
    """Return the one key of this id and algorithm: making an RSA key takes a while."""
    return Pair(kid, algorithm)
