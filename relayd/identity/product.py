"""
One question to the product's own API, in the viewer's name.

Law: an answer costs a bounded number of bytes, leads nowhere else, and leaves nothing behind for the next viewer; what
is no clear yes or no is none, and the sentence that says why holds no token.
"""

import ssl
import time
from collections.abc import Callable
from enum import StrEnum
from urllib.parse import quote

import aiohttp
from msgspec import Struct
from yarl import URL

from relayd import __version__
from relayd.identity.settings import PLACE, HttpSettings
from relayd.identity.signature import HEADER, signature

__all__ = ["MAX_BYTES", "Outcome", "Product", "Reply"]

MAX_BYTES = 64 * 1024

GRANTED, DENIED = {200, 204}, {401, 403, 404}
REDIRECTS = range(300, 400)
LONGEST_SENTENCE = 300

HEADERS = {
    "Accept": "application/json",
    # What is sent small may be large once it is unpacked.
    "Accept-Encoding": "identity",
    "User-Agent": f"relayd/{__version__}",
}


class Outcome(StrEnum):
    """What came of a question; the metric's label."""

    GRANTED = "granted"
    DENIED = "denied"
    UNREADABLE = "unreadable"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BUSY = "busy"
    RESTING = "resting"


class Reply(Struct, frozen=True):
    """An outcome, and a sentence about it where it is none that was asked for."""

    outcome: Outcome
    detail: str = ""


class Product:
    """The API at the address of the settings; connections to it are kept for the next question."""

    def __init__(self, settings: HttpSettings, *, now: Callable[[], float] = time.time) -> None:
        """Know how to ask; `now` is Unix seconds; raises ValueError for files that can't be used."""
        self._url = settings.url
        self._secret = settings.signing_secret()
        self._trusted: ssl.SSLContext | bool = _trusting(settings.ca_file) if settings.ca_file else True
        self._at_once = settings.at_once
        self._now = now
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, project_id: str, token: str) -> Reply:
        """Return what it says; takes as long as it takes, and raises nothing but what cancels it."""
        # Each character that means something in an address is spelled out, or a name could lead to another path.
        url = URL(self._url.replace(PLACE, quote(project_id, safe="")), encoded=True)
        try:
            async with self._open().get(url, headers=self._headers(url, token), allow_redirects=False) as answer:
                return await _read(answer)
        except (aiohttp.ClientError, OSError) as error:
            return Reply(Outcome.UNREACHABLE, (str(error) or type(error).__name__)[:LONGEST_SENTENCE])
        except ValueError as error:
            # The token can't be a header; what the library says of it may repeat it.
            return Reply(Outcome.UNREADABLE, f"it can't be asked with this token ({type(error).__name__})")

    async def close(self) -> None:
        """Let go of all connections; who waits for an answer gets none."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._trusted, limit=self._at_once),
                # Whoever asks has one for all of it.
                timeout=aiohttp.ClientTimeout(total=None),
                # The environment must not decide who reads the tokens on their way.
                trust_env=False,
                auto_decompress=False,
                # What it sets for one viewer must not be sent for another.
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=HEADERS,
            )
        return self._session

    def _headers(self, url: URL, token: str) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token}"}
        if self._secret:
            signed = signature(self._secret, at=int(self._now()), method="GET", target=url.raw_path_qs, token=token)
            headers[HEADER] = signed
        return headers


async def _read(answer: aiohttp.ClientResponse) -> Reply:
    if answer.status in REDIRECTS:
        sentence = f"it answers {answer.status}, and redirects are not followed: give the address they lead to"
        return Reply(Outcome.UNREADABLE, sentence)
    if answer.status not in GRANTED | DENIED:
        return Reply(Outcome.UNREADABLE, f"it answers {answer.status}")
    size = 0
    # To its end, or the connection could not be used again.
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > MAX_BYTES:
            return Reply(Outcome.UNREADABLE, f"it answers more than {MAX_BYTES // 1024} KiB")
    return Reply(Outcome.GRANTED if answer.status in GRANTED else Outcome.DENIED)


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Return a context that trusts what is signed by these authorities and nobody else; raises ValueError."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ValueError(f"ca_file: {ca_file} can't be used: {error}") from error
