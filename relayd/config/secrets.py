"""What tokens are checked and tickets sealed with: from the file, from key files, from the credential `jwt_key`."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from relayd.config.keys import Jwks, Key, Tickets
from relayd.config.mistakes import Mistakes
from relayd.config.overrides import credential
from relayd.config.settings import Auth
from relayd.files.guarded import read_guarded

__all__ = ["HMAC_BYTES", "with_key_material"]

HMAC_BYTES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Least bytes of a secret: as many as its hash has (RFC 7518 3.2); a shorter one can be guessed off line."""

TICKET_BYTES = 32
"""As many as the key has that is made of it."""


def with_key_material(auth: Auth, environ: Mapping[str, str], mistakes: Mistakes) -> Auth:
    """Return `auth` with what stood in files in its place; notes keys that are missing, weak or open to others."""
    keys = list(auth.keys)
    handed = credential(environ, "jwt_key", mistakes)
    if handed is not None:
        first = keys[0] if keys else Key(algorithm="HS256")
        keys[:1] = [first.model_copy(update={"key": SecretStr(handed), "file": ""})]
    whole = [_whole(key, f"auth.keys[{number}]", mistakes) for number, key in enumerate(keys)]
    for key_id in {key.id for key in keys if key.id}:
        if [key.id for key in keys].count(key_id) > 1:
            mistakes.add("auth.keys", f'several keys have the id "{key_id}"; a token could not say which it means')
    tickets = _with_secret(auth.tickets, mistakes)
    jwks = _with_document(auth.jwks, mistakes)
    return auth.model_copy(update={"keys": tuple(whole), "jwks": jwks, "tickets": tickets})


def _with_document(jwks: Jwks, mistakes: Mistakes) -> Jwks:
    """Return `jwks` with the file's text in `document`; of a file that is one too many nothing is read."""
    if jwks.given != ["file"]:
        return jwks
    text = _read(Path(jwks.file), "auth.jwks", mistakes, secret=False)
    # What can't be read has been told; the name stays, so that nobody is told of a lack of keys as well.
    return jwks if text is None else jwks.model_copy(update={"file": "", "document": text})


def _with_secret(tickets: Tickets, mistakes: Mistakes) -> Tickets:
    """Return `tickets` with the file's text as its key."""
    inline, name = tickets.key.get_secret_value(), "auth.tickets"
    if inline and tickets.file:
        mistakes.add(name, "has both `key` and `file`; remove one")
        return tickets
    secret = _read(Path(tickets.file), name, mistakes, secret=True) if tickets.file else inline
    if secret is None or not (secret or tickets.file):
        return tickets
    if len(secret.encode()) < TICKET_BYTES:
        mistakes.add(name, _too_short(TICKET_BYTES))
    return tickets.model_copy(update={"key": SecretStr(secret), "file": ""})


def _too_short(least: int) -> str:
    return f"the secret must have at least {least} bytes; make one with `openssl rand -base64 {least}`"


def _whole(key: Key, name: str, mistakes: Mistakes) -> Key:
    inline = key.key.get_secret_value()
    if inline and key.file:
        mistakes.add(name, "has both `key` and `file`; remove one")
        return key
    if not inline and not key.file:
        mistakes.add(name, "has no key; give `key`, `file` or the credential jwt_key")
        return key
    material = inline or _read(Path(key.file), name, mistakes, secret=key.algorithm in HMAC_BYTES)
    least = HMAC_BYTES.get(key.algorithm)
    if material is None:
        return key
    if least is None and "-----BEGIN" not in material:
        wanted = 'a public key in PEM, beginning with "-----BEGIN PUBLIC KEY-----"'
        mistakes.add(name, f"{key.algorithm} needs {wanted}; a JWK goes into auth.jwks.file")
    elif least is not None and "-----BEGIN" in material:
        # A public key as a secret is no secret: anybody could sign with it.
        mistakes.add(name, f"{key.algorithm} needs a secret, not a PEM; did you mean RS256, ES256 or EdDSA?")
    elif least is not None and len(material.encode()) < least:
        mistakes.add(name, _too_short(least))
    return key.model_copy(update={"key": SecretStr(material)})


def _read(path: Path, name: str, mistakes: Mistakes, *, secret: bool) -> str | None:
    """Return the text of a file, None when it can't be read; notes what is wrong with its mode."""
    try:
        material, fault = read_guarded(path, secret=secret)
    except (OSError, UnicodeDecodeError) as error:
        mistakes.add(f"{name}.file", f"can't be read: {error}")
        return None
    if fault:
        mistakes.add(f"{name}.file", fault)
    return material
