"""An event stream into events (HTML Living Standard 9.2.6), as a browser reads it."""

import re
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Block", "blocks"]

LINE_END = re.compile(r"\r\n|\r|\n")


class Block(Struct, frozen=True):
    """What stands between two blank lines; `data` is None where no event is dispatched."""

    data: str | None = None
    id: str | None = None
    retry: int | None = None
    comments: int = 0


def blocks(body: bytes) -> Iterator[Block]:
    """Yield the blocks that are whole; what is behind the last blank line is still coming."""
    lines: list[str] = []
    for line in LINE_END.split(body.decode(errors="replace"))[:-1]:
        if line:
            lines.append(line)
        elif lines:
            yield block(lines)
            lines = []


def block(lines: list[str]) -> Block:
    """Return what lines say."""
    data: list[str] = []
    mark, retry, comments = None, None, 0
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                comments += 1
            case "data":
                data.append(value)
            case "id":
                mark = value
            case "retry" if value.isascii() and value.isdecimal():
                retry = int(value)
    return Block("\n".join(data) if data else None, mark, retry, comments)
