"""Holds whoever answers to the wire contract (docs/protocol.md), from outside and knowing nothing else of it."""
