"""What `make run` prints: a token that is ready, and what to do with it."""

from relayd.config import Config
from relayd.core.access import Viewer
from relayd.identity.jwt import BadKey, Key, issue

__all__ = ["invitation"]

PROJECT = "demo-shop"
LIFETIME = 86_400


def invitation(config: Config, address: str, now: float) -> str:
    """Return one line for whoever looks at the demo swarm; empty when no key can sign."""
    viewer = Viewer(
        user="demo", expires_at=now + min(LIFETIME, config.auth.max_lifetime_seconds), projects=frozenset({"*"})
    )
    for key in config.auth.keys:
        try:
            token = issue(
                Key(algorithm=key.algorithm, material=key.key.get_secret_value(), id=key.id),
                viewer,
                now=now,
                audience=config.auth.audience,
                issuer=config.auth.issuer,
            )
        except BadKey:
            continue
        http = f"{address}/v1/public/agent-swarms/projects/{PROJECT}"
        socket = f"{address.replace('http', 'ws', 1)}/ws/admin/agent-swarm/{PROJECT}"
        return " · ".join((
            f"relayd is ready: open {address}/#token={token}",
            f"export TOKEN={token}",
            f".venv/bin/relayd tail {PROJECT} --url {address} --token $TOKEN",
            f'WebSocket: "{socket}?batch=1&token=$TOKEN"',
            f'SSE: "{http}/stream?token=$TOKEN"',
            f'long poll: "{http}/events?token=$TOKEN"',
        ))  # fmt: skip
    return ""
