from pathlib import Path

import pytest

from relayd.files.guarded import read_guarded

PRIVATE = "-----BEGIN PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("mode", "text", "secret", "fault"),
    [
        (0o600, "s", True, ""),
        (0o400, "s", True, ""),
        (0o640, "s", True, "run `chmod 600 "),
        (0o604, "s", True, "run `chmod 600 "),
        (0o644, "public", False, ""),
        (0o644, PRIVATE, False, "run `chmod 600 "),
        (0o664, "public", False, "run `chmod go-w "),
        (0o602, "s", True, "run `chmod go-w "),
    ],
)
def test_who_may_do_what(tmp_path: Path, mode: int, text: str, secret: bool, fault: str) -> None:
    """A secret is its owner's; what is public may be read by all, and changed by nobody else."""
    path = tmp_path / "file"
    path.write_text(f"{text}\r\n\n")
    path.chmod(mode)
    read, said = read_guarded(path, secret=secret)
    assert (text, bool(fault)) == (read, bool(said))
    assert said == "" or said.endswith(f"{fault}{path}`")


def test_what_can_t_be_read_is_raised(tmp_path: Path) -> None:
    """Not there, or no text."""
    with pytest.raises(FileNotFoundError):
        read_guarded(tmp_path / "nowhere", secret=True)
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError):
        read_guarded(tmp_path / "file", secret=True)
