"""What is measured, by name, in this order."""

from benchmarks.rows.capacity import capacity
from benchmarks.rows.dashboard import dashboard
from benchmarks.rows.deflate import deflate
from benchmarks.rows.delivery import delivery
from benchmarks.rows.handshakes import handshakes
from benchmarks.rows.ingest import ingest
from benchmarks.rows.latency import latency
from benchmarks.rows.memory import memory
from benchmarks.rows.peers import peers
from benchmarks.rows.projects import projects
from benchmarks.rows.publish import publish
from benchmarks.rows.replicas import replicas
from benchmarks.rows.row import Run
from benchmarks.rows.shape import shape
from benchmarks.rows.soak import soak
from benchmarks.rows.start import start
from benchmarks.rows.storm import storm
from benchmarks.rows.tokens import tokens
from benchmarks.rows.validation import validation

__all__ = ["ROWS", "SELDOM"]

ROWS: dict[str, Run] = {
    "validation": validation,
    "delivery": delivery,
    "peers": peers,
    "capacity": capacity,
    "latency": latency,
    "ingest": ingest,
    "publish": publish,
    "projects": projects,
    "memory": memory,
    "storm": storm,
    "handshakes": handshakes,
    "deflate": deflate,
    "start": start,
    "tokens": tokens,
    "replicas": replicas,
    "shape": shape,
    "dashboard": dashboard,
    "soak": soak,
}

SELDOM = frozenset({"replicas", "soak"})
"""Only run when they are asked for: the soak takes half an hour, and the replicas have a report of their own."""
