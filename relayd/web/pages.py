"""
The dashboard's files, read once and served from memory.

All of them lie below one fingerprint of them all, so a browser may keep each for ever, and one that imports another
gets that of its own version.  Under their plain names they are there for pages of others, and are asked for each time.
Scripts travel without indentation and the comments that have lines of their own; in the package they stand as they
were written.  A tool that knows less of JavaScript than browsers do would be no help: lines are all that is looked at.
"""

import re
from collections.abc import Mapping
from gzip import compress
from hashlib import blake2b
from importlib.resources import files
from typing import Final

from aiohttp import web
from msgspec import Struct

__all__ = ["Pages"]

KINDS: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "ts": "text/plain",
}

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
"""No script, style or address but ours: what a log line says can't become any (Content Security Policy, level 3)."""

SAFE: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
FOR_EVER: Final = "public, max-age=31536000, immutable"

PAGE = "index.html"

COMMENT: Final = re.compile(rb"^[ \t]*(?://.*|/\*(?:(?!\*/)[\s\S])*\*/[ \t]*)$", re.MULTILINE)
"""One that nothing stands beside; no text of ours goes over several lines, where this could be a part of it."""


class File(Struct, frozen=True):
    """One file, plain and compressed."""

    body: bytes
    zipped: bytes
    kind: str


class Pages:
    """Serves the page at `/` and its files below `/assets/`."""

    def __init__(self) -> None:
        """Read them from the package."""
        found = {
            entry.name: terse(entry.name, entry.read_bytes())
            for entry in sorted(files("relayd.web").joinpath("static").iterdir(), key=lambda entry: entry.name)
        }
        mark = blake2b(b"\0".join([part for name, body in found.items() for part in (name.encode(), body)]))
        self.fingerprint = mark.hexdigest()[:16]
        for name in found.keys() - {PAGE}:
            found[PAGE] = found[PAGE].replace(f'"{name}"'.encode(), f'"assets/{self.fingerprint}/{name}"'.encode())
        self._files: Mapping[str, File] = {name: file(name, body) for name, body in found.items()}

    def mount(self, router: web.UrlDispatcher) -> None:
        """Add the paths."""
        router.add_get("/", self.page)
        router.add_get("/assets/{fingerprint}/{name}", self.asset)
        router.add_get("/assets/{name}", self.asset)

    async def page(self, request: web.Request) -> web.Response:
        """`GET /`: the dashboard."""
        return answer(request, self._files[PAGE], {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"})

    async def asset(self, request: web.Request) -> web.Response:
        """`GET /assets/{fingerprint}/{name}`, to be kept for ever; `GET /assets/{name}`, the newest."""
        name = request.match_info["name"]
        fingerprint = request.match_info.get("fingerprint")
        # A page of another version must not get a file of this one under its own version's name.
        if name not in self._files or name == PAGE or fingerprint not in {None, self.fingerprint}:
            raise web.HTTPNotFound
        return answer(request, self._files[name], {"Cache-Control": FOR_EVER if fingerprint else "no-cache"})


def terse(name: str, body: bytes) -> bytes:
    """Return a file without what no browser needs."""
    if not name.endswith(".js"):
        return body
    lines = [line.strip() for line in COMMENT.sub(b"", body).splitlines()]
    return b"\n".join([line for line in lines if line]) + b"\n"


def file(name: str, body: bytes) -> File:
    """Return a file as it is served."""
    return File(body, compress(body, 9, mtime=0), KINDS[name.rpartition(".")[2]])


def answer(request: web.Request, asked: File, headers: Mapping[str, str]) -> web.Response:
    """Return a file, compressed for those who can read that."""
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    return web.Response(
        body=asked.zipped if zipped else asked.body,
        content_type=asked.kind,
        charset="utf-8",
        headers={**SAFE, **headers, "Vary": "Accept-Encoding", **({"Content-Encoding": "gzip"} if zipped else {})},
    )
