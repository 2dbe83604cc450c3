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

from relayd.core.access import Viewer
from relayd.identity.keys import (
    ALGORITHMS,
    BadKey,
    FixedKeys,
    Key,
    KeyRing,
    Prepared,
    Published,
    for_checking,
    for_signing,
)
from relayd.ports import AuthFailed, NoKeys

__all__ = ["MAX_TOKEN", "REASONS", "BadKey", "JwtVerifier", "Key", "issue", "sign"]

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
        "no_keys",
    }
)
"""All that `AuthFailed.reason` can be."""

MAX_TOKEN = 4_096
"""Longest token in characters; it is measured before anything of it is parsed."""

MAX_NAME = 128
"""Longest name of a user, role, team or project in characters."""

Claims = Mapping[str, Any]

NOTHING = FixedKeys(KeyRing())


class JwtVerifier:
    """The TokenVerifier port with keys of our own, and those that somebody else publishes."""

    def __init__(
        self,
        keys: Iterable[Key],
        *,
        published: Published = NOTHING,
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
        self._own = KeyRing(map(for_checking, keys))
        self._published = published

    @property
    def generation(self) -> int:
        """A number that grows whenever a token that opened may not any more, or the other way round, by its key."""
        return self._published.generation

    def verify(self, token: str, now: float) -> Viewer:
        """Return who the token says it is at `now` (Unix seconds); raises AuthFailed, NoKeys where nobody can tell."""
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

    def _payload(self, token: str, candidates: Sequence[Prepared]) -> bytes:
        """Return what the first fitting key signed; raises what PyJWT raises."""
        *others, last = candidates
        for prepared in others:
            with suppress(InvalidSignatureError):
                return self._decode(token, prepared)
        return self._decode(token, last)

    def _decode(self, token: str, prepared: Prepared) -> bytes:
        payload: bytes = self._jws.decode(token, prepared.key, algorithms=[prepared.algorithm])
        return payload

    def _candidates(self, header: Mapping[str, Any]) -> Sequence[Prepared]:
        """Return the keys the token may be signed with, at least one; raises AuthFailed, NoKeys."""
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS:
            raise AuthFailed("algorithm")
        return [self._named(header["kid"])] if "kid" in header else self._unnamed(algorithm)

    def _named(self, key_id: str) -> Prepared:
        """Return the key of that id; what the operator wrote goes before what a document says."""
        ring = self._published.ring
        found = self._own.by_id.get(key_id) or (ring.by_id.get(key_id) if ring else None)
        if found is None:
            self._published.missed()
            raise NoKeys if ring is None else AuthFailed("unknown_key")
        return found

    def _unnamed(self, algorithm: str) -> Sequence[Prepared]:
        """Return the keys of an algorithm for a token that names none."""
        ring = self._published.ring
        own = self._own.by_algorithm.get(algorithm, ())
        theirs = ring.by_algorithm.get(algorithm, ()) if ring else ()
        # OpenID Connect Core 10.1: with several keys in the document a token names its own.  Else every forgery
        # would cost a check by each of them.
        candidates = [*own, *theirs] if len(theirs) == 1 else own
        if not candidates:
            if ring is None:
                raise NoKeys
            raise AuthFailed("unknown_key" if theirs else "algorithm")
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
    headers = {"kid": key.id} if key.id else None
    return jws.encode(json.dumps(claims).encode(), for_signing(key), algorithm=key.algorithm, headers=headers)


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
        "scope": " ".join(sorted(viewer.scopes)),
        "worker": viewer.worker,
        "aud": audience,
        "iss": issuer,
    }
    return sign({name: value for name, value in claims.items() if value}, key)


_SIGNATURE_OPTIONS: Any = {"verify_signature": True, "enforce_minimum_key_length": True}


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
        issued_at=_time(claims, "iat"),
        roles=roles,
        teams=_names(claims, "teams", "team"),
        projects=_names(claims, "projects", "project"),
        scopes=_scopes(claims.get("scope")) | _scopes(claims.get("scp")),
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


def _scopes(value: object) -> frozenset[str]:
    """Return the scopes in a text with spaces between them (RFC 8693 4.2), or in a list, as some issuers write them."""
    if value is None:
        return frozenset()
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list):
        raise AuthFailed("claims")
    return frozenset(map(_name, value))


def _name(value: object) -> str:
    # Not printable: control characters and lone surrogates, which logs, keys and UTF-8 would choke on.
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME or not value.isprintable():
        raise AuthFailed("claims")
    return value
