"""
Frames as the relay says them, for tests of whoever reads them: files of JSON, one frame each, in `contract/`.

A name is the type and what is shown of it: `workflow_log.minimal`, `workflow_log.full`, `notice.view`.
"""

from importlib.resources import files

__all__ = ["frame", "names"]

FOLDER = files(__package__) / "contract"
SUFFIX = ".json"


def names() -> list[str]:
    """Return the names of all frames, sorted."""
    return sorted(file.name.removesuffix(SUFFIX) for file in FOLDER.iterdir() if file.name.endswith(SUFFIX))


def frame(name: str) -> bytes:
    """Return the JSON of a frame, UTF-8; raises FileNotFoundError where there is none of that name."""
    return (FOLDER / f"{name}{SUFFIX}").read_bytes()
