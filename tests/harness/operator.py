"""Somebody who gives orders at a relay's admin listener."""

from typing import Any

import aiohttp

from tests.harness.daemon import PrivateRelay

__all__ = ["listed", "orders", "revoked"]


async def orders(relay: PrivateRelay, method: str, path: str, **order: object) -> dict[str, Any]:
    """Return the answer to an order that is carried out."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{relay.admin_url}{path}", json=order or None) as answer,
    ):
        said: dict[str, Any] = await answer.json()
        assert 200 == answer.status, said
        return said


async def listed(relay: PrivateRelay, query: str = "") -> list[dict[str, Any]]:
    """Return the connections that a relay lists."""
    rows: list[dict[str, Any]] = (await orders(relay, "GET", f"/connections{query}"))["connections"]
    return rows


async def revoked(relay: PrivateRelay) -> set[str]:
    """Return the names of all users and tokens that a relay lists as revoked."""
    rows = (await orders(relay, "GET", "/revocations"))["revocations"]
    return {row.get("user") or row["token_id"] for row in rows}
