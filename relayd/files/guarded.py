"""Files whose content others must not read, or not change."""

from pathlib import Path

__all__ = ["read_guarded"]

READ_BY_OTHERS = 0o044
WRITTEN_BY_OTHERS = 0o022


def read_guarded(path: Path, *, secret: bool) -> tuple[str, str]:
    """
    Return a file's text without the line ends behind it, and what is wrong with its mode, with the mend, or nothing.

    A private key makes any file a secret.  A public one may be read by all; whoever can write it can let anybody in.
    Raises OSError, UnicodeDecodeError.
    """
    mode = path.stat().st_mode
    text = path.read_text(encoding="utf-8").rstrip("\r\n")
    if (secret or "PRIVATE KEY-----" in text) and mode & READ_BY_OTHERS:
        return text, f"{path} is readable by others than its owner; run `chmod 600 {path}`"
    if mode & WRITTEN_BY_OTHERS:
        return text, f"{path} can be written by others than its owner; run `chmod go-w {path}`"
    return text, ""
