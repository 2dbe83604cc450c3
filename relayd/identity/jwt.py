"""
Tokens (RFC 7519) to viewers, as RFC 8725 wants it.

Law 1: the token chooses nothing.  Its `kid` is looked up in a dict, its `alg` must be the one its key is bound to;
`jku`, `x5u` and `jwk` are not read.
Law 2: time is an argument.  PyJWT's own checks read the clock and accept what we do not (no `exp`, an `exp` that is a
string or lies beyond all bounds), so the times are judged here.
Law 3: whatever is wrong ends as AuthFailed with a reason of the closed set REASONS; no exception of a library gets out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

from jwt import InvalidAlgorithmError, InvalidSignatureError, PyJWTError
from jwt.api_jws import PyJWS
from msgspec import Struct

from relayd.core.access import Viewer
from relayd.ports import AuthFailed

__all__ = ["ALGORITHMS", "REASONS", "BadKey", "JwtVerifier", "Key", "issue", "sign"]

ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA")

REASONS = frozenset(
    {
        "no_token",
        "too_large",
        "malformed",
        "algorithm",
        "unknown_key",
        "signature",
        "claims",
        "audience",
        "issuer",
        "not_yet",
        "expired",
    }
)
"""All that `AuthFailed.reason` can be."""

MAX_TOKEN = 4_096
"""Longest token in characters; it is measured before anything of it is parsed."""

MAX_NAME = 128
"""Longest name of a user, role, team or project in characters."""

Claims = Mapping[str, Any]


class BadKey(ValueError):
    """A key can't be used; the message says which and why, never what it is."""


class Key(Struct, frozen=True, kw_only=True):
    """A secret or a PEM, bound to one algorithm."""

    algorithm: str
    material: str
    id: str = ""
    """The `kid` of tokens signed with it; empty for tokens that name none."""

    def __repr__(self) -> str:
        """Tell everything but the material."""
        return f"Key(id={self.id!r}, algorithm={self.algorithm!r})"


class _Prepared(Struct, frozen=True):
    """A key parsed once: parsing a PEM costs more than checking a signature."""

    algorithm: str
    key: Any


class JwtVerifier:
    """The TokenVerifier port with keys from the configuration."""

    def __init__(
        self,
        keys: Iterable[Key],
        *,
        audience: str = "",
        issuer: str = "",
        leeway: float = 5.0,
        max_lifetime: float = 86_400.0,
    ) -> None:
        """Parse the keys; times in seconds, an empty audience or issuer is not checked; raises BadKey."""
        self._jws = PyJWS(algorithms=ALGORITHMS, options=_SIGNATURE_OPTIONS)
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway
        self._max_lifetime = max_lifetime
        self._by_id: dict[str, _Prepared] = {}
        self._by_algorithm: dict[str, list[_Prepared]] = {}
        for key in keys:
            prepared = _Prepared(key.algorithm, _public(_prepare(key)))
            self._by_algorithm.setdefault(key.algorithm, []).append(prepared)
            if key.id:
                self._by_id[key.id] = prepared

    def verify(self, token: str, now: float) -> Viewer:
        """Return who the token says it is at `now` (Unix seconds); raises AuthFailed."""
        if not token:
            raise AuthFailed("no_token")
        if len(token) > MAX_TOKEN:
            raise AuthFailed("too_large")
        try:
            claims = self._open(token)
        except InvalidSignatureError as error:
            raise AuthFailed("signature") from error
        except InvalidAlgorithmError as error:
            raise AuthFailed("algorithm") from error
        except (PyJWTError, RecursionError, TypeError, ValueError) as error:
            raise AuthFailed("malformed") from error
        self._check_parties(claims)
        return _viewer(claims, self._check_times(claims, now))

    def _open(self, token: str) -> Claims:
        """Return the claims of a token with a good signature; raises what PyJWT and json raise."""
        claims = json.loads(self._payload(token, self._candidates(self._jws.get_unverified_header(token))))
        if not isinstance(claims, dict):
            raise TypeError("claims are an object")
        return claims

    def _payload(self, token: str, candidates: Sequence[_Prepared]) -> bytes:
        """Return what the first fitting key signed; raises what PyJWT raises."""
        *others, last = candidates
        for prepared in others:
            with suppress(InvalidSignatureError):
                return self._decode(token, prepared)
        return self._decode(token, last)

    def _decode(self, token: str, prepared: _Prepared) -> bytes:
        payload: bytes = self._jws.decode(token, prepared.key, algorithms=[prepared.algorithm])
        return payload

    def _candidates(self, header: Mapping[str, Any]) -> Sequence[_Prepared]:
        """Return the keys the token may be signed with, at least one; raises AuthFailed."""
        if "kid" in header:
            found = self._by_id.get(header["kid"])
            if found is None:
                raise AuthFailed("unknown_key")
            return [found]
        algorithm = header.get("alg")
        candidates = self._by_algorithm.get(algorithm) if isinstance(algorithm, str) else None
        if not candidates:
            raise AuthFailed("algorithm")
        return candidates

    def _check_parties(self, claims: Claims) -> None:
        """Raise AuthFailed when the token is another's or from another."""
        audience = claims.get("aud")
        if self._audience and self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise AuthFailed("audience")
        if self._issuer and claims.get("iss") != self._issuer:
            raise AuthFailed("issuer")

    def _check_times(self, claims: Claims, now: float) -> int:
        """Return `exp`, bounded on both sides; raises AuthFailed."""
        expires = claims.get("exp")
        if not isinstance(expires, int) or isinstance(expires, bool):
            raise AuthFailed("claims")
        if expires <= now - self._leeway:
            raise AuthFailed("expired")
        if expires > now + self._leeway + self._max_lifetime:
            raise AuthFailed("claims")
        issued = _time(claims, "iat")
        for begins in (issued, _time(claims, "nbf")):
            if begins is not None and begins > now + self._leeway:
                raise AuthFailed("not_yet")
        # `expires` is near `now` by the checks above, so no difference overflows, whatever `iat` is.
        if expires - (now if issued is None else issued) > self._max_lifetime:
            raise AuthFailed("claims")
        return expires


def sign(claims: Claims, key: Key) -> str:
    """Return a token; raises BadKey when the key can't sign, which a public one can't."""
    jws = PyJWS(algorithms=ALGORITHMS, options=_SIGNATURE_OPTIONS)
    prepared = _prepare(key)
    if _public(prepared) is prepared and not isinstance(prepared, bytes):
        raise BadKey(f"{key!r} is a public key: it can check tokens, not sign them; give the private one")
    headers = {"kid": key.id} if key.id else None
    return jws.encode(json.dumps(claims).encode(), prepared, algorithm=key.algorithm, headers=headers)


def issue(key: Key, viewer: Viewer, *, now: float, audience: str = "", issuer: str = "") -> str:
    """Return a token, made at `now` (Unix seconds), that `verify` turns into this viewer; raises BadKey."""
    claims: dict[str, Any] = {
        "sub": viewer.user,
        "iat": int(now),
        "exp": int(viewer.expires_at),
        "jti": viewer.token_id or token_hex(8),
        "roles": sorted(viewer.roles),
        "teams": sorted(viewer.teams),
        "projects": sorted(viewer.projects),
        "worker": viewer.worker,
        "aud": audience,
        "iss": issuer,
    }
    return sign({name: value for name, value in claims.items() if value}, key)


_SIGNATURE_OPTIONS: Any = {"verify_signature": True, "enforce_minimum_key_length": True}


def _prepare(key: Key) -> Any:  # noqa: ANN401  # each algorithm has its own kind of key
    if key.algorithm not in ALGORITHMS:
        raise BadKey(f"{key!r}: the algorithm must be one of {', '.join(ALGORITHMS)}")
    algorithm = PyJWS(algorithms=ALGORITHMS).get_algorithm_by_name(key.algorithm)
    try:
        prepared = algorithm.prepare_key(key.material)
    except (PyJWTError, TypeError, ValueError) as error:
        # The library's text may quote the material.
        raise BadKey(f"{key!r} is no key for {key.algorithm}") from error
    if too_short := algorithm.check_key_length(prepared):
        raise BadKey(f"{key!r}: {too_short}")
    return prepared


def _public(prepared: Any) -> Any:  # noqa: ANN401  # each algorithm has its own kind of key
    """Return what checks signatures: of a private key its public half, else the key itself."""
    return prepared.public_key() if hasattr(prepared, "public_key") else prepared


def _time(claims: Claims, name: str) -> int | float | None:
    value = claims.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    # NaN compares false with everything and would pass as any time.
    if isinstance(value, float) and abs(value) < float("inf"):
        return value
    raise AuthFailed("claims")


def _viewer(claims: Claims, expires: int) -> Viewer:
    roles = _names(claims, "roles", "role")
    worker = claims.get("worker")
    if worker is not None and not isinstance(worker, bool):
        raise AuthFailed("claims")
    return Viewer(
        user=_name(claims.get("sub")),
        expires_at=float(expires),
        token_id=None if claims.get("jti") is None else _name(claims["jti"]),
        roles=roles,
        teams=_names(claims, "teams", "team"),
        projects=_names(claims, "projects", "project"),
        worker=bool(worker) or "worker" in roles,
    )


def _names(claims: Claims, plural: str, singular: str) -> frozenset[str]:
    """Return the names in a list claim and its single form together."""
    many = claims.get(plural)
    if many is None:
        many = []
    if not isinstance(many, list):
        raise AuthFailed("claims")
    one = claims.get(singular)
    return frozenset(_name(value) for value in [*many, *([] if one is None else [one])])


def _name(value: object) -> str:
    # Not printable: control characters and lone surrogates, which logs, keys and UTF-8 would choke on.
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise AuthFailed("claims")
    return value
