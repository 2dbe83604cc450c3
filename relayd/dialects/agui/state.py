"""
The progress in an agent's state, found by a JSON pointer (RFC 6901) in snapshots and patches (RFC 6902).

Nothing of a state is kept: a patch says the number if it sets that place, or one around it, to a value that is in the
patch.  What is moved or copied there from elsewhere is not seen until the next snapshot.
"""

from typing import Any

__all__ = ["Pointer"]

MISSING = object()


class Pointer:
    """Where the number stands, and what it is when all is done."""

    def __init__(self, text: str, *, full: float) -> None:
        """Take a pointer that is one by its grammar; the empty one points at nothing here."""
        self._path = [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:]]
        self._full = full

    def in_snapshot(self, state: object) -> float | None:
        """Return the progress, 0 to 100, None where there is none."""
        return self._percent(found(state, self._path)) if self._path else None

    def in_patch(self, patch: object) -> float | None:
        """Return the progress that is set last, None where none is."""
        last: float | None = None
        for operation in patch if isinstance(patch, list) and self._path else ():
            if not isinstance(operation, dict) or operation.get("op") not in {"add", "replace"}:
                continue
            path = operation.get("path")
            if not isinstance(path, str) or (path and not path.startswith("/")):
                continue
            tokens = [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]
            if self._path[: len(tokens)] == tokens:
                value = self._percent(found(operation.get("value"), self._path[len(tokens) :]))
                last = last if value is None else value
        return last

    def _percent(self, value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        # Brought within its bounds first: an integer of any length can be compared, not divided.
        percent = round(100 * max(0.0, min(self._full, value)) / self._full, 2)
        return int(percent) if percent == int(percent) else percent


def found(value: Any, path: list[str]) -> object:  # noqa: ANN401 -- any JSON
    """Return what stands at a path, MISSING where nothing does."""
    for token in path:
        if isinstance(value, dict):
            value = value.get(token, MISSING)
        elif isinstance(value, list) and token.isascii() and token.isdigit() and len(token) <= len(str(len(value))):
            index = int(token)
            value = value[index] if index < len(value) else MISSING
        else:
            return MISSING
    return value
