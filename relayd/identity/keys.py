"""Keys that tokens are signed with, each bound to one algorithm, and how they are found."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from jwt import PyJWTError
from jwt.algorithms import Algorithm
from jwt.api_jws import PyJWS
from msgspec import Struct

__all__ = [
    "ALGORITHMS",
    "BadKey",
    "FixedKeys",
    "Key",
    "KeyRing",
    "Prepared",
    "Published",
    "algorithm_of",
    "for_checking",
    "for_signing",
]

ALGORITHMS = (
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)


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


class Prepared(Struct, frozen=True, kw_only=True):
    """A key parsed once: parsing a PEM costs more than checking a signature."""

    id: str
    algorithm: str
    key: Any
    """What PyJWT checks signatures with: the bytes of a secret, or a public key."""


class KeyRing:
    """Keys by what a token says of its own; a ring never changes, so other keys are another ring."""

    __slots__ = ("by_algorithm", "by_id")

    def __init__(self, keys: Iterable[Prepared] = ()) -> None:
        """Sort them; of two keys with the same id the later one is found by it."""
        by_algorithm: dict[str, list[Prepared]] = {}
        by_id: dict[str, Prepared] = {}
        for key in keys:
            by_algorithm.setdefault(key.algorithm, []).append(key)
            if key.id:
                by_id[key.id] = key
        self.by_algorithm: Mapping[str, Sequence[Prepared]] = by_algorithm
        self.by_id: Mapping[str, Prepared] = by_id


class Published(Protocol):
    """Keys that somebody else looks after, and that may be others at the next token."""

    @property
    def ring(self) -> KeyRing | None:
        """The keys that hold now; None while it is not known which do."""
        ...

    @property
    def generation(self) -> int:
        """A number that grows whenever `ring` becomes another."""
        ...

    def missed(self) -> None:
        """A token named a key that is not among them."""
        ...


class FixedKeys(Struct, frozen=True):
    """The Published that stays as it is: what stood in a file, or nothing."""

    ring: KeyRing
    generation: int = 0

    def missed(self) -> None:
        """Change nothing: there is nobody to ask."""


def algorithm_of(name: str) -> Algorithm:
    """Return the implementation of one of ALGORITHMS."""
    return PyJWS(algorithms=ALGORITHMS).get_algorithm_by_name(name)


def for_checking(key: Key) -> Prepared:
    """Return what checks signatures, of a private key its public half; raises BadKey."""
    prepared = _parsed(key)
    public = prepared.public_key() if hasattr(prepared, "public_key") else prepared
    return Prepared(id=key.id, algorithm=key.algorithm, key=public)


def for_signing(key: Key) -> Any:  # noqa: ANN401  # each algorithm has its own kind of key
    """Return what PyJWT signs with; raises BadKey when the key can't, which a public one can't."""
    prepared = _parsed(key)
    if not isinstance(prepared, bytes) and not hasattr(prepared, "public_key"):
        raise BadKey(f"{key!r} is a public key: it can check tokens, not sign them; give the private one")
    return prepared


def _parsed(key: Key) -> Any:  # noqa: ANN401  # each algorithm has its own kind of key
    if key.algorithm not in ALGORITHMS:
        raise BadKey(f"{key!r}: the algorithm must be one of {', '.join(ALGORITHMS)}")
    algorithm = algorithm_of(key.algorithm)
    try:
        prepared = algorithm.prepare_key(key.material)
    except (PyJWTError, TypeError, ValueError) as error:
        # The library's text may quote the material.
        raise BadKey(f"{key!r} is no key for {key.algorithm}") from error
    if too_short := algorithm.check_key_length(prepared):
        raise BadKey(f"{key!r}: {too_short}")
    return prepared
