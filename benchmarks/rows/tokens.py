"""What it costs to check a token beside the bare library, to refuse one, and to open the ticket it is in."""

import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from contextlib import suppress

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.types import Options

from benchmarks.rows.row import Bench, Cell, Result, Table, median, shown
from relayd.core.access import Viewer
from relayd.identity.jwt import JwtVerifier, Key, issue, sign
from relayd.identity.keys import algorithm_of, for_checking
from relayd.identity.tickets import TicketSealer
from relayd.ports import AuthFailed

__all__ = ["tokens"]

NOW = 1_700_000_000.0
ROUNDS, SECONDS, QUICK_SECONDS = 9, 0.3, 0.05
RSA_BITS = 2_048
KINDS: dict[str, Callable[[], rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS),
    "PS256": lambda: rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
VIEWER = Viewer(
    user="auth0|5f7c8ec7c33c6c004bbafe82",
    expires_at=NOW + 900,
    roles=frozenset({"viewer"}),
    teams=frozenset({"storefront", "platform"}),
    projects=frozenset({"shop-1", "shop-2"}),
)


async def tokens(bench: Bench) -> Result:
    """Check the same token again and again, alone in the process."""
    result = Result(title="Checking a token")
    seconds = bench.scale.pick(SECONDS, QUICK_SECONDS)
    lines = [line(key, seconds) for key in keys()]
    head = [
        "algorithm",
        "bytes",
        "µs a token",
        "of these the signature",
        "µs bare PyJWT",
        "times that",
        "µs refused: expired",
        "µs refused: no such key",
        "µs to open its ticket",
    ]
    result.tables.append(Table(title="CPU time of one thread, medians; RSA keys of 2,048 bits", head=head, lines=lines))
    return result


def keys() -> list[Key]:
    """Return a key of each kind that signs."""
    private = {
        name: make().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for name, make in KINDS.items()
    }
    secret = Key(id="main", algorithm="HS256", material="0123456789abcdef0123456789abcdef")
    return [secret, *(Key(id="main", algorithm=name, material=pem.decode()) for name, pem in private.items())]


def line(key: Key, seconds: float) -> list[Cell]:
    """Return the figures of one key."""
    verifier = JwtVerifier([key])
    token = issue(key, VIEWER, now=NOW)
    stranger = sign({"sub": "x"}, Key(id="other", algorithm=key.algorithm, material=key.material))
    sealer = TicketSealer(b"0123456789abcdef0123456789abcdef")
    ticket = sealer.seal(token, project_id="shop-1", origin=None, now=NOW).text
    signed, _, _ = token.rpartition(".")
    signature = raw_signature(token)
    algorithm, public = algorithm_of(key.algorithm), for_checking(key).key
    ours = cost(lambda: verifier.verify(token, NOW), seconds)
    # Of a time that has gone by; all else that the library checks by itself it checks.
    options: Options = {"verify_exp": False}
    bare = cost(lambda: jwt.decode(token, public, algorithms=[key.algorithm], options=options), seconds)
    costs = (
        ours,
        cost(lambda: algorithm.verify(signed.encode(), public, signature), seconds),
        bare,
        ours / bare,
        cost(lambda: verifier.verify(token, NOW + 86_400), seconds),
        cost(lambda: verifier.verify(stranger, NOW), seconds),
        cost(lambda: sealer.open(ticket, project_id="shop-1", origin=None, now=NOW), seconds),
    )
    return [key.algorithm, len(token), *(shown(value) for value in costs)]


def raw_signature(token: str) -> bytes:
    """Return the bytes behind the last dot."""
    text = token.rpartition(".")[2]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def cost(act: Callable[[], object], seconds: float) -> float:
    """Return the µs of CPU that an act takes, whether it is refused or not."""
    rounds = []
    for _ in range(ROUNDS):
        count, began = 0, time.thread_time()
        while time.thread_time() - began < seconds / ROUNDS:
            for _ in range(20):
                with suppress(AuthFailed):
                    act()
            count += 20
        rounds.append((time.thread_time() - began) / count * 1e6)
    return median(rounds)
