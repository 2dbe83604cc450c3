"""Where everything is served (docs/protocol.md section 4)."""

__all__ = ["ALIASES", "INGEST", "PREFIX", "PROJECT", "SUBPROTOCOL", "WEBSOCKET", "WEBSOCKET_MANY"]

PREFIX = "/v1/public/agent-swarms"
"""Shared with the product's own API: relayd answers only the paths it names."""

ALIASES = ("", "/api")
"""Every HTTP path is also found under `/api`."""

PROJECT = PREFIX + "/projects/{project_id}"
WEBSOCKET_MANY = "/ws/admin/agent-swarm"
WEBSOCKET = WEBSOCKET_MANY + "/{project_id}"
INGEST = "/v1/internal/events"

SUBPROTOCOL = "relayd.v1"
"""Who offers it is a modern viewer: it reads envelopes and notices."""
