"""How commands reach the admin listener."""

import asyncio
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import TypeVar

from relayd.cli.exits import CommandFailed, Exit, of_refusal, unreachable
from relayd.client.http import Admin, Refused, Unreachable

__all__ = ["ADMIN", "run"]

ADMIN = "http://127.0.0.1:8001"

Result = TypeVar("Result")


def run(url: str, ask: Callable[[Admin], Coroutine[None, None, Result]], *, absent: str) -> Result:
    """Return what the listener answers; `absent` says what it means that it has no such page; raises CommandFailed."""

    async def asking() -> Result:
        async with Admin(url) as admin:
            return await ask(admin)

    try:
        return asyncio.run(asking())
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from error
    except Refused as refused:
        if refused.status == HTTPStatus.NOT_FOUND and not refused.code:
            raise CommandFailed(Exit.UNAVAILABLE, f"{url} {absent}") from refused
        raise of_refusal(refused) from refused
    except Unreachable as error:
        raise unreachable(error) from error
