"""
JSON Web Keys (RFC 7517) as issuers publish them.

Law 1: a document with a secret in it, symmetric or private, is refused whole.  Everybody can read it, so whoever holds
such a key may be anybody.
Law 2: each key is bound to one algorithm, which is of the operator's choice; a token has none.
Law 3: what is for others, or can't be used, is left out (RFC 7517 5), and told; what can't be understood refuses the
document.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from msgspec import Meta, Struct

from relayd.identity.keys import BadKey, KeyRing, Prepared, algorithm_of

__all__ = ["MAX_KEYS", "Jwk", "KeySet", "parse", "parse_file"]

MAX_KEYS = 32
"""Keys of one document; an issuer has one or two, and a few more while they change."""

MAX_RSA_BITS = 8_192
MAX_EXPONENT_BITS = 64
"""Beyond these a check takes long, or the library refuses each one with an error that is nobody's signature."""

SHAPES = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Algorithm → `kty` and `crv` of its keys; symmetric ones are not published."""

SECRET = ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")
"""Members that only a private or symmetric key has (RFC 7518 6)."""

PUBLIC = ("kty", "crv", "n", "e", "x", "y")

Word = Annotated[str, Meta(max_length=64)]
KeyId = Annotated[str, Meta(min_length=1, max_length=256)]
# Without a pattern the library would pass over letters that are none of base64url.
Number = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]+\Z")]


class Jwk(Struct, frozen=True, kw_only=True):
    """A key as it stands in a document; members that say nothing to us are not kept."""

    kty: Word
    kid: KeyId | None = None
    use: Word | None = None
    key_ops: tuple[Word, ...] | None = None
    alg: Word | None = None
    crv: Word | None = None
    n: Number | None = None
    e: Number | None = None
    x: Number | None = None
    y: Number | None = None
    d: Any = None
    p: Any = None
    q: Any = None
    dp: Any = None
    dq: Any = None
    qi: Any = None
    oth: Any = None
    k: Any = None
    priv: Any = None


class Document(Struct, frozen=True):
    """A JWK set."""

    keys: Annotated[tuple[Jwk, ...], Meta(max_length=MAX_KEYS)]


class KeySet(Struct, frozen=True):
    """What a document is to us."""

    keys: frozenset[Jwk]
    """Those that tokens are checked with; two documents with the same ones are the same."""
    ring: KeyRing
    left_out: tuple[str, ...]
    """A sentence for each key that is not among them."""

    @property
    def kids(self) -> list[str]:
        """Their ids, in order; empty for a key without."""
        return sorted(key.kid or "" for key in self.keys)


class _Unfit(Exception):
    """A key is not for us; the message says why."""


def parse(body: bytes, algorithms: Sequence[str]) -> KeySet:
    """Return the keys of a JWK set that check tokens of these asymmetric algorithms; raises BadKey."""
    try:
        keys = msgspec.json.decode(body, type=Document).keys
    except msgspec.ValidationError as error:
        raise BadKey(f"this is no JWK set: {error}") from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise BadKey(f"this is no JSON: {error}") from error
    _refuse_secrets(keys)
    _refuse_twins(keys)
    fit: dict[Jwk, Prepared] = {}
    left_out = []
    for number, key in enumerate(keys):
        try:
            fit[key] = _prepared(key, algorithms)
        except _Unfit as error:
            left_out.append(f"keys[{number}]: {error}")
    if not fit:
        raise BadKey(
            f"none of its keys checks tokens of {', '.join(algorithms)}; {'; '.join(left_out) or 'it has none'}"
        )
    return KeySet(frozenset(fit), KeyRing(fit.values()), tuple(left_out))


def parse_file(text: str, algorithms: Sequence[str]) -> KeySet:
    """Return the same of a file, which may also hold one key without a set around it; raises BadKey."""
    body = text.encode()
    try:
        alone = "keys" not in msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, ValueError):
        # Told by whoever reads all of it.
        alone = False
    return parse(b'{"keys":[%s]}' % body if alone else body, algorithms)


def _refuse_secrets(keys: Sequence[Jwk]) -> None:
    for number, key in enumerate(keys):
        if key.kty == "oct" or any(getattr(key, name) is not None for name in SECRET):
            raise BadKey(f"keys[{number}] is no public key: whoever reads it can sign; publish the public half only")


def _refuse_twins(keys: Sequence[Jwk]) -> None:
    ids = [key.kid for key in keys if key.kid is not None]
    for number, key in enumerate(keys):
        if ids.count(key.kid or "") > 1:
            raise BadKey(f"keys[{number}] has the `kid` of another one; a token could not say which it means")


def _prepared(key: Jwk, algorithms: Sequence[str]) -> Prepared:
    """Return the key bound to its algorithm; raises _Unfit."""
    name = _algorithm(key, algorithms)
    algorithm = algorithm_of(name)
    members = {member: value for member in PUBLIC if (value := getattr(key, member)) is not None}
    try:
        public = algorithm.from_jwk(members)
    except (PyJWTError, TypeError, ValueError) as error:
        raise _Unfit(f"is no key for {name}") from error
    if too_short := algorithm.check_key_length(public):
        raise _Unfit(too_short)
    if isinstance(public, RSAPublicKey) and (
        public.key_size > MAX_RSA_BITS or public.public_numbers().e.bit_length() > MAX_EXPONENT_BITS
    ):
        raise _Unfit(f"is longer than {MAX_RSA_BITS} bits, or its exponent than {MAX_EXPONENT_BITS}")
    return Prepared(id=key.kid or "", algorithm=name, key=public)


def _algorithm(key: Jwk, algorithms: Sequence[str]) -> str:
    """Return the one algorithm of a key: what it says itself, else the first that fits; raises _Unfit."""
    if key.use not in {None, "sig"}:
        raise _Unfit("its `use` is not sig")
    if key.key_ops is not None and "verify" not in key.key_ops:
        raise _Unfit("its `key_ops` have no verify")
    fitting = [name for name in algorithms if _fits(key, *SHAPES[name])]
    if not fitting:
        raise _Unfit("its `kty` and `crv` fit none of the algorithms")
    if key.alg is None:
        return fitting[0]
    if key.alg not in fitting:
        raise _Unfit("its `alg` is none of the algorithms, or not of its `kty`")
    return key.alg


def _fits(key: Jwk, kty: str, curve: str | None) -> bool:
    return key.kty == kty and curve in {None, key.crv}
