"""
One document from one address; the address is the operator's, what answers there may be anybody's.

Law: an answer costs a bounded time and a bounded number of bytes, leads nowhere else, and whatever is wrong with it
ends as FetchFailed.
"""

import ssl

import aiohttp

from relayd import __version__
from relayd.identity.keys import BadKey

__all__ = ["MAX_BYTES", "Endpoint", "FetchFailed"]

MAX_BYTES = 64 * 1024

HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    # What is sent small may be large once it is unpacked.
    "Accept-Encoding": "identity",
    "User-Agent": f"relayd/{__version__}",
}

OK, REDIRECTS = 200, range(300, 400)
LONGEST_SENTENCE = 300


class FetchFailed(Exception):
    """There is no document; the message says why."""


class Endpoint:
    """An address that is asked with GET, over HTTPS unless it begins with http://."""

    def __init__(self, url: str, *, timeout: float, ca_file: str = "") -> None:
        """Wait `timeout` seconds at most; trust the system's authorities or only those of a PEM; raises BadKey."""
        self.url = url
        self._timeout = timeout
        self._trusted: ssl.SSLContext | bool = _trusting(ca_file) if ca_file else True

    async def fetch(self) -> bytes:
        """Return what stands there; raises FetchFailed."""
        try:
            return await self._fetch()
        except TimeoutError as error:
            raise FetchFailed(f"no answer within {self._timeout:g} s") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise FetchFailed((str(error) or type(error).__name__)[:LONGEST_SENTENCE]) from error

    async def _fetch(self) -> bytes:
        # A session of its own each time: a connection that lies idle for minutes is one that fails when it is needed.
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._trusted),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                # The environment must not decide who is between us and the keys.
                trust_env=False,
                auto_decompress=False,
                headers=HEADERS,
            ) as session,
            session.get(self.url, allow_redirects=False) as answer,
        ):
            if answer.status in REDIRECTS:
                raise FetchFailed(
                    f"it answers {answer.status}, and redirects are not followed: give the address they lead to"
                )
            if answer.status != OK:
                raise FetchFailed(f"it answers {answer.status}")
            body = bytearray()
            async for chunk in answer.content.iter_any():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise FetchFailed(f"it answers more than {MAX_BYTES // 1024} KiB")
            return bytes(body)


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Return a context that trusts what is signed by these authorities and nobody else; raises BadKey."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise BadKey(f"auth.jwks.ca_file: {ca_file} can't be used: {error}") from error
