"""`relayd token`: a signed token on stdout, and nothing else there."""

import re
import time
from typing import Annotated

import typer

from relayd.cli.configuration import read_config
from relayd.cli.exits import CommandFailed, Exit
from relayd.cli.options import RequiredConfigFile
from relayd.config.settings import Auth
from relayd.core.access import Viewer
from relayd.identity.jwt import BadKey, JwtVerifier, Key, issue, sign
from relayd.ports import AuthFailed

__all__ = ["duration", "token"]

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])")


def token(
    *,
    config: RequiredConfigFile,
    user: Annotated[str, typer.Option(help="Who it is for (`sub`).")],
    projects: Annotated[
        list[str] | None, typer.Option("--project", help="A project it opens, * for all; repeatable.")
    ] = None,
    roles: Annotated[list[str] | None, typer.Option("--role", help="A role, like admin; repeatable.")] = None,
    teams: Annotated[list[str] | None, typer.Option("--team", help="A team; repeatable.")] = None,
    worker: Annotated[bool, typer.Option("--worker", help="It may publish events.")] = False,
    ttl: Annotated[str, typer.Option(help="How long it lasts: 30s, 15m, 1h, 1d.")] = "1h",
) -> None:
    """Sign a token with the first key of the configuration that can sign."""
    auth = read_config(config).auth
    seconds = duration(ttl)
    if seconds > auth.max_lifetime_seconds:
        longest = f"{auth.max_lifetime_seconds} s (auth.max_lifetime_seconds)"
        raise CommandFailed(Exit.USAGE, f"--ttl {ttl}: the relay refuses tokens that last over {longest}; ask for less")
    now = time.time()
    viewer = Viewer(
        user=user,
        expires_at=now + seconds,
        roles=frozenset(roles or ()),
        teams=frozenset(teams or ()),
        projects=frozenset(projects or ()),
        worker=worker,
    )
    signed = issue(signing_key(auth), viewer, now=now, audience=auth.audience, issuer=auth.issuer)
    check(auth, signed)
    typer.echo(signed)


def signing_key(auth: Auth) -> Key:
    """Return the first key that can sign, which a public one can't; raises CommandFailed."""
    for key in verifying_keys(auth):
        try:
            sign({}, key)
        except BadKey:
            continue
        return key
    raise CommandFailed(
        Exit.CONFIG,
        "auth.keys: none of the keys can sign; add one with algorithm HS256, or sign where the private key is",
    )


def check(auth: Auth, signed: str) -> None:
    """Raise CommandFailed for a token that the relay with this configuration would not let in."""
    verifier = JwtVerifier(
        verifying_keys(auth),
        audience=auth.audience,
        issuer=auth.issuer,
        leeway=auth.leeway_seconds,
        max_lifetime=auth.max_lifetime_seconds,
    )
    try:
        verifier.verify(signed, time.time())
    except AuthFailed as error:
        raise CommandFailed(
            Exit.USAGE,
            f"the relay would refuse this token ({error.reason}); names have 1 to 128 printable characters, "
            "and all of them together must stay below 4 KiB",
        ) from error


def verifying_keys(auth: Auth) -> list[Key]:
    """Return the keys of the configuration."""
    return [Key(algorithm=key.algorithm, material=key.key.get_secret_value(), id=key.id) for key in auth.keys]


def duration(text: str) -> int:
    """Return seconds; raises CommandFailed."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise CommandFailed(Exit.USAGE, f"--ttl {text!r}: write a number and one of s m h d, as in 15m or 1h")
    return int(found[1]) * UNITS[found[2]]
