"""Who can read what is secret: the configuration, the credentials, the journal, each with its owner."""

import os
import pwd
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from relayd.config import Config
from relayd.config.mistakes import Mistakes
from relayd.config.overrides import with_credentials
from relayd.doctor.finding import Finding, bad, ok, skipped, warn

__all__ = ["owner", "secrets_of", "user_of"]

FOR_ALL = 0o007
OTHERS = 0o077
ROOT = "root"


def secrets_of(path: Path | None, config: Config, environ: Mapping[str, str]) -> Iterable[Finding]:
    """Say of each file with something secret in it who can read it."""
    if path is not None:
        told = secrets_in(tomllib.loads(path.read_text(encoding="utf-8")))
        yield _judged("configuration's file", path, OTHERS if told else 0, holds=", ".join(told))
    for key in config.auth.keys:
        if key.file:
            # That a secret is its owner's alone was checked when the configuration was read.
            yield ok("key file", described(Path(key.file)))
    for credential in credentials(path, environ):
        # The service manager opens them to the service by an ACL, which shows as rights of the group.
        yield _judged("credential", credential, FOR_ALL, holds="a secret")
    if config.journal.path and (journal := Path(config.journal.path)).exists():
        yield _judged("journal's file", journal, OTHERS, holds="all events")


def credentials(path: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """Return the credentials that are used: those handed over, else those in the folder beside the configuration."""
    handed = with_credentials(environ, path, Mistakes()).get("CREDENTIALS_DIRECTORY")
    return sorted(Path(handed).iterdir()) if handed and Path(handed).is_dir() else []


def user_of(config: Config) -> Iterable[Finding]:
    """Say who looks, and whether that tells anything of what the relay may."""
    journal = Path(config.journal.path) if config.journal.path else None
    theirs = owner(journal) if journal is not None and journal.exists() else None
    yield who(name_of(os.geteuid()), theirs)


def who(looks: str, owns: str | None) -> Finding:
    """Judge who looks by who owns the journal, if there is one: that is the relay's user."""
    if owns is None:
        return ok("user", looks)
    if looks == owns:
        return ok("user", f"{looks}, who owns the journal")
    more = ", who may do what the relay may not" if looks == ROOT else ""
    mend = f"look as the relay's user: `runuser -u {owns} -- relayd doctor …`"
    return warn("user", f"{looks} looks{more}; the journal is {owns}'s", mend=mend)


def secrets_in(tree: Mapping[str, Any]) -> list[str]:
    """Return the keys of a configuration file that hold a secret in writing."""
    found = []
    for number, key in enumerate(_at(tree, "auth", "keys") or []):
        if isinstance(key, dict) and key.get("key") and "-----BEGIN PUBLIC" not in str(key["key"]):
            found.append(f"auth.keys[{number}].key")
    keys = (("auth", "tickets", "key"), ("authorizers", "http", "secret"))
    found += [".".join(names) for names in keys if _at(tree, *names)]
    urls = (("sources", "rabbitmq", "url"), ("presence", "redis", "url"))
    return found + [".".join(names) for names in urls if urlsplit(str(_at(tree, *names) or "")).password]


def owner(path: Path) -> str:
    """Return the name of a file's owner, a number without one."""
    return name_of(path.stat().st_uid)


def name_of(uid: int) -> str:
    """Return a user's name, the number if there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def described(path: Path) -> str:
    """Return a file with mode and owner."""
    return f"{path} is {stat.S_IMODE(path.stat().st_mode):04o}, {owner(path)}'s"


def _judged(looked_at: str, path: Path, refused: int, *, holds: str) -> Finding:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & refused:
            found = f"{described(path)}, and holds {holds}"
            return bad(
                looked_at, found, mend=f"run `chmod {mode & ~refused:o} {path}`, and change what others have read"
            )
        return ok(looked_at, described(path))
    except OSError as error:
        return skipped(looked_at, f"{path}: {error.strerror}")


def _at(tree: Any, *names: str) -> Any:  # noqa: ANN401  # whatever TOML holds
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree
